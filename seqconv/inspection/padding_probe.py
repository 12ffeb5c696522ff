"""Measured effects of padding and batch mates on a model's answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from seqconv.errors import ModelError
from seqconv.inspection.effects import follow_axes, kind_of
from seqconv.inspection.graph import Graph
from seqconv.inspection.masks import is_mask
from seqconv.models.stock import move_time_first
from seqconv.prediction.compiled import Array, runner_for
from seqconv.prediction.forward import forward
from seqconv.prediction.stock import as_logits
from seqconv.sources import ArraySource

PADDINGS = (1, 2, 7, 64)
BATCH_SIZE = 8
# Relative to the largest logit. Half precision rounds each layer's output.
TOLERANCE, HALF_TOLERANCE = 1e-4, 5e-2
# They leave values as they are when a model answers.
_KEEPING = (
    "ActivityRegularization", "Cast", "ConvertToTensor", "Dropout", "GaussianNoise", "Identity", "SpatialDropout1D",
)  # fmt: skip


@dataclass(frozen=True)
class Measurement:
    """Changes of the answers, compared with those for each sequence alone.

    Attributes:
        what: "padding" or "mates".
        frames: frames of padding that were appended; None for other mates.
        sequences: how many were tried.
        flipped: how many got another label.
        largest_change: of a logit.
        tolerance: below which a change is rounding.
    """

    what: str
    frames: int | None
    sequences: int
    flipped: int
    largest_change: float
    tolerance: float

    @property
    def passes(self) -> bool:
        """Whether the changes are rounding."""
        return self.largest_change <= self.tolerance


class Subject:
    """A model that is run on sequences in different surroundings.

    A `SequenceModel`, or a functional model of features and a mask, knows which frames are real, and gets garbage in
    the others. Any other model is padded with zeros, as people do, or with what its `Masking` takes for padding.
    """

    def __init__(self, model: Any, graph: Graph) -> None:
        self.model = model
        self.is_ours = hasattr(model, "time_geometry")
        self.num_inputs = 1 if self.is_ours else len(graph.inputs)
        self.takes_mask = self.num_inputs == 2 and is_mask(graph, graph.inputs[1])
        if self.num_inputs > 1 and not self.takes_mask:
            raise ModelError(
                f"model '{model.name}' has {self.num_inputs} inputs. What is measured needs a model of features "
                "alone, or of features and a boolean mask (batch, time)."
            )
        self.knows_lengths = self.is_ours or self.takes_mask
        self.shape = graph.shapes[graph.inputs[0]]
        embeddings = (call.layer for call in graph.calls if kind_of(call.layer) == "Embedding")
        self.num_tokens = next((int(layer.input_dim) for layer in embeddings), None)
        self.min_frames = model.min_frames if self.is_ours else _shortest(graph)
        self.filler = _find_filler(graph)

    def answer(self, sequences: Sequence[Array], width: int, rng: np.random.Generator) -> list[Array]:
        """Return logits of sequences in rows of one width; of each output frame if there are several."""
        lengths = np.array([len(sequence) for sequence in sequences], np.int32)
        rows = np.full((len(sequences), width, *sequences[0].shape[1:]), self.filler, np.float32)
        for row, sequence in zip(rows, sequences, strict=True):
            row[: len(sequence)] = sequence
            if self.knows_lengths:
                row[len(sequence) :] = 1e4 * rng.normal(size=row[len(sequence) :].shape)
                row[len(sequence) :: 2] = np.nan
        outputs = self._run(rows, np.arange(width) < lengths[:, None], lengths)
        return list(np.asarray(as_logits(self.model, outputs), np.float64))

    def _run(self, rows: Array, mask: Array, lengths: Array) -> Array:
        if self.is_ours:
            segments = np.where(mask, 0, -1).astype(np.int32)
            batch = {"features": rows, "segments": segments, "lengths": lengths[:, None]}
            outputs: Array = runner_for(self.model)(batch)
            return outputs if self.model.predicts_frames else outputs[:, 0]
        if not self.takes_mask:
            return runner_for(self.model)(rows)
        return np.asarray(ops.convert_to_numpy(ops.cast(self.model([rows, mask], training=False), "float32")))


def measure(subject: Subject, sequences: Sequence[Array], *, is_labeled: bool, seed: int) -> list[Measurement]:
    """Run each sequence alone, with padding appended, and among other sequences; in that order.

    Args:
        sequences: `(time, num_features)`, or with more axes where the model has them.
        is_labeled: whether the largest logit is the label; False for a regression, where no label can flip.
    """
    rng = np.random.default_rng(seed)
    alone = [subject.answer([sequence], len(sequence), rng)[0] for sequence in sequences]
    largest = max(float(np.abs(logits).max(initial=0)) for logits in alone)
    is_half = getattr(subject.model, "compute_dtype", "float32") in ("float16", "bfloat16")
    tolerance = (HALF_TOLERANCE if is_half else TOLERANCE) * largest + 1e-5

    def compare(what: str, frames: int | None, others: list[Array]) -> Measurement:
        pairs = [(one, other[: len(one)] if one.ndim > 1 else other) for one, other in zip(alone, others, strict=True)]
        change = np.max([np.abs(one - other).max(initial=0) for one, other in pairs])
        flipped = sum(bool((_labels(one) != _labels(other)).any()) for one, other in pairs) if is_labeled else 0
        return Measurement(what, frames, len(alone), flipped, float(change), tolerance)

    found = []
    for frames in PADDINGS:
        padded = [subject.answer([each], len(each) + frames, rng)[0] for each in sequences]
        found.append(compare("padding", frames, padded))
    mixed = [_among_others(subject, sequences, rng) for _ in range(2)]
    if subject.is_ours and subject.model.packable:
        mixed.append(list(forward(subject.model, ArraySource(sequences), strategy="packed", batch_size=BATCH_SIZE)))
    changes = [compare("mates", None, answers) for answers in mixed]
    # For argmax, NaN is the largest number.
    return [*found, changes[int(np.argmax([each.largest_change for each in changes]))]]


def make_sequences(subject: Subject, seed: int = 0) -> list[Array]:
    """Make random sequences that the model can take, if there are no real ones."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(subject.min_frames, subject.min_frames + 80, 32)
    sizes = [8 if size is None else size for size in subject.shape[2:]]
    if subject.num_tokens is not None:
        # 0 is what padding is.
        return [rng.integers(1, subject.num_tokens, (length, *sizes)).astype(np.float32) for length in lengths]
    return [rng.normal(size=(length, *sizes)).astype(np.float32) for length in lengths]


def _among_others(subject: Subject, sequences: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """Return answers in shuffled batches, each as long as its longest sequence."""
    order = rng.permutation(len(sequences))
    found: list[Array] = []
    for first in range(0, len(order), BATCH_SIZE):
        members = [sequences[index] for index in order[first : first + BATCH_SIZE]]
        found += subject.answer(members, max(map(len, members)), rng)
    return [found[place] for place in np.argsort(order)]


def _labels(logits: Array) -> Array:
    return np.atleast_1d(logits[..., 0] > 0 if logits.shape[-1] == 1 else logits.argmax(axis=-1))


def check_time_axis(model: Any, graph: Graph) -> None:
    """Check that the first axis of the input after the batch is time.

    Raises:
        ModelError: another one is of any length, and the first is not.
    """
    shape = graph.shapes[graph.inputs[0]]
    free = [axis for axis, size in enumerate(shape) if size is None and axis > 0]
    if len(shape) > 2 and free and free[0] > 1:
        raise ModelError(
            f"model '{model.name}' takes inputs of shape {shape}, with time on axis {free[0]}. What is measured needs "
            f"time on axis 1, (batch, time, ...): {move_time_first(shape)}."
        )


def _find_filler(graph: Graph) -> float:
    """Return the value that a `Masking` before every other layer takes for padding; 0 where there is none."""
    reached = set(graph.inputs)
    for call in graph.calls:
        if not reached.intersection(call.inputs):
            continue
        kind = kind_of(call.layer)
        if kind == "Masking":
            return float(call.layer.mask_value)
        if kind in _KEEPING:
            reached.update(call.outputs)
    return 0.0


def _shortest(graph: Graph) -> int:
    """Return the least T for which every tensor has a position left."""
    lengths = [axis.length for axes in follow_axes(graph).values() for axis in axes]
    return next((frames for frames in range(1, 10_000) if all(length.at(frames) > 0 for length in lengths)), 1)
