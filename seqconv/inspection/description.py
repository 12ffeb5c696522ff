"""`describe`: a model as a table, a row a layer."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby
from math import prod
from typing import Any

import keras

from seqconv.inspection import effects
from seqconv.inspection.axes import WHOLE, Axis
from seqconv.inspection.effects import ATTENTION, CONVOLUTIONS, RECURRENT, TRANSPOSED, kind_of
from seqconv.inspection.graph import Call, Graph, read_graph
from seqconv.inspection.masks import follow_masks
from seqconv.inspection.static_audit import has_free_time
from seqconv.inspection.table import Description, LayerRow
from seqconv.layers.base import contract_of


def describe(model: Any) -> Description:
    """Describe any Keras model layer by layer: Sequential, functional or subclassed, over one axis or two, ours or not.

    Raises:
        ModelError: it is no Keras model, was never built, or does in `call` what no graph holds.

    >>> from seqconv.models import build_model
    >>> model = build_model({"blocks": [{"filters": 8, "kernel_size": 5, "strides": 2}]}, num_features=4, num_outputs=2)
    >>> row = describe(model)["block0_conv"]
    >>> print(row.kernel, "|", row.formula, "|", row.output, "|", row.receptive_field)
    (kernel_size=5, in_channels=4, filters=8) | 5 x 4 x 8 = 160 | (ceil(T/2), 8) | (5,)
    """
    from seqconv.models.card import seconds_per_frame

    graph = read_graph(model)
    axes = effects.follow_axes(graph)
    seconds = seconds_per_frame(model, None)
    masks = follow_masks(graph, hasattr(model, "time_geometry"))
    rows = (_row(call, graph, axes, mask, seconds) for call, mask in zip(graph.calls, masks, strict=True))
    return Description(model.name, tuple(rows), seconds, has_free_time(graph, axes))


def _row(call: Call, graph: Graph, axes: dict[int, tuple[Axis, ...]], mask: str, seconds: float | None) -> LayerRow:
    before, behind = effects.axes_around(call, axes)
    per_frame, per_sequence = _multiply_adds_of(call, graph, axes)
    seen = [axis.num_seen for axis in behind]
    fields = tuple(axis.num_seen or axis.sees for axis in behind) or (WHOLE,) * len(before)
    return LayerRow(
        layer=call.name,
        type=type(call.layer).__name__,
        kernel=kernel_text(call.layer),
        formula="shared with the layer above" if call.is_repeated else parameter_formula(call.layer),
        parameters=0 if call.is_repeated else count_parameters(call.layer),
        output=_shape_text(behind, graph.shapes[call.outputs[0]]) if call.outputs else "",
        stride=tuple(float(axis.stride) for axis in behind),
        receptive_field=fields,
        milliseconds=1000 * seconds * seen[0] if seconds and seen and seen[0] and behind[0].length.is_free else None,
        multiply_adds_per_frame=per_frame,
        multiply_adds_per_sequence=per_sequence,
        mask=mask,
        settings=_settings(call.layer),
        reads_neighbors=behind != before,
    )


def _shape_text(behind: tuple[Axis, ...], shape: tuple[int | None, ...]) -> str:
    lengths, channels = [str(axis.length) for axis in behind], shape[len(behind) + 1 :]
    sizes = [*lengths, *("?" if size is None else str(size) for size in channels)]
    if effects.has_channels_first(behind, shape):
        sizes = [str(shape[1]), *lengths]
    return f"({', '.join(sizes)})" if len(sizes) != 1 else f"({sizes[0]},)"


def _settings(layer: Any) -> str:
    windows = effects.windows_of(layer)
    named = (
        ("size", [window.kernel_size for window in windows] if "Pooling" in type(layer).__name__ else []),
        ("strides", [window.stride for window in windows if any(each.stride > 1 for each in windows)]),
        ("dilation", [window.dilation for window in windows if any(each.dilation > 1 for each in windows)]),
    )
    parts = [f"{name} {'x'.join(map(str, values))}" for name, values in named if values]
    return ", ".join([*parts, *({window.padding for window in windows} - {"same"})])


def kernel_text(layer: Any) -> str:
    """Return the shape of the kernel, each axis by its name; empty for a layer without one.

    >>> import keras
    >>> layer = keras.layers.Conv1D(128, 5)
    >>> layer.build((None, None, 64))
    >>> kernel_text(layer)
    '(kernel_size=5, in_channels=64, filters=128)'
    """
    names = axis_names(layer)
    return f"({', '.join(f'{name}={size}' for name, size in names)})" if names else ""


def axis_names(layer: Any) -> list[tuple[str, Any]]:
    """Return name and size of each axis of the kernel, those in time or space as one; empty without a kernel."""
    kind, shapes = kind_of(layer), [tuple(weight.shape) for weight in layer_weights(layer)]
    if not shapes or len(shapes[0]) < 2:
        return []
    kernel = shapes[0]
    size: Any = kernel[:-2] if len(kernel) > 3 else kernel[0]
    if kind in TRANSPOSED:
        return [("kernel_size", size), ("filters", kernel[-2]), ("in_channels", kernel[-1])]
    if kind in CONVOLUTIONS:
        channels = ("kernel_size", size), ("in_channels", kernel[-2])
        if kind.startswith("Depthwise"):
            return [*channels, ("depth_multiplier", kernel[-1])]
        if kind.startswith("Separable"):
            return [*channels, ("depth_multiplier", kernel[-1]), ("filters", shapes[1][-1])]
        return [*channels, ("filters", kernel[-1]), *([("groups", layer.groups)] if layer.groups > 1 else [])]
    if kind == "Dense":
        return [("in_features", kernel[0]), ("units", kernel[1])]
    if kind == "Embedding":
        return [("input_dim", kernel[0]), ("output_dim", kernel[1])]
    return []


def layer_weights(layer: Any) -> list[Any]:
    """Return the weights of a layer, in the order of `get_weights()`; none for an operation."""
    return list(getattr(layer, "weights", None) or [])


def parameter_formula(layer: Any) -> str:
    """Return the formula of the number of parameters.

    >>> import keras
    >>> layer = keras.layers.Conv1D(128, 5)
    >>> layer.build((None, None, 64))
    >>> parameter_formula(layer)
    '5 x 64 x 128 + 128 = 41,088'
    """
    shapes = [tuple(weight.shape) for weight in layer_weights(layer)]
    if not shapes:
        return ""
    terms = []
    for shape, group in groupby(shapes):
        repeats = len(list(group))
        sizes = [*([repeats] if repeats > 1 else []), *shape]
        terms.append(" x ".join(map(str, sizes)) or "1")
    total = f"{count_parameters(layer):,}"
    text = " + ".join(terms)
    return total if text == total else f"{text} = {total}"


def count_parameters(layer: Any) -> int:
    """Count the numbers in the weights of a layer."""
    return sum(prod(weight.shape) for weight in layer_weights(layer))


def multiply_adds(layer: Any, before: Sequence[Axis], behind: Sequence[Axis]) -> tuple[float | None, float | None]:
    """Return the products with weights for each input frame, and those that are needed once for the sequence.

    Axes of a known size are multiplied in; along the free one, strides are divided by. Products without weights (a
    normalization, a gate, the scores of attention) are not counted. None: not known for such a layer.
    """
    kind = kind_of(layer)
    matrices = [tuple(weight.shape) for weight in layer_weights(layer) if len(weight.shape) > 1]
    if kind == "Embedding" or not matrices:
        return 0.0, 0.0
    known = (*CONVOLUTIONS, *TRANSPOSED, *RECURRENT, *ATTENTION, "Dense")
    if kind not in known and not type(layer).__module__.startswith("seqconv."):
        return None, None
    # Each weight of a matrix is used once at each position; a transposed kernel at each position of its input.
    positions = before if kind in (*TRANSPOSED, *RECURRENT) or contract_of(layer).values_per_channel else behind
    products = Fraction(sum(prod(shape) for shape in matrices))
    if contract_of(layer).per_sequence:
        return 0.0, float(products)
    for axis in positions:
        products *= 1 / axis.stride if axis.length.is_free else axis.length.at(0)
    is_per_frame = any(axis.length.is_free for axis in positions)
    return (float(products), 0.0) if is_per_frame else (0.0, float(products))


def _multiply_adds_of(call: Call, graph: Graph, axes: dict[int, tuple[Axis, ...]]) -> tuple[float | None, float | None]:
    """Return the products of a call; of a TimeDistributed those of its layer, at each position of the first axis."""
    before, behind = effects.axes_around(call, axes)
    if kind_of(call.layer) != "TimeDistributed":
        return multiply_adds(call.layer, before, behind)
    if not before:
        return None, None
    inputs = keras.Input(graph.shapes[call.inputs[0]][2:])
    inner = read_graph(keras.Model(inputs, call.layer.layer(inputs)))
    within = effects.follow_axes(inner)
    parts = [_multiply_adds_of(each, inner, within) for each in inner.calls]
    if any(per_frame != 0 or once is None for per_frame, once in parts):
        # Of an axis that is open within each position, too, no single number is true.
        return None, None
    products, axis = sum(once or 0.0 for _, once in parts), before[0]
    if axis.length.is_free:
        return float(products / axis.stride), 0.0
    return 0.0, float(products * axis.length.at(0))
