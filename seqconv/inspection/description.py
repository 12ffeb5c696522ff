"""`describe`: a model as a table, a row a layer."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from seqconv.inspection.axes import UNKNOWN, WHOLE, Axis
from seqconv.inspection.effects import follow_axes, windows_of
from seqconv.inspection.graph import Call, Graph, read_graph
from seqconv.inspection.masks import follow_masks
from seqconv.inspection.weights import count_parameters, kernel_text, multiply_adds, parameter_formula

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, ConsoleOptions, RenderResult


@dataclass(frozen=True)
class LayerRow:
    """What is known of one layer.

    Attributes:
        layer: its name, within a nested model `outer/inner`.
        type: its class.
        kernel: the shape of the kernel by the names of its axes; empty where there is none.
        formula: how the number of parameters comes about.
        parameters: their number; 0 where the layer was called before.
        output: the shape behind it, without the batch axis, in terms of T.
        stride: input frames from one output frame to the next, for each axis; fractions where it was enlarged.
        receptive_field: input frames that an output frame has seen, for each axis; "whole", or "unknown".
        milliseconds: the receptive field in time; None where nobody knows how long a frame is.
        multiply_adds_per_frame: products with weights for each input frame; None where nobody knows.
        multiply_adds_per_sequence: those that are needed once, behind a global pooling.
        mask: "made", "taken", "passed on", "dropped", "ignored", or "" where none arrives.
        settings: what of strides, dilation and padding is not the default.
        reads_neighbors: whether it looks beyond each position by itself.
    """

    layer: str
    type: str
    kernel: str
    formula: str
    parameters: int
    output: str
    stride: tuple[float, ...]
    receptive_field: tuple[int | str, ...]
    milliseconds: float | None
    multiply_adds_per_frame: float | None
    multiply_adds_per_sequence: float | None
    mask: str
    settings: str
    reads_neighbors: bool


@dataclass(frozen=True)
class Description:
    """A table of a model's layers. It prints as such; `to_frame` gives it to pandas.

    Attributes:
        name: of the model.
        rows: one for each layer, in the order of the calls.
        seconds_per_frame: what a model of seqconv knows about its features.
        has_free_time: whether sequences may be of any length.
    """

    name: str
    rows: tuple[LayerRow, ...]
    seconds_per_frame: float | None = None
    has_free_time: bool = True

    @property
    def parameters(self) -> int:
        """All parameters of the model."""
        return sum(row.parameters for row in self.rows)

    @property
    def multiply_adds_per_frame(self) -> float | None:
        """Products with weights for each input frame; None where a layer is not known."""
        return _total([row.multiply_adds_per_frame for row in self.rows])

    @property
    def multiply_adds_per_sequence(self) -> float | None:
        """Products with weights that are needed once for each sequence."""
        return _total([row.multiply_adds_per_sequence for row in self.rows])

    def __iter__(self) -> Iterator[LayerRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> LayerRow:
        return next(row for row in self.rows if row.layer == name)

    def to_frame(self) -> "pd.DataFrame":
        """A DataFrame, a row a layer."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from seqconv.inspection.table import render

        yield from render(self, options.max_width)

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = 120) -> str:
        """The table as text of at most `width` columns."""
        from io import StringIO

        from rich.console import Console

        written = StringIO()
        Console(file=written, width=width, no_color=True, legacy_windows=False).print(self)
        return "\n".join(line.rstrip() for line in written.getvalue().rstrip().splitlines())


def describe(model: Any) -> Description:
    """Look at any Keras model layer by layer: Sequential, functional or subclassed, over one axis or two, ours or not.

    Raises:
        ModelError: it is no Keras model, was never built, or does in `call` what no graph holds.

    >>> from seqconv.models import build_model
    >>> model = build_model({"blocks": [{"filters": 8, "kernel_size": 5, "strides": 2}]}, num_features=4, num_outputs=2)
    >>> row = describe(model)["block0_conv"]
    >>> print(row.kernel, "|", row.formula, "|", row.output, "|", row.receptive_field)
    (kernel_size=5, in_channels=4, filters=8) | 5 x 4 x 8 = 160 | (ceil(T/2), 8) | (5,)
    """
    graph = read_graph(model)
    axes = follow_axes(graph)
    seconds = _seconds_per_frame(model)
    masks = follow_masks(graph, hasattr(model, "time_geometry"))
    rows = (_row(call, graph, axes, mask, seconds) for call, mask in zip(graph.calls, masks, strict=True))
    has_free_time = any(axis.length.is_free for tensor in graph.inputs for axis in axes[tensor])
    return Description(model.name, tuple(rows), seconds, has_free_time)


def _row(call: Call, graph: Graph, axes: dict[int, tuple[Axis, ...]], mask: str, seconds: float | None) -> LayerRow:
    before = axes.get(call.inputs[0], ()) if call.inputs else ()
    behind = axes[call.outputs[0]] if call.outputs else ()
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
    if len(shape) > len(behind) + 1:
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


def _total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(sum(map(Fraction, known))) if len(known) == len(values) else None


def _seconds_per_frame(model: Any) -> float | None:
    from seqconv.outputs import seconds_per_frame

    return seconds_per_frame(model, None)


__all__ = ["UNKNOWN", "WHOLE", "Description", "LayerRow", "describe"]
