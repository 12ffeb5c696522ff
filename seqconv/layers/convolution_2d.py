"""Convolutions over time and bands that padding and neighbors cannot reach."""

from typing import Any

import keras
from keras import ops

from seqconv.geometry import TimeLayer
from seqconv.layers.bands import band_edges, check_band_padding
from seqconv.layers.convolution import MaskedConvolution
from seqconv.layers.masking import Tensor, pad_time


class _MaskedConvolution2D(MaskedConvolution):
    """A convolution whose second axis is over bands."""

    takes_bands = True

    def __init__(self, *arguments: Any, band_padding: str = "same", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.band_padding = check_band_padding(band_padding)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        rows, time, bands, channels = input_shape
        edges = band_edges(bands, self.band_layer)
        super().build((rows, time, None if bands is None else bands + sum(edges), channels))

    @property
    def band_layer(self) -> TimeLayer:
        return TimeLayer(self.kernel_size[1], self.strides[1], self.dilation_rate[1], self.band_padding)

    def pad(self, inputs: Tensor) -> Tensor:
        return pad_time(inputs, self.time_layer, bands=band_edges(inputs.shape[2], self.band_layer))

    def _with_known_bands(self, outputs: Tensor, inputs: Tensor) -> Tensor:
        """Return the outputs with as many bands as the inputs give: TensorFlow forgets it behind a dilated kernel."""
        bands, (rows, time, *_) = self.output_bands(inputs.shape[2]), ops.shape(outputs)
        if outputs.shape[2] == bands:
            return outputs
        return ops.reshape(outputs, (rows, time, bands, outputs.shape[3]))

    @property
    def pads_as_keras(self) -> bool:
        return super().pads_as_keras and self.band_padding == "same"


class MaskedConv2D(_MaskedConvolution2D, keras.layers.Conv2D):  # type: ignore[misc]
    """`keras.layers.Conv2D` over time and bands, whose answer for a sequence does not depend on its neighbors.

    Padding is set to zero before the convolution, whatever it holds. The first axis is time, of any length, and padded
    as in `MaskedConv1D`; the second one is bands, always as many, and padded as in Keras.

    Args:
        filters, kernel_size, strides, dilation_rate, groups, activation, ...: as in `keras.layers.Conv2D`; of two
            numbers the first is for time, the second for bands.
        padding: of time: "same" (phase-fixed, the default), "causal" or "valid".
        band_padding: of bands: "same" (the default) or "valid".

    Call arguments:
        inputs: `(batch, time, bands, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(features, segments)` of the output frames, or features alone when `segments` is None.

    Example:

    >>> import numpy as np
    >>> layer = MaskedConv2D(4, kernel_size=(3, 5), strides=(2, 1))
    >>> spectra, mask = np.ones((1, 5, 8, 1), "float32"), np.array([[True, True, True, False, False]])
    >>> features, mask = layer(spectra, mask)
    >>> features.shape, np.array(mask).tolist()
    (TensorShape([1, 3, 8, 4]), [[True, True, False]])
    """

    def __init__(
        self, filters: int, kernel_size: Any, *, padding: str = "same", band_padding: str = "same", **options: Any
    ) -> None:
        super().__init__(filters, kernel_size, padding=padding, band_padding=band_padding, **options)

    def convolve(self, inputs: Tensor) -> Tensor:
        return self._with_known_bands(self._convolve_groups(inputs, self.kernel), inputs)

    def output_channels(self, channels: int) -> int:
        return int(self.filters)


class MaskedDepthwiseConv2D(_MaskedConvolution2D, keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """`keras.layers.DepthwiseConv2D` over time and bands, whose answer does not depend on the neighbors of a sequence.

    Padding is set to zero before the convolution. Time is padded as in `MaskedConv1D`, bands as in Keras.

    Args:
        kernel_size, strides, dilation_rate, depth_multiplier, activation, ...: as in `keras.layers.DepthwiseConv2D`; of
            two numbers the first is for time, the second for bands. Strides may differ.
        padding: of time: "same" (phase-fixed, the default), "causal" or "valid".
        band_padding: of bands: "same" (the default) or "valid".

    Call arguments:
        inputs: `(batch, time, bands, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(features, segments)` of the output frames, or features alone when `segments` is None; `depth_multiplier`
        times as many channels.
    """

    def __init__(self, kernel_size: Any, *, padding: str = "same", band_padding: str = "same", **options: Any) -> None:
        super().__init__(kernel_size, padding=padding, band_padding=band_padding, **options)

    def convolve(self, inputs: Tensor) -> Tensor:
        return self._with_known_bands(self._convolve_channels(inputs, self.kernel), inputs)

    def output_channels(self, channels: int) -> int:
        return channels * int(self.depth_multiplier)
