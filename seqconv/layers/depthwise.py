"""Depthwise and separable convolution over time that padding and neighbors cannot reach."""

from typing import Any

import keras
from keras import ops

from seqconv.geometry import TimeLayer
from seqconv.layers.masking import Padding, Tensor, checked_padding, map_segments, output_spec, pad_time, zero_padding


class _DepthwiseStep:
    """What both layers share: how they read time, and the convolution of each channel by itself."""

    packable = True
    chunkable = True
    takes_known = True
    padding_after = Padding.FINITE

    @property
    def time_layer(self) -> TimeLayer:
        """How this layer reads time."""
        layer: Any = self
        return TimeLayer(layer.kernel_size[0], layer.strides[0], layer.dilation_rate[0], layer.padding)

    def _convolve_depthwise(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        layer = self.time_layer
        return ops.depthwise_conv(
            pad_time(inputs, layer),
            kernel,
            strides=layer.stride,
            padding="valid",
            data_format="channels_last",
            dilation_rate=layer.dilation,
        )

    def _finish(self, outputs: Tensor, segments: Tensor | None) -> Tensor:
        layer: Any = self
        if layer.use_bias:
            outputs = ops.add(outputs, layer.bias)
        if layer.activation is not None:
            outputs = layer.activation(outputs)
        return outputs if segments is None else (outputs, map_segments(segments, self.time_layer))


def _check(layer: Any) -> None:
    if layer.data_format != "channels_last":
        raise ValueError(
            f"{type(layer).__name__} works on (batch, time, channels), but data_format is '{layer.data_format}'. "
            "Pass data_format='channels_last'."
        )


@keras.saving.register_keras_serializable(package="seqconv")
class MaskedDepthwiseConv1D(_DepthwiseStep, keras.layers.DepthwiseConv1D):  # type: ignore[misc]
    """`keras.layers.DepthwiseConv1D` whose answer for a sequence does not depend on what is beside it.

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
        # Keras knows no causal depthwise convolution; the padding is ours in any case.
        super().__init__(kernel_size, padding="valid", **options)
        self.padding = checked_padding(padding)
        _check(self)

    def call(self, inputs: Tensor, segments: Tensor | None = None, known: Padding = Padding.ANY) -> Tensor:
        inputs = zero_padding(inputs, segments, known=known)
        return self._finish(self._convolve_depthwise(inputs, self.kernel), segments)

    def compute_output_spec(
        self, inputs: Tensor, segments: Tensor | None = None, known: Padding = Padding.ANY
    ) -> Tensor:
        channels = inputs.shape[-1] * self.depth_multiplier
        return output_spec(self, inputs, segments, channels)


@keras.saving.register_keras_serializable(package="seqconv")
class MaskedSeparableConv1D(_DepthwiseStep, keras.layers.SeparableConv1D):  # type: ignore[misc]
    """`keras.layers.SeparableConv1D` whose answer for a sequence does not depend on what is beside it.

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
        super().__init__(filters, kernel_size, padding="valid", **options)
        self.padding = checked_padding(padding)
        _check(self)

    def call(self, inputs: Tensor, segments: Tensor | None = None, known: Padding = Padding.ANY) -> Tensor:
        inputs = zero_padding(inputs, segments, known=known)
        # What the first step leaves in padding is finite, and the second reads no other frame.
        outputs = self._convolve_depthwise(inputs, self.depthwise_kernel)
        return self._finish(ops.matmul(outputs, self.pointwise_kernel[0]), segments)

    def compute_output_spec(
        self, inputs: Tensor, segments: Tensor | None = None, known: Padding = Padding.ANY
    ) -> Tensor:
        return output_spec(self, inputs, segments, self.filters)
