"""Layers that read several positions of an axis: Keras's, seqconv's, and operations such as `x + y`."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import keras

from seqconv.inspection.axes import UNKNOWN, WHOLE, Axis, Length, TransposedWindow, Window, merge_axes
from seqconv.inspection.graph import Call, Graph, Shape
from seqconv.layers.base import MaskedLayer, contract_of

Axes = tuple[Axis, ...]

CONVOLUTIONS = tuple(f"{kind}Conv{rank}D" for kind in ("", "Depthwise", "Separable") for rank in (1, 2, 3))
TRANSPOSED = tuple(f"Conv{rank}DTranspose" for rank in (1, 2, 3))
POOLINGS = tuple(f"{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3))
GLOBAL_POOLINGS = tuple(f"Global{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3))
RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional")
ATTENTION = ("MultiHeadAttention", "GroupQueryAttention", "Attention", "AdditiveAttention")
POINTWISE = (
    "Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Identity", "Dropout", "AlphaDropout",
    "GaussianDropout", "GaussianNoise", "ActivityRegularization", "SpatialDropout1D", "SpatialDropout2D",
    "BatchNormalization", "UnitNormalization", "Normalization", "Rescaling", "Masking", "Embedding", "TimeDistributed",
    "Discretization", "MaskedBatchNormalization", "MaskedLayerNormalization", "FeatureNormalization", "LayerScale",
    "MaskedSpatialDropout1D", "MaskedSpatialDropout2D", "StochasticDepth",
)  # fmt: skip
# Of layers and of keras.ops; they work on each position by itself.
MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "TrueDivide", "Divide")
ELEMENTWISE = (
    "Relu", "Gelu", "Silu", "Sigmoid", "Tanh", "Elu", "LeakyRelu", "Softplus", "Exp", "Log", "Square", "Sqrt",
    "Absolute", "Negative", "Cast", "Clip", "Where", "StopGradient", "ConvertToTensor",
)  # fmt: skip


def kind_of(layer: Any) -> str:
    """Return the class name of a layer, or that of Keras's own class from which it is derived."""
    known = (*CONVOLUTIONS, *TRANSPOSED)
    for cls in type(layer).__mro__:
        if cls.__name__ in known and cls is getattr(keras.layers, cls.__name__, None):
            return str(cls.__name__)
    return type(layer).__name__


def windows_of(layer: Any) -> tuple[Window, ...]:
    """Return the window of a convolution or a pooling on each spatial axis; empty for other layers."""
    time, bands = contract_of(layer).time_layer, contract_of(layer).band_layer
    if time is not None:
        return (Window(*time),) if bands is None else (Window(*time), Window(*bands))
    kind = kind_of(layer)
    if kind in (*CONVOLUTIONS, *TRANSPOSED):
        sizes, dilations = layer.kernel_size, layer.dilation_rate
    elif kind in POOLINGS:
        sizes, dilations = layer.pool_size, (1,) * len(layer.pool_size)
    else:
        return ()
    window = TransposedWindow if kind in TRANSPOSED else Window
    return tuple(window(*sides, layer.padding) for sides in zip(sizes, layer.strides, dilations, strict=True))


def follow_axes(graph: Graph) -> dict[int, Axes]:
    """Return the axes of every tensor, except batch and channels; a vector has none."""
    axes = {tensor: _input_axes(graph, tensor, _feeds_channels_first(graph, tensor)) for tensor in graph.inputs}
    for call in graph.calls:
        behind = _behind(call, [axes[tensor] for tensor in call.inputs if tensor in axes], graph)
        axes |= dict.fromkeys(call.outputs, behind)
    return axes


def _feeds_channels_first(graph: Graph, tensor: int) -> bool:
    """Whether the first layer that says where it looks for channels looks at the first axis."""
    for call in graph.consumers(tensor):
        data_format = getattr(call.layer, "data_format", None)
        if data_format is not None:
            return bool(data_format == "channels_first")
        if kind_of(call.layer) not in ("Permute", "Reshape", "Flatten", *RECURRENT) and call.outputs:
            return _feeds_channels_first(graph, call.outputs[0])
    return False


def axes_around(call: Call, axes: dict[int, Axes]) -> tuple[Axes, Axes]:
    """Return the axes of the first input of a call and of its first output."""
    before = axes.get(call.inputs[0], ()) if call.inputs else ()
    return before, axes[call.outputs[0]] if call.outputs else ()


def _input_axes(graph: Graph, tensor: int, is_first: bool) -> Axes:
    shape = graph.shapes[tensor]
    is_embedded = any(kind_of(call.layer) == "Embedding" for call in graph.consumers(tensor))
    if not is_embedded and len(shape) > 2:
        sizes = shape[2:] if is_first else shape[1:-1]
    else:
        # Tokens, or a single vector.
        sizes = shape[1:] if is_embedded or shape[1:] == (None,) else ()
    free = [size for size in sizes if size is None]
    names = iter(["T"] if len(free) == 1 else ["H", "W", "D"])
    return tuple(Axis(Length(next(names) if size is None else size)) for size in sizes)


def _behind(call: Call, taken: Sequence[Axes], graph: Graph) -> Axes:
    layer, kind = call.layer, kind_of(call.layer)
    before, shape = taken[0] if taken else (), graph.shapes[call.outputs[0]] if call.outputs else ()
    windows = windows_of(layer)
    if windows and len(windows) == len(before):
        sizes = shape[2:] if getattr(layer, "data_format", None) == "channels_first" else shape[1:-1]
        return tuple(axis.through(window, size) for axis, window, size in zip(before, windows, sizes, strict=True))
    if kind in MERGES:
        channels = 1 if has_channels_first(before, graph.shapes[call.inputs[0]]) else len(shape) - 1
        if kind == "Concatenate" and layer.axis % len(shape) != channels:
            return _unknown(shape, before)
        return merge_axes(taken) if taken else ()
    if kind == "Reshape":
        return _reshape(before, graph.shapes[call.inputs[0]], shape)
    if kind in SPECIAL:
        return SPECIAL[kind](layer, before, shape)
    if kind in POINTWISE or kind in ELEMENTWISE:
        return before
    if kind in ("Flatten", *GLOBAL_POOLINGS) or contract_of(layer).values_per_channel:
        return (Axis(Length(1), sees=WHOLE),) * len(before) if getattr(layer, "keepdims", False) else ()
    if kind in ("GroupNormalization", *RECURRENT, *ATTENTION) or contract_of(layer).sees_all:
        return tuple(axis.seeing(WHOLE) for axis in before) if len(shape) > 2 else ()
    # By its contract, a masked layer that has said nothing else works on each frame by itself.
    return before if isinstance(layer, MaskedLayer) else _unknown(shape, before)


def has_channels_first(axes: Sequence[Axis], shape: tuple[int | None, ...]) -> bool:
    """Whether a tensor has its channels before its axes: their sizes fit only there.

    >>> axes = [Axis(Length("T")), Axis(Length(64))]
    >>> has_channels_first(axes, (None, 4, None, 64)), has_channels_first(axes, (None, None, 64, 64))
    (True, False)
    """
    sizes = tuple(None if axis.length.is_free else axis.length.at(0) for axis in axes)
    return len(shape) == len(sizes) + 2 and sizes == shape[2:] and sizes != shape[1:-1]


def _unknown(shape: Shape, before: Axes) -> Axes:
    """Return axes of which only the sizes are known."""
    sizes = shape[1:-1]
    free = [axis.length for axis in before] if len(sizes) == len(before) else [Length("T'")] * len(sizes)
    lengths = [old if size is None else Length(size) for size, old in zip(sizes, free, strict=True)]
    return tuple(Axis(length, sees=UNKNOWN) for length in lengths)


def _reshape(before: Axes, old: Shape, shape: Shape) -> Axes:
    """Follow a reshape: `(time, bands, channels)` to `(time, bands * channels)` keeps time; others may not."""
    if not before and all(size == 1 for size in shape[1:-1]):
        # A vector, to be multiplied with every position.
        return (Axis(Length(1), sees=WHOLE),) * len(shape[1:-1])
    rest, is_free = [size or 0 for size in old[2:]], [axis.length.is_free for axis in before]
    keeps_time = is_free[:1] == [True] and not any(is_free[1:]) and shape[1] is None
    return before[:1] if keeps_time and shape[2:] == (prod(rest),) else _unknown(shape, ())


def _distributed(layer: Any, before: Axes, shape: Shape) -> Axes:
    """Follow the layer in a TimeDistributed: the first axis stays, the inner layer may change the others."""
    sizes = shape[2:-1]
    if len(sizes) == len(before) - 1 and kind_of(layer.layer) in POINTWISE:
        return before
    return (*before[:1], *(Axis(Length("?" if size is None else size), sees=UNKNOWN) for size in sizes))


def _permute(layer: Any, before: Axes, shape: Shape) -> Axes:
    """Follow axes to their new places; channels may move from the last place to the first, or back."""
    order = [place - 1 for place in layer.dims]
    if len(order) != len(before) + 1:
        return _unknown(shape, ())
    for channels in (len(before), 0):
        moved = tuple(before[place - (channels == 0)] for place in order if place != channels)
        is_last = order[-1] == channels
        sizes = tuple(None if axis.length.is_free else axis.length.at(0) for axis in moved)
        # In front of an axis of any length, nothing but channels can be.
        if (is_last and sizes == shape[1:-1]) or (order[0] == channels and has_channels_first(moved, shape)):
            return moved
    return _unknown(shape, ())


def _upsample(layer: Any, before: Axes, shape: Shape) -> Axes:
    sizes = layer.size if isinstance(layer.size, tuple) else (layer.size,)
    return tuple(axis.through(TransposedWindow(size, size)) for axis, size in zip(before, sizes, strict=True))


def _cut(layer: Any, before: Axes, shape: Shape) -> Axes:
    edges, sign = (layer.cropping, 1) if hasattr(layer, "cropping") else (layer.padding, -1)
    edges = edges if isinstance(edges[0], tuple) else (edges,)
    return tuple(axis.cut(sign * first, sign * last) for axis, (first, last) in zip(before, edges, strict=True))


def _split_bands(layer: Any, before: Axes, shape: Shape) -> Axes:
    return (*before, Axis(Length(layer.num_bands)))


def _pool_bands(layer: Any, before: Axes, shape: Shape) -> Axes:
    return (*before[:1], *((Axis(Length(1), sees=WHOLE),) if layer.keepdims else ()))


def _layer_normalization(layer: Any, before: Axes, shape: Shape) -> Axes:
    normalized = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    places = {place % len(shape) for place in normalized}
    return tuple(axis.seeing(WHOLE) if number + 1 in places else axis for number, axis in enumerate(before))


SPECIAL: dict[str, Callable[[Any, Axes, Shape], Axes]] = {
    "TimeDistributed": _distributed,
    "Permute": _permute,
    **{f"UpSampling{rank}D": _upsample for rank in (1, 2, 3)},
    **{f"{kind}{rank}D": _cut for kind in ("ZeroPadding", "Cropping") for rank in (1, 2, 3)},
    "LayerNormalization": _layer_normalization,
    "SplitBands": _split_bands,
    "MaskedBandPooling": _pool_bands,
    "Softmax": _layer_normalization,
}
