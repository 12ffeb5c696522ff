"""One output value of a convolution, summed by hand in NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from seqconv.inspection.effects import windows_of
from seqconv.inspection.kernels import Array, kernels
from seqconv.layers.base import contract_of
from seqconv.layers.reduction import as_double


@dataclass(frozen=True)
class Check:
    """One output value, summed by hand and returned by Keras.

    Attributes:
        position: of the output, along each spatial axis.
        filter: number of the output channel.
        products: how many products were summed.
        total: their sum.
        bias: what was added to it, 0 where there is no bias.
        value: after the activation.
        keras: what the layer returned there.
    """

    position: tuple[int, ...]
    filter: int
    products: int
    total: float
    bias: float
    value: float
    keras: float

    @property
    def difference(self) -> float:
        """The difference between NumPy and Keras."""
        return abs(self.value - self.keras)


def patch(layer: Any, inputs: Array, position: Sequence[int], filter_number: int) -> Array:
    """Return the input values that a filter's kernel is multiplied with, in the kernel's shape; 0 beyond the ends.

    Args:
        inputs: `(time, channels)`, or `(height, width, channels)`.
        position: of the output, along each spatial axis.
        filter_number: number of the output channel, which decides which group of channels is read.

    >>> import keras
    >>> layer = keras.layers.Conv1D(2, 3, padding="same")
    >>> layer.build((None, None, 1))
    >>> patch(layer, np.array([[1.0], [2.0], [3.0]]), [0], 0).ravel().tolist()
    [0.0, 1.0, 2.0]
    """
    every = kernels(layer)
    # Each group of filters reads its share of the channels; in a depthwise layer, that is one channel.
    share = every.shape[-1]
    group = filter_number * (input_channels(layer) // share) // len(every)
    values = inputs[..., group * share : (group + 1) * share].astype(np.float64)
    for axis in range(len(windows_of(layer))):
        places, is_read = _reads(layer, axis, inputs.shape[axis], position[axis])
        shown = is_read.reshape(-1, *[1] * (values.ndim - axis - 1))
        values = np.where(shown, np.take(values, places, axis=axis, mode="clip"), 0)
    return values


def check_sum(layer: Any, seed: int = 0) -> Check:
    """Sum one output value on random input and compare it with what the layer returns.

    Raises:
        ModelError: the layer is no convolution.
    """
    every = kernels(layer).astype(np.float64)
    rng, windows = np.random.default_rng(seed), windows_of(layer)
    sizes = [2 * window.span + 3 * window.stride for window in windows]
    inputs = rng.normal(size=(*sizes, input_channels(layer))).astype(np.float32)
    fed = np.moveaxis(inputs, -1, 0) if layer.data_format == "channels_first" else inputs
    returned = as_double(layer(fed[None]))[0]
    outputs = np.moveaxis(returned, 0, -1) if layer.data_format == "channels_first" else returned
    position = tuple(size // 2 for size in outputs.shape[:-1])
    totals = np.array([(kernel * patch(layer, inputs, position, i)).sum() for i, kernel in enumerate(every)])
    biases = as_double(layer.bias) if layer.use_bias else np.zeros(len(every))
    # All channels at once: a softmax looks at them together.
    values = as_double(layer.activation(keras.ops.convert_to_tensor(totals + biases)))
    # The largest one: after a ReLU, many are 0.
    number = int(np.argmax(np.abs(values)))
    found = (float(totals[number]), float(biases[number]), float(values[number]))
    return Check(position, number, every[number].size, *found, float(outputs[(*position, number)]))


def input_channels(layer: Any) -> int:
    """Return the channels of the input that a convolution was built for."""
    kernel = layer.weights[0].shape
    if hasattr(layer, "output_padding"):
        return int(kernel[-1])
    return int(kernel[-2]) * int(getattr(layer, "groups", 1))


def _reads(layer: Any, axis: int, size: int, position: int) -> tuple[Array, Array]:
    """Return the input position under each tap, and whether there is one."""
    window = windows_of(layer)[axis]
    first, offsets = _first_tap(layer, axis, size), np.arange(window.kernel_size) * window.dilation
    if window.is_transposed:
        # An input value at i is spread over the outputs i * stride + tap.
        places, rests = np.divmod(position + first - offsets, window.stride)
    else:
        places, rests = position * window.stride + offsets - first, np.zeros_like(offsets)
    return places, (rests == 0) & (places >= 0) & (places < size)


def _first_tap(layer: Any, axis: int, size: int) -> int:
    """Return the zeros before the first input; for a transposed layer, the outputs that are cut off there."""
    window, is_ours = windows_of(layer)[axis], contract_of(layer).time_layer is not None
    # Of layers of seqconv, time is padded alike for every length.
    if window.padding != "same" or (is_ours and axis == 0):
        return window.left
    if window.is_transposed:
        return max(window.span - window.stride, 0) // 2
    # Keras decides by the length: this is why strided "same" shifts with padding.
    outputs = -(-size // window.stride)
    return max((outputs - 1) * window.stride + window.span - size, 0) // 2
