"""Depthwise and separable convolution over time that padding and neighbors cannot reach."""

from typing import Any

import keras
from keras import ops

from seqconv.layers.convolution import MaskedConvolution1D
from seqconv.layers.masking import Tensor, pad_time


class _Depthwise1D(MaskedConvolution1D):
    """The convolution of each channel by itself."""

    def _convolve_channels(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        layer = self.time_layer
        return ops.depthwise_conv(
            pad_time(inputs, layer),
            kernel,
            strides=layer.stride,
            padding="valid",
            data_format="channels_last",
            dilation_rate=layer.dilation,
        )


@keras.saving.register_keras_serializable(package="seqconv")
class MaskedDepthwiseConv1D(_Depthwise1D, keras.layers.DepthwiseConv1D):  # type: ignore[misc]
    """`keras.layers.DepthwiseConv1D` whose answer for a sequence does not depend on its neighbors.

    Padding is set to zero before the convolution; `padding="same"` is phase-fixed, as in `MaskedConv1D`.

    Args:
        kernel_size, strides, dilation_rate, depth_multiplier, activation, ...: as in `keras.layers.DepthwiseConv1D`.
        padding: "same" (phase-fixed, the default), "causal" or "valid".

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(features, segments)` of the output frames, or features alone when `segments` is None; `depth_multiplier`
        times as many channels.
    """

    def __init__(self, kernel_size: int, *, padding: str = "same", **options: Any) -> None:
        super().__init__(kernel_size, padding=padding, **options)

    def convolve(self, inputs: Tensor) -> Tensor:
        return self._convolve_channels(inputs, self.kernel)

    def output_channels(self, channels: int) -> int:
        return channels * int(self.depth_multiplier)


@keras.saving.register_keras_serializable(package="seqconv")
class MaskedSeparableConv1D(_Depthwise1D, keras.layers.SeparableConv1D):  # type: ignore[misc]
    """`keras.layers.SeparableConv1D` whose answer for a sequence does not depend on its neighbors.

    Padding is set to zero before the convolution; `padding="same"` is phase-fixed, as in `MaskedConv1D`. Without
    bias it is the time-channel separable convolution of QuartzNet (Kriman et al. 2020).

    Args:
        filters, kernel_size, strides, dilation_rate, depth_multiplier, ...: as in `keras.layers.SeparableConv1D`.
        padding: "same" (phase-fixed, the default), "causal" or "valid".

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(features, segments)` of the output frames, or features alone when `segments` is None.
    """

    def __init__(self, filters: int, kernel_size: int, *, padding: str = "same", **options: Any) -> None:
        super().__init__(filters, kernel_size, padding=padding, **options)

    def convolve(self, inputs: Tensor) -> Tensor:
        # What the first step leaves in padding is finite, and the second reads no other frame.
        return ops.matmul(self._convolve_channels(inputs, self.depthwise_kernel), self.pointwise_kernel[0])

    def output_channels(self, channels: int) -> int:
        return int(self.filters)
