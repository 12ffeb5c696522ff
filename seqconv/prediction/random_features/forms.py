"""Forms of the frames of one whole sequence, and sums over the values of a channel above thresholds, in NumPy."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from seqconv.layers import (
    FeatureNormalization,
    MaskedCompression,
    MaskedDifference1D,
    MaskedLengthChannel,
    MaskedSequenceStandardization,
)

Frames = npt.NDArray[np.float32]
Sums = npt.NDArray[np.float64]
Form = Callable[[Frames], Frames]


def form_of(layer: keras.layers.Layer) -> Form:
    """Return what a layer does to the frames `(time, d)` of one sequence, in the same operations."""
    if isinstance(layer, FeatureNormalization):
        # The backend's root, which need not be NumPy's to the last digit.
        mean, deviation = to_numpy(layer.mean), to_numpy(ops.sqrt(layer.variance))
        return lambda frames: (frames - mean) / deviation
    if isinstance(layer, MaskedDifference1D):
        return lambda frames: np.diff(frames, axis=0, prepend=frames[:1])
    if isinstance(layer, MaskedSequenceStandardization):
        return lambda frames: _standardized(frames, layer.epsilon)
    if isinstance(layer, MaskedCompression):
        return lambda frames: _compressed(frames, layer.unit, layer.pieces)
    if isinstance(layer, MaskedLengthChannel):
        reference = np.float32(layer.reference)
        return lambda frames: np.full((len(frames), 1), np.log(np.float32(len(frames)) / reference), np.float32)
    raise TypeError(f"layer '{layer.name}' is a {type(layer).__name__}, which only the graph of a model computes.")


def _standardized(frames: Frames, epsilon: float) -> Frames:
    exact = frames.astype(np.float64)
    mean = exact[0] + (exact - exact[0]).mean(axis=0)
    scale = 1 / np.sqrt(np.square(exact - mean).mean(axis=0) + epsilon)
    standardized: Frames = (frames - mean.astype(np.float32)) * scale.astype(np.float32)
    return standardized


def _compressed(frames: Frames, unit: float, pieces: int) -> Frames:
    features = frames * np.float32(1 / unit)
    size = np.abs(features)
    total = np.minimum(size, np.float32(1))
    for piece in range(pieces):
        total += np.clip(size - np.float32(2.0**piece), 0, np.float32(2.0**piece)) * np.float32(2.0**-piece)
    compressed: Frames = np.sign(features) * total
    return compressed


def sums_above(frames: Frames, levels: Sums) -> Sums:
    """Return sums `(6, levels, channels)` over the values above each level: count, distance to the level, index,
    squared index, longest stretch and number of stretches."""
    index = np.arange(len(frames), dtype=np.float64)
    sums = np.empty((6, *levels.shape))
    for place, level in enumerate(levels):
        above = frames > level
        below = np.maximum.accumulate(np.where(above, -1, index[:, None]), axis=0)
        distance = np.maximum(frames - level, 0).sum(axis=0)
        stretches = above[0] + (above[1:] & ~above[:-1]).sum(axis=0)
        longest = (index[:, None] - below).max(axis=0)
        sums[:, place] = above.sum(axis=0), distance, index @ above, index**2 @ above, longest, stretches
    return sums


def statistics_of(sums: Sums, count: int) -> dict[str, Sums]:
    """Return the statistics of `MaskedThresholdPooling1D`, from the sums over a sequence of `count` frames."""
    above, distance, index, squares, longest, stretches = sums
    some = np.maximum(above, 1)
    middle = index / some
    return {
        "proportion": above / count,
        "mean": distance / some,
        "mean_index": np.where(above > 0, (middle + 0.5) / count, 0.5),
        "spread": np.sqrt(np.maximum(squares / some - middle**2, 0)) / count,
        "longest": longest / count,
        "stretches": stretches / count,
    }


def to_numpy(variable: Any) -> Any:
    """Return a copy of a variable that may be written to."""
    return np.array(ops.convert_to_numpy(variable))
