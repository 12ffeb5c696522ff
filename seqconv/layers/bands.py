"""The axis of bands: how layers over time and bands read it, where it begins, and where it ends."""

from typing import Any

import numpy as np
from keras import InputSpec, KerasTensor, ops

from seqconv.geometry import TimeLayer, conv_output_length
from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, zero_padding


def check_band_padding(padding: str) -> str:
    """Return how bands are padded; refuse what Keras does not know."""
    if padding not in ("same", "valid"):
        raise ValueError(f"band_padding must be 'same' or 'valid', as Keras's padding, got {padding!r}.")
    return padding


def time_and_bands(name: str, value: Any) -> tuple[int, int]:
    """Return an argument's number for time and that for bands, of one for both or of two; refuse anything else.

    >>> time_and_bands("strides", 2), time_and_bands("strides", [1, 2])
    ((2, 2), (1, 2))
    """
    numbers = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(numbers) != 2 or not all(isinstance(each, int | np.integer) and each > 0 for each in numbers):
        raise ValueError(f"{name} must be a whole number from 1, or two, of time and of bands, got {value!r}.")
    return int(numbers[0]), int(numbers[1])


def band_edges(bands: int | None, layer: TimeLayer) -> tuple[int, int]:
    """Return the bands that Keras puts before the first and after the last one, for a layer that reads bands so.

    >>> band_edges(8, TimeLayer(3, stride=2)), band_edges(7, TimeLayer(3, stride=2))
    ((0, 1), (1, 1))
    """
    if bands is not None and bands < layer.span and layer.padding == "valid":
        raise ValueError(
            f"band_padding is valid, but {bands} bands are fewer than the {layer.span} that a kernel or window reads: "
            "set band_padding to 'same', or read fewer bands."
        )
    if layer.padding == "valid" or layer.span == 1:
        return 0, 0
    if layer.stride == 1:
        return layer.left, layer.right
    if bands is None:
        raise ValueError(
            f"strides of {layer.stride} over padded bands need a known number of bands. Only time may be of any "
            "length: keras.Input((None, bands, channels))."
        )
    total = max((conv_output_length(bands, layer) - 1) * layer.stride + layer.span - bands, 0)
    return total // 2, total - total // 2


class SplitBands(MaskedLayer):
    """Features of a frame as bands, so that layers over time and bands can read them.

    Args:
        num_bands: bands of a frame. More features are several channels side by side, each with all its bands, as a
            spectrum followed by its derivatives: feature `c * num_bands + b` is channel c of band b.

    Call arguments:
        inputs: `(batch, time, channels * num_bands)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(batch, time, num_bands, channels)`; 0 in padding.

    >>> import numpy as np
    >>> np.array(SplitBands(3)(np.array([[[1.0, 2.0, 3.0, 10.0, 20.0, 30.0]]])))[0, 0].tolist()
    [[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]
    """

    takes_known = True
    padding_after = Padding.ZERO

    def __init__(self, num_bands: int, **options: Any) -> None:
        super().__init__(**options)
        if num_bands < 1:
            raise ValueError(f"num_bands must be at least 1, got {num_bands}.")
        self.num_bands = num_bands
        self.input_spec = InputSpec(ndim=3)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if int(input_shape[-1] or 0) % self.num_bands:
            raise ValueError(f"{input_shape[-1]} features cannot be channels of {self.num_bands} bands each.")

    def call(self, inputs: Tensor, segments: Tensor | None = None, known: Padding = Padding.ANY) -> Tensor:
        shape, channels = ops.shape(inputs), inputs.shape[-1] // self.num_bands
        features = zero_padding(inputs, segments, known=known)
        if channels == 1:
            return ops.expand_dims(features, -1)
        return ops.swapaxes(ops.reshape(features, (shape[0], shape[1], channels, self.num_bands)), 2, 3)

    def output_bands(self, bands: int | None) -> int | None:
        return self.num_bands

    def compute_output_spec(self, inputs: Tensor, *_: Any, **__: Any) -> Any:
        batch, time, features = inputs.shape
        return KerasTensor((batch, time, self.num_bands, features // self.num_bands), dtype=self.compute_dtype)


class MaskedBandPooling(MaskedLayer):
    """One vector for each frame, from its bands: the end of layers over time and bands.

    Args:
        mode: "mean" or "max" over the bands of each channel, or "flatten": all of them side by side, in place
            `b * channels + c` channel c of band b. Bands, unlike frames, are always as many, and may be flattened.
        keepdims: keep an axis of one band.

    Call arguments:
        inputs: `(batch, time, bands, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(batch, time, channels)`, or `(batch, time, bands * channels)` for "flatten"; 0 in padding.
    """

    takes_known = True
    takes_bands = True
    padding_after = Padding.ZERO

    def __init__(self, mode: str = "mean", *, keepdims: bool = False, **options: Any) -> None:
        super().__init__(**options)
        if mode not in ("mean", "max", "flatten"):
            raise ValueError(f"mode must be 'mean', 'max' or 'flatten', got {mode!r}.")
        self.mode, self.keepdims = mode, keepdims
        self.input_spec = InputSpec(ndim=4)

    def call(self, inputs: Tensor, segments: Tensor | None = None, known: Padding = Padding.ANY) -> Tensor:
        features = zero_padding(inputs, segments, known=known)
        if self.mode == "flatten":
            shape = ops.shape(features)
            kept = (1,) if self.keepdims else ()
            return ops.reshape(features, (shape[0], shape[1], *kept, features.shape[2] * features.shape[3]))
        pool = ops.mean if self.mode == "mean" else ops.max
        return pool(features, axis=2, keepdims=self.keepdims)

    def output_bands(self, bands: int | None) -> int | None:
        return 1 if self.keepdims else None

    def compute_output_spec(self, inputs: Tensor, *_: Any, **__: Any) -> Any:
        batch, time, bands, channels = inputs.shape
        if self.mode == "flatten":
            if bands is None:
                raise ValueError(f"layer '{self.name}': an unknown number of bands cannot be flattened.")
            channels *= bands
        return KerasTensor((batch, time, *((1,) if self.keepdims else ()), channels), dtype=self.compute_dtype)
