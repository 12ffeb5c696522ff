"""Pooling over time inside a stack: phase-fixed, and over real frames only."""

from typing import Any

from keras import ops

from seqconv.geometry import TimeLayer
from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, lowest_value, map_segments, pad_time, real_frames, zero_padding


class _MaskedPooling1D(MaskedLayer):
    """The part that maximum and average pooling share: window, strides and the way of the segments."""

    def __init__(
        self, pool_size: int = 2, *, strides: int | None = None, padding: str = "same", **options: Any
    ) -> None:
        super().__init__(**options)
        if padding not in ("same", "causal"):
            raise ValueError(f"padding must be 'same' or 'causal', got {padding!r}: each window pools its real frames.")
        self.pool_size, self.strides, self.padding = pool_size, strides or pool_size, padding

    @property
    def time_layer(self) -> TimeLayer:
        """The way in which this layer reads time."""
        return TimeLayer(self.pool_size, self.strides, 1, self.padding)

    def call(self, inputs: Tensor, segments: Tensor | None = None) -> Tensor:
        outputs = self._pool(inputs, segments)
        return outputs if segments is None else (outputs, map_segments(segments, self.time_layer))

    def _pool(self, inputs: Tensor, segments: Tensor | None) -> Tensor:
        raise NotImplementedError


class MaskedMaxPooling1D(_MaskedPooling1D):
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

    padding_after = Padding.ZERO

    def _pool(self, inputs: Tensor, segments: Tensor | None) -> Tensor:
        lowest = lowest_value(inputs.dtype)
        inputs = pad_time(zero_padding(inputs, segments, lowest), self.time_layer, lowest)
        outputs = ops.max_pool(inputs, self.pool_size, self.strides, padding="valid")
        return outputs if segments is None else zero_padding(outputs, map_segments(segments, self.time_layer))


class MaskedAveragePooling1D(_MaskedPooling1D):
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

    padding_after = Padding.FINITE

    def _pool(self, inputs: Tensor, segments: Tensor | None) -> Tensor:
        totals, counts = self._average(zero_padding(inputs, segments)), self._average(real_frames(inputs, segments))
        # Both averages divide by the window; their ratio divides by the real frames in it.
        return totals / ops.maximum(counts, 0.5 / self.pool_size)

    def _average(self, inputs: Tensor) -> Tensor:
        inputs = pad_time(inputs, self.time_layer)
        return ops.average_pool(inputs, self.pool_size, self.strides, padding="valid")
