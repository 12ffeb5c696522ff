"""Convolutions over time that padding and neighbors cannot reach: ordinary, depthwise and separable ones."""

import math
from typing import Any

import keras
from keras import ops

from seqconv.geometry import TimeLayer
from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, map_segments, pad_time, zero_padding


class MaskedConvolution(MaskedLayer):
    """The base of the convolutions, together with one of Keras's: how they read time, bias and activation.

    The first axis of the kernel is time. A second one is over bands, which is a matter of the derived class.
    """

    takes_known = True
    # Sums of neighbors, where the kernel reaches beyond the ends of sequences.
    padding_after = Padding.FINITE

    def __init__(self, *arguments: Any, padding: str = "same", **options: Any) -> None:
        # The padding is ours in any case; Keras knows no causal depthwise convolution.
        super().__init__(*arguments, padding="valid", **options)
        if padding not in ("same", "causal", "valid"):
            raise ValueError(f"padding must be 'same', 'causal' or 'valid', got {padding!r}.")
        self.padding = padding
        if self.data_format != "channels_last":
            raise ValueError(
                f"{type(self).__name__} works on channels in the last axis, but data_format is '{self.data_format}'. "
                "Pass data_format='channels_last'."
            )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # Keras would refuse sequences that are shorter than the kernel: it does not know how they are padded.
        super().build((input_shape[0], None, *input_shape[2:]))

    @property
    def time_layer(self) -> TimeLayer:
        return TimeLayer(self.kernel_size[0], self.strides[0], self.dilation_rate[0], self.padding)

    def call(self, inputs: Tensor, segments: Tensor | None = None, known: Padding = Padding.ANY) -> Tensor:
        outputs = self.convolve(zero_padding(inputs, segments, known=known))
        if self.use_bias:
            outputs = ops.add(outputs, self.bias)
        if self.activation is not None:
            outputs = self.activation(outputs)
        return outputs if segments is None else (outputs, map_segments(segments, self.time_layer))

    def convolve(self, inputs: Tensor) -> Tensor:
        """Return the sums of products, without bias."""
        raise NotImplementedError

    def pad(self, inputs: Tensor) -> Tensor:
        """Return the inputs with zeros around them, so that a `valid` convolution gives the outputs."""
        return pad_time(inputs, self.time_layer)

    @property
    def pads_as_keras(self) -> bool:
        """Whether Keras's own "same" puts the same zeros around the inputs, which saves a copy."""
        return self.padding == "same" and self.strides[0] == 1

    def _convolve_groups(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Return the convolution of each group of channels."""
        inputs, strides = _take_strided(inputs, self.kernel_size, self.strides)
        padding = "same" if self.pads_as_keras else "valid"
        if padding == "valid":
            inputs = self.pad(inputs)
        # Group by group: TensorFlow's grouped convolution has no CPU kernel, and Keras would compile an XLA cluster
        # instead, for each shape again.
        options = {"padding": padding, "data_format": "channels_last", "dilation_rate": self.dilation_rate}
        groups = zip(self._split(inputs), self._split(kernel), strict=True)
        parts = [ops.conv(part, kernel, strides=strides, **options) for part, kernel in groups]
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=-1)

    def _split(self, tensor: Tensor) -> list[Tensor]:
        """Return the channels of each group."""
        return [tensor] if self.groups == 1 else list(ops.split(tensor, self.groups, axis=-1))

    def _convolve_channels(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Return the convolution of each channel by itself."""
        # TensorFlow takes but one stride for both axes: what is common of them, and the rest afterwards.
        common = math.gcd(*self.strides)
        options = {"padding": "valid", "data_format": "channels_last", "dilation_rate": self.dilation_rate}
        outputs = ops.depthwise_conv(self.pad(inputs), kernel, strides=common, **options)
        rest = tuple(slice(None, None, stride // common) for stride in self.strides)
        return outputs if set(self.strides) == {common} else outputs[(slice(None), *rest)]


def _take_strided(
    inputs: Tensor, kernel_size: tuple[int, ...], strides: tuple[int, ...]
) -> tuple[Tensor, tuple[int, ...]]:
    """Return what a strided kernel of size 1 reads, and the strides that are left.

    TensorFlow 2.21 writes out of bounds in the gradient of strided kernels of size 1 (float32 on CPUs).
    """
    taken = tuple(stride if size == 1 else 1 for size, stride in zip(kernel_size, strides, strict=True))
    if max(taken) == 1:
        return inputs, strides
    read = inputs[(slice(None), *(slice(None, None, step) for step in taken))]
    return read, tuple(stride // step for stride, step in zip(strides, taken, strict=True))


class MaskedConv1D(MaskedConvolution, keras.layers.Conv1D):  # type: ignore[misc]
    """`keras.layers.Conv1D` whose answer for a sequence does not depend on its neighbors.

    Padding is set to zero before the convolution, whatever it holds. `padding="same"` is phase-fixed: a constant
    `(span - 1) // 2` zero frames on the left and the rest on the right, so that with strides the sampled frames do
    not depend on the padded length (Keras's do). Output `p` is centered on input `p * strides`, and a sequence of `T`
    frames gives `ceil(T / strides)`.

    Args:
        filters, kernel_size, strides, dilation_rate, groups, activation, ...: as in `keras.layers.Conv1D`.
        padding: "same" (phase-fixed, the default), "causal" or "valid".

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(features, segments)` of the output frames, or features alone when `segments` is None.

    Example:

    >>> import numpy as np
    >>> layer = MaskedConv1D(4, kernel_size=3, strides=2)
    >>> features, mask = layer(np.ones((1, 5, 2), "float32"), np.array([[True, True, True, False, False]]))
    >>> features.shape, np.array(mask).tolist()
    (TensorShape([1, 3, 4]), [[True, True, False]])
    """

    def __init__(self, filters: int, kernel_size: int, *, padding: str = "same", **options: Any) -> None:
        super().__init__(filters, kernel_size, padding=padding, **options)

    def convolve(self, inputs: Tensor) -> Tensor:
        return self._convolve_groups(inputs, self.kernel)

    def output_channels(self, channels: int) -> int:
        return int(self.filters)


class MaskedDepthwiseConv1D(MaskedConvolution, keras.layers.DepthwiseConv1D):  # type: ignore[misc]
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


class MaskedSeparableConv1D(MaskedConvolution, keras.layers.SeparableConv1D):  # type: ignore[misc]
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
