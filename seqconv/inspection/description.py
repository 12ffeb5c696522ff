"""`describe`: a model as a table, a row a layer."""

from typing import Any

from seqconv.inspection.axes import WHOLE, Axis
from seqconv.inspection.effects import axes_around, follow_axes, windows_of
from seqconv.inspection.graph import Call, Graph, read_graph
from seqconv.inspection.masks import follow_masks
from seqconv.inspection.static_audit import has_free_time
from seqconv.inspection.table import Description, LayerRow
from seqconv.inspection.weights import count_parameters, kernel_text, multiply_adds, parameter_formula


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
    axes = follow_axes(graph)
    seconds = seconds_per_frame(model, None)
    masks = follow_masks(graph, hasattr(model, "time_geometry"))
    rows = (_row(call, graph, axes, mask, seconds) for call, mask in zip(graph.calls, masks, strict=True))
    return Description(model.name, tuple(rows), seconds, has_free_time(graph, axes))


def _row(call: Call, graph: Graph, axes: dict[int, tuple[Axis, ...]], mask: str, seconds: float | None) -> LayerRow:
    before, behind = axes_around(call, axes)
    counted = multiply_adds(call.layer, before, behind)
    amount, is_per_frame = (None, True) if counted is None else counted
    fields = tuple(axis.field if axis.field is not None else axis.sees for axis in behind) or (WHOLE,) * len(before)
    is_known = seconds is not None and len(behind) == 1 and behind[0].field is not None
    return LayerRow(
        layer=call.name,
        type=type(call.layer).__name__,
        kernel=kernel_text(call.layer),
        formula="shared with the layer above" if call.is_repeated else parameter_formula(call.layer),
        parameters=0 if call.is_repeated else count_parameters(call.layer),
        output=_shape_text(behind, graph.shapes[call.outputs[0]]) if call.outputs else "",
        stride=tuple(float(axis.stride) for axis in behind),
        receptive_field=fields,
        milliseconds=1000 * (seconds or 0) * (behind[0].field or 0) if is_known else None,
        multiply_adds_per_frame=None if amount is None else float(amount) if is_per_frame else 0.0,
        multiply_adds_per_sequence=None if amount is None else 0.0 if is_per_frame else float(amount),
        mask=mask,
        settings=_settings(call.layer),
        reads_neighbors=any(_reach(axis) != _reach(earlier) for axis, earlier in zip(behind, before, strict=False))
        or len(behind) != len(before),
    )


def _shape_text(behind: tuple[Axis, ...], shape: tuple[int | None, ...]) -> str:
    sizes = [str(axis.length) for axis in behind]
    sizes += ["?" if size is None else str(size) for size in shape[len(behind) + 1 :]]
    return f"({', '.join(sizes)})" if len(sizes) != 1 else f"({sizes[0]},)"


def _reach(axis: Axis) -> tuple[Any, ...]:
    return axis.left, axis.right, axis.stride, axis.sees


def _settings(layer: Any) -> str:
    windows = windows_of(layer)
    named = (
        ("size", [window.kernel_size for window in windows] if "Pooling" in type(layer).__name__ else []),
        ("strides", [window.stride for window in windows if any(each.stride > 1 for each in windows)]),
        ("dilation", [window.dilation for window in windows if any(each.dilation > 1 for each in windows)]),
    )
    parts = [f"{name} {'x'.join(map(str, values))}" for name, values in named if values]
    return ", ".join([*parts, *({window.padding for window in windows} - {"same"})])
