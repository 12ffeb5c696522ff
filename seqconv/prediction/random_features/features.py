"""Pooled features of random convolutions on a CPU: what the graph of a model returns, computed by compiled kernels.

A graph goes over an array of frames times thousands of channels for each statistic; kernels that compute one channel
at a time keep it in the caches of a processor.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from seqconv.features.store.workers import available_cores
from seqconv.layers import (
    FeatureNormalization,
    MaskedCompression,
    MaskedDifference1D,
    MaskedGlobalMaxPooling1D,
    MaskedLengthChannel,
    MaskedRandomConvolution1D,
    MaskedSequenceStandardization,
    MaskedThresholdPooling1D,
)
from seqconv.layers.random_convolution import kernel_weights
from seqconv.models import SequenceModel
from seqconv.models.nodes import Nodes, Parallel
from seqconv.models.pooled_model import PooledModel
from seqconv.models.stack import apply_dense, walk
from seqconv.prediction.random_features.branches import Convolution, compiled_kernels
from seqconv.prediction.random_features.forms import Form, Frames, form_of, statistics_of, sums_above, to_numpy
from seqconv.sources import Source

FORMS = (MaskedSequenceStandardization, MaskedDifference1D, MaskedCompression)
POOLINGS = (MaskedThresholdPooling1D, MaskedGlobalMaxPooling1D)
# Longer sequences run in chunks, in bounded memory: these take a dozen copies of their frames.
MOST_VALUES = 1 << 20
BLOCK_ROWS = 1024


def qualifies(model: Any) -> bool:
    """Whether the kernels compute all that a model has up to its poolings, and its tensors are TensorFlow's on a CPU.

    Otherwise, and where Numba does not run, the graph gives the same answer.
    """
    if type(model) not in (SequenceModel, PooledModel) or not model.stack.poolings:
        return False
    if keras.backend.backend() != "tensorflow":
        return False
    first, *rest = model.stack.trunk
    if type(first) is not FeatureNormalization or not rest or not isinstance(rest[0], Parallel):
        return False
    layers = [*walk(model.stack.trunk), *model.stack.poolings]
    return (
        any(type(layer) is MaskedRandomConvolution1D for layer in layers)
        and all(_is_branch(branch) for branch in rest[0].branches)
        and all(type(layer) is MaskedLengthChannel for layer in rest[1:])
        and all(type(layer) in POOLINGS for layer in model.stack.poolings)
        and all({layer.compute_dtype, layer.variable_dtype} == {"float32"} for layer in layers)
        and "cpu" in str(ops.zeros(()).device).lower()
        and compiled_kernels() is not None
    )


def _is_branch(nodes: Nodes) -> bool:
    """Whether the nodes are nothing at all, or forms of the frames and then kernels that are those of MiniRocket.

    Their middle is the frame itself: causal ones are left to the graph.
    """
    if not nodes:
        return True
    *forms, last = nodes
    if type(last) is not MaskedRandomConvolution1D or any(type(form) not in FORMS for form in forms):
        return False
    if last.time_layer.padding != "same":
        return False
    kernel = to_numpy(last.kernel)
    is_used = kernel.any(axis=1, keepdims=True)
    return bool(is_used.any(axis=2).all() and np.array_equal(kernel, kernel_weights()[None, :, None] * is_used))


class NotFiniteError(Exception):
    """A sequence has frames that are not finite, which whole numbers cannot stand for."""


class RandomFeatures:
    """A model up to its poolings, for one sequence at a time.

    Args:
        model: one that `qualifies`, with the weights that it has now.
    """

    def __init__(self, model: SequenceModel) -> None:
        trunk: Any = model.stack.trunk
        first, parallel, *lengths = trunk
        self.normalize = form_of(first)
        self.lengths = [form_of(layer) for layer in lengths]
        self.poolings = model.stack.poolings
        thresholds = [layer for layer in self.poolings if isinstance(layer, MaskedThresholdPooling1D)]
        channels = sum(_channels(branch, model.num_features) for branch in parallel.branches) + len(lengths)
        self.levels = np.concatenate([np.zeros((0, channels)), *(to_numpy(layer.levels) for layer in thresholds)])
        self.with_longest = any("longest" in layer.statistics for layer in thresholds)
        self.branches: list[tuple[list[Form], Convolution | None]] = []
        start = 0
        for branch in parallel.branches:
            stop = start + _channels(branch, model.num_features)
            convolution = Convolution(branch[-1], self.levels[:, start:stop]) if branch else None
            self.branches.append(([form_of(layer) for layer in branch[:-1]], convolution))
            start = stop

    def pool(self, frames: Frames) -> npt.NDArray[np.float32]:
        """Return the vector of all poolings for one sequence `(time, d)`.

        Raises:
            NotFiniteError: frames, or a form of them, are NaN or infinite.
        """
        sums, largest, start = [], [], 0
        for inputs, convolution in self._forms(frames):
            if convolution is None:
                stop = start + inputs.shape[1]
                sums.append(sums_above(inputs, self.levels[:, start:stop]))
                largest.append(inputs.max(axis=0).astype(np.float64))
            else:
                stop = start + convolution.channels
                found, most = convolution.summarize(inputs, self.with_longest)
                sums.append(found)
                largest.append(most)
            start = stop
        statistics = statistics_of(np.concatenate(sums, axis=-1), len(frames))
        parts, level = [], 0
        for layer in self.poolings:
            if isinstance(layer, MaskedThresholdPooling1D):
                chosen = slice(level, level + layer.thresholds)
                parts += [statistics[name][chosen].ravel() for name in layer.statistics]
                level += layer.thresholds
            else:
                parts.append(np.concatenate(largest))
        return np.concatenate(parts).astype(np.float32)

    def frames_at(self, frames: Frames, places: npt.NDArray[np.int64]) -> Frames:
        """Return what reaches the poolings at some frames of a sequence, `(places, channels)`.

        Raises:
            NotFiniteError: frames, or a form of them, are NaN or infinite.
        """
        parts = [
            inputs[places] if convolution is None else convolution.convolve_at(inputs, places)
            for inputs, convolution in self._forms(frames)
        ]
        return np.concatenate(parts, axis=1)

    def _forms(self, frames: Frames) -> list[tuple[Frames, Convolution | None]]:
        """Return what each branch reads, in order, and what of a length follows them."""
        found: list[tuple[Frames, Convolution | None]] = []
        # What overflows is refused below.
        with np.errstate(over="ignore", invalid="ignore"):
            features = self.normalize(np.asarray(frames, np.float32))
            for forms, convolution in self.branches:
                inputs = features
                for form in forms:
                    inputs = form(inputs)
                found.append((inputs, convolution))
        if not all(np.isfinite(inputs).all() for inputs, _ in found):
            raise NotFiniteError
        return [*found, *((length(features), None) for length in self.lengths)]


class Answers(NamedTuple):
    """Outputs `(n, num_outputs)`, and of which sequences they are."""

    outputs: npt.NDArray[np.float32]
    is_known: npt.NDArray[np.bool_]


def answer(model: SequenceModel, source: Source, threads: int | None = None) -> Answers:
    """Return the outputs of a model that `qualifies` for the sequences of a source.

    Those that are very long, or not finite, are left to the graph. More threads do not change the answer.
    """
    features, count = RandomFeatures(model), len(source.lengths)
    outputs = np.zeros((count, model.num_outputs), np.float32)
    is_known = np.asarray(source.lengths) * model.num_features <= MOST_VALUES
    for start in range(0, count, BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, count))
        rows = rows[is_known[rows]]
        vectors = _pool_rows(features, source, rows, threads or available_cores())
        is_known[rows] = [vector is not None for vector in vectors]
        pooled = np.array([vector for vector in vectors if vector is not None], np.float32)
        if len(pooled) and model.stack.dense:
            pooled = ops.convert_to_numpy(apply_dense(model.stack, [ops.convert_to_tensor(pooled)], training=False))
        if len(pooled):
            outputs[rows[is_known[rows]]] = pooled
    return Answers(outputs, is_known)


def _pool_rows(
    features: RandomFeatures, source: Source, rows: npt.NDArray[np.int64], threads: int
) -> list[Frames | None]:
    """Return the pooled vectors of some sequences, None for one that is not finite."""

    def pool(frames: Frames) -> Frames | None:
        try:
            return features.pool(frames)
        except NotFiniteError:
            return None

    futures: list[Future[Frames | None]] = []
    with ThreadPoolExecutor(threads, "seqconv-kernels") as workers:
        for number, row in enumerate(rows.tolist()):
            if number >= 4 * threads:
                futures[number - 4 * threads].result()
            # Sequences are read here: a source need not allow several threads.
            futures.append(workers.submit(pool, source[row]))
    return [future.result() for future in futures]


def _channels(branch: Any, channels: int) -> int:
    return int(branch[-1].output_channels(channels)) if branch else channels
