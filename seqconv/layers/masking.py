"""Masks as explicit arguments: which frames are real, and how masks move through a layer.

Every layer here takes `segments` as its second argument: either a boolean frame mask `(batch, time)`, True for real
frames, or int32 segments `(batch, time)`, the slot of each frame within its own row and -1 for padding. Layers that
may change the number of frames return `(features, segments)` when they were given segments, else features alone.

Features are `(batch, time, channels)`, or `(batch, time, bands, channels)` of layers over two axes. Padding is along
time only: a frame is real with all its bands.
"""

from enum import IntEnum
from typing import Any

import keras
from keras import ops

from seqconv.geometry import TimeLayer

Tensor = Any


class Padding(IntEnum):
    """Known facts about the features in padding. Callers may pass them to a layer as `known`, which saves work."""

    ANY = 0
    FINITE = 1
    ZERO = 2


def frame_mask(segments: Tensor) -> Tensor:
    """Return True for real frames, from segments or from a mask."""
    return segments if is_mask(segments) else segments >= 0


def is_mask(segments: Tensor) -> bool:
    """Whether `segments` is a boolean mask rather than slot numbers.

    Raises ValueError for what is neither.
    """
    dtype = str(keras.backend.standardize_dtype(segments.dtype))
    if dtype != "bool" and not dtype.startswith("int"):
        raise ValueError(
            f"segments must be a boolean mask, or integers: the slot of each frame, -1 for padding; got {dtype}. "
            "For a mask of zeros and ones pass mask > 0."
        )
    return dtype == "bool"


def zero_padding(
    features: Tensor, segments: Tensor | None, value: float = 0.0, *, known: Padding = Padding.ANY
) -> Tensor:
    """Replace the content of padding, NaN included, before an operation that would sum over it."""
    if segments is None or (known == Padding.ZERO and value == 0):
        return features
    if known == Padding.FINITE and value == 0 and not is_half(features):
        # A product is several times faster than a selection on CPUs.
        return features * real_frames(features, segments)
    return ops.where(_beside(frame_mask(segments), features), features, ops.cast(value, features.dtype))


def real_frames(features: Tensor, segments: Tensor | None) -> Tensor:
    """Return 1 for real frames and 0 for padding, `(batch, time, 1[, 1])`, in the type of the features."""
    if segments is None:
        one = (slice(0, 1),) * (len(features.shape) - 2)
        return ops.ones_like(features[(slice(None), slice(None), *one)])
    return _beside(ops.cast(frame_mask(segments), features.dtype), features)


def _beside(values: Tensor, features: Tensor) -> Tensor:
    """Return values of frames `(batch, time)` with as many axes as the features have."""
    return ops.expand_dims(values, tuple(range(2, len(features.shape))))


def is_half(features: Tensor) -> bool:
    """Whether features are in half precision, in which finite values may overflow."""
    return keras.backend.standardize_dtype(features.dtype) in ("float16", "bfloat16")


def lowest_value(dtype: Any) -> float:
    """Return a finite number below every feature, for maxima: an infinity would give NaN gradients."""
    return -65504.0 if keras.backend.standardize_dtype(dtype) == "float16" else -1e38


def map_segments(segments: Tensor, layer: TimeLayer) -> Tensor:
    """Return the segments of a layer's output frames.

    A phase-fixed layer labels output `p` as its input frame `p * stride`; a `valid` one keeps an output only where
    all its taps are in one segment.
    """
    if layer.padding != "valid":
        return segments[:, :: layer.stride] if layer.stride > 1 else segments
    last_start = ops.shape(segments)[1] - layer.span + 1
    first = segments[:, : last_start : layer.stride]
    last = segments[:, layer.span - 1 :: layer.stride]
    if is_mask(segments):
        return ops.logical_and(first, last)
    return ops.where(ops.equal(first, last), first, -1)


def pad_time(features: Tensor, layer: TimeLayer, value: float = 0.0, *, bands: tuple[int, int] = (0, 0)) -> Tensor:
    """Put the layer's constant padding around the time axis, so that a `valid` operation is phase-fixed.

    `bands` is put around the axis of bands in the same step.
    """
    if layer.left == layer.right == 0 and bands == (0, 0):
        return features
    around = [bands] if len(features.shape) == 4 else []
    return ops.pad(features, [(0, 0), (layer.left, layer.right), *around, (0, 0)], constant_values=value)


def segments_from_lengths(lengths: Tensor, width: Tensor) -> Tensor:
    """Return segments `(batch, width)` of padded rows: slot 0 up to each length, -1 after it."""
    frames = ops.arange(width, dtype="int32")
    return ops.where(frames[None, :] < ops.cast(lengths, "int32")[:, None], 0, -1)
