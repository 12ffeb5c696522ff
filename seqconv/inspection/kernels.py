"""`kernels`: the weights of a convolution as people expect them, filters first."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from seqconv.errors import ModelError
from seqconv.inspection.effects import CONVOLUTIONS, RECURRENT, TRANSPOSED, kind_of
from seqconv.inspection.graph import read_graph

Array = npt.NDArray[Any]


def kernels(layer: Any) -> Array:
    """Return the weights of a convolution, one filter after the other.

    Keras keeps filters on the last axis: `get_weights()[0]` of a `Conv1D` is `(kernel_size, in_channels, filters)`,
    and `get_weights()[0][0][0]` holds a number of each filter, not a filter.

    Returns:
        `(filters, kernel_size, in_channels)` for one axis, `(filters, kernel_height, kernel_width, in_channels)` for
        two. With groups, `in_channels` are those of a filter's group. Of a depthwise layer `(in_channels *
        depth_multiplier, kernel_size, 1)`, in the order of its output channels. Of a separable layer the kernel of the
        one convolution that does what its two steps do. Of a transposed layer what an input value is spread with.

    Raises:
        ModelError: the layer is no convolution, or has not been built; says what it is.

    >>> import keras
    >>> layer = keras.layers.Conv2D(32, 3)
    >>> layer.build((None, 28, 28, 1))
    >>> layer.get_weights()[0].shape, kernels(layer).shape
    ((3, 3, 1, 32), (32, 3, 3, 1))
    """
    kind = check_convolution(layer)
    if kind in TRANSPOSED:
        return np.moveaxis(_as_array(layer.kernel), -2, 0)
    if kind.startswith("Separable"):
        depthwise, pointwise = _as_array(layer.depthwise_kernel), _as_array(layer.pointwise_kernel)
        mixing = pointwise.reshape(*depthwise.shape[-2:], layer.filters)
        return np.moveaxis(np.einsum("...cm,cmf->...cf", depthwise, mixing), -1, 0)
    if kind.startswith("Depthwise"):
        kernel = _as_array(layer.kernel)
        # Output channel `c * depth_multiplier + m` is the m-th of input channel c.
        return np.moveaxis(kernel.reshape(*kernel.shape[:-2], 1, -1), -1, 0)
    return np.moveaxis(_as_array(layer.kernel), -1, 0)


def pytorch_shape(layer: Any) -> tuple[int, ...]:
    """Return the shape of the weight of `torch.nn.Conv1d` or the like: `(out, in, k)`; in / groups if there are groups.

    >>> import keras
    >>> layer = keras.layers.Conv1D(128, 5)
    >>> layer.build((None, None, 64))
    >>> pytorch_shape(layer), flux_shape(layer)
    ((128, 64, 5), (5, 64, 128))
    """
    filters, *sizes, channels = kernels(layer).shape
    return (channels, filters, *sizes) if kind_of(layer) in TRANSPOSED else (filters, channels, *sizes)


def flux_shape(layer: Any) -> tuple[int, ...]:
    """Return the shape of the weight of Flux's `Conv`: `(k, in, out)`."""
    first, second, *sizes = pytorch_shape(layer)
    return (*sizes, second, first)


def convolutions_of(model: Any) -> dict[str, Any]:
    """Return the convolutions of a model by name, each once, in the order of the calls."""
    calls = [call for call in read_graph(model).calls if not call.is_repeated]
    return {call.name: call.layer for call in calls if kind_of(call.layer) in (*CONVOLUTIONS, *TRANSPOSED)}


def check_convolution(layer: Any) -> str:
    """Return the kind of a convolution.

    Raises:
        ModelError: it is none, or has not been built.
    """
    kind = kind_of(layer)
    name = f"'{getattr(layer, 'name', layer)}'"
    if isinstance(layer, keras.Model):
        convolutions = [each.name for each in layer.layers if kind_of(each) in (*CONVOLUTIONS, *TRANSPOSED)]
        raise ModelError(
            f"{name} is a model. Pass one of its layers, model.get_layer(NAME); convolutions here: "
            f"{', '.join(convolutions) or 'none'}."
        )
    if kind not in (*CONVOLUTIONS, *TRANSPOSED):
        raise ModelError(f"{name} is {_say_what(layer, kind)}; kernels are those of convolutions.")
    if not layer.built:
        raise ModelError(
            f"{name} has not been built and has no weights yet. Call it on data, or "
            "layer.build((None, None, channels))."
        )
    return kind


def _say_what(layer: Any, kind: str) -> str:
    shapes = [tuple(weight.shape) for weight in getattr(layer, "weights", None) or []]
    if kind == "Dense" and shapes:
        return f"a Dense layer: get_weights()[0] {shapes[0]} is its matrix, one column a unit"
    if kind in RECURRENT or "LSTM" in kind or "GRU" in kind:
        return f"a recurrent layer ({kind}): its matrices {shapes} act on the input and on its own state"
    if not shapes:
        return f"a {kind} layer, which has no weights"
    return f"a {kind} layer with weights {', '.join(map(str, shapes))}"


def _as_array(weight: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(weight))
