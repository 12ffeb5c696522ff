"""Pooling over time, or over time and bands, inside a stack: phase-fixed, and over real frames only."""

import math
from typing import Any

import numpy as np
from keras import InputSpec, ops

from seqconv.geometry import TimeLayer
from seqconv.layers.bands import band_edges
from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, lowest_value, map_segments, pad_time, real_frames, zero_padding


class MaskedPooling(MaskedLayer):
    """The part that all poolings share: window, strides and the way of the segments.

    `pool_size` and `strides` are numbers, or of layers over time and bands pairs of them.
    """

    def __init__(self, pool_size: Any, *, strides: Any = None, padding: str = "same", **options: Any) -> None:
        super().__init__(**options)
        if padding not in ("same", "causal"):
            raise ValueError(f"padding must be 'same' or 'causal', got {padding!r}: each window pools its real frames.")
        self.pool_size, self.strides, self.padding = pool_size, strides or pool_size, padding
        self.input_spec = InputSpec(ndim=4 if self.takes_bands else 3)

    @property
    def time_layer(self) -> TimeLayer:
        """The way in which this layer reads time."""
        return TimeLayer(_pair(self.pool_size)[0], _pair(self.strides)[0], 1, self.padding)

    def call(self, inputs: Tensor, segments: Tensor | None = None) -> Tensor:
        outputs = self._pool(inputs, segments)
        return outputs if segments is None else (outputs, map_segments(segments, self.time_layer))

    def _pool(self, inputs: Tensor, segments: Tensor | None) -> Tensor:
        raise NotImplementedError

    def _edges(self, inputs: Tensor) -> tuple[int, int]:
        """Return the bands that are put around those of the inputs."""
        layer = self.band_layer
        return (0, 0) if layer is None else band_edges(inputs.shape[2], layer)


class MaxPooling(MaskedPooling):
    """The largest real value in each window."""

    padding_after = Padding.ZERO

    def _pool(self, inputs: Tensor, segments: Tensor | None) -> Tensor:
        lowest, edges = lowest_value(inputs.dtype), self._edges(inputs)
        inputs = pad_time(zero_padding(inputs, segments, lowest), self.time_layer, lowest, bands=edges)
        outputs = ops.max_pool(inputs, self.pool_size, self.strides, padding="valid")
        return outputs if segments is None else zero_padding(outputs, map_segments(segments, self.time_layer))


class AveragePooling(MaskedPooling):
    """The mean of the real values in each window."""

    padding_after = Padding.FINITE

    def _pool(self, inputs: Tensor, segments: Tensor | None) -> Tensor:
        layer, edges = self.time_layer, self._edges(inputs)
        features = pad_time(zero_padding(inputs, segments), layer, bands=edges)
        totals = ops.average_pool(features, self.pool_size, self.strides, padding="valid")
        is_real, rest = pad_time(real_frames(inputs, segments), layer), (1,) * (len(inputs.shape) - 3)
        size, strides = (layer.kernel_size, *rest), (layer.stride, *rest)
        counts = ops.average_pool(is_real, size, strides, padding="valid")
        if self.band_layer is not None and edges != (0, 0):
            counts = counts * ops.cast(_shares_of_bands(inputs.shape[2], edges, self.band_layer), counts.dtype)
        # All averages divide by the window; their ratio divides by the real values in it.
        return totals / ops.maximum(counts, 0.5 / math.prod(_pair(self.pool_size)))


def _shares_of_bands(bands: int, edges: tuple[int, int], layer: TimeLayer) -> np.ndarray:
    """Return the part of each window that is not beyond the first or last band, `(windows, 1)`."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(np.ones(bands), edges), layer.kernel_size)
    shares: np.ndarray = windows[:: layer.stride].mean(axis=1, keepdims=True)
    return shares


def _pair(value: Any) -> tuple[int, int]:
    """Return a number for time and one for bands."""
    return value if isinstance(value, tuple) else (value, 1)


class MaskedMaxPooling1D(MaxPooling):
    """The largest real value in each window.

    Args:
        pool_size: frames in a window.
        strides: frames from one window to the next (default: `pool_size`).
        padding: "same", where a window reaches `(pool_size - 1) // 2` frames to the left, or "causal", where it reaches
            all its frames to the left.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.

    Returns:
        `(features, segments)` with `ceil(time / strides)` frames, or features alone when `segments` is None.
    """

    def __init__(
        self, pool_size: int = 2, *, strides: int | None = None, padding: str = "same", **options: Any
    ) -> None:
        super().__init__(pool_size, strides=strides, padding=padding, **options)


class MaskedAveragePooling1D(AveragePooling):
    """The mean of the real values in each window.

    Args:
        pool_size: frames in a window.
        strides: frames from one window to the next (default: `pool_size`).
        padding: "same", where a window reaches `(pool_size - 1) // 2` frames to the left, or "causal", where it reaches
            all its frames to the left.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.

    Returns:
        `(features, segments)` with `ceil(time / strides)` frames, or features alone when `segments` is None.
    """

    def __init__(
        self, pool_size: int = 2, *, strides: int | None = None, padding: str = "same", **options: Any
    ) -> None:
        super().__init__(pool_size, strides=strides, padding=padding, **options)
