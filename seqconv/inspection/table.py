"""A description of a model: a row for each layer, as a table for the terminal or for a notebook."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import StringIO
from math import fsum
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from seqconv.inspection.axes import UNKNOWN, WHOLE
from seqconv.inspection.masks import DROPPED, IGNORED, MADE, PASSED, TAKEN

WIDE = 110
MASK_STYLES = {MADE: "cyan", TAKEN: "green", PASSED: "green", DROPPED: "bold red", IGNORED: "bold red"}


@dataclass(frozen=True)
class LayerRow:
    """The known facts of one layer.

    Attributes:
        layer: its name, within a nested model `outer/inner`.
        type: its class.
        kernel: the shape of the kernel by the names of its axes; empty where there is none.
        formula: how the number of parameters comes about.
        parameters: their number; 0 where the layer was called before.
        output: the shape of its output, without the batch axis, in terms of T.
        stride: input frames from one output frame to the next, for each axis; fractions where it was enlarged.
        receptive_field: input frames that an output frame has seen, for each axis; "whole", or "unknown".
        milliseconds: the receptive field in time; None where the length of a frame is not known.
        multiply_adds_per_frame: products with weights for each input frame; None where it is not known.
        multiply_adds_per_sequence: those that are needed once, after a global pooling.
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
        """Products with weights for each input frame; None if a layer is not known."""
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

    def to_frame(self) -> pd.DataFrame:
        """Return a DataFrame, a row a layer."""
        return pd.DataFrame([asdict(row) for row in self.rows])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        is_wide, has_mask = options.max_width >= WIDE, any(row.mask for row in self)
        yield _table(self, is_wide, ["mask"] if has_mask else [])
        yield Text(_summary(self))

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = 120) -> str:
        """Return the table as text of at most `width` columns."""
        return as_text(self, width)


def as_text(shown: Any, width: int) -> str:
    """Return what rich shows of something, as text of at most `width` columns."""
    written = StringIO()
    Console(file=written, width=width, no_color=True, legacy_windows=False).print(shown)
    return "\n".join(line.rstrip() for line in written.getvalue().rstrip().splitlines())


def _table(description: Description, is_wide: bool, mask_title: list[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("layer", overflow="fold", max_width=26 if is_wide else 24)
    titles = ["weights", "output", "sees", *mask_title]
    for title in titles if is_wide else [", ".join(["weights", "output", "what it sees", *mask_title])]:
        table.add_column(title, overflow="fold", no_wrap=title == "mask")
    for row in description:
        # Of layers that work on each position by itself, the field is that of the layer before.
        sees = _sees(row) if row.reads_neighbors or UNKNOWN in row.receptive_field else []
        weights = _lines([row.kernel, row.formula, _work(row, description)])
        if is_wide:
            cells = [weights, Text(row.output), _lines(sees, style="dim"), *([_mask(row)] if mask_title else [])]
        else:
            cells = [_stacked(row, weights, sees)]
        kind = row.type + (f", {row.settings}" if row.settings else "")
        table.add_row(Text.assemble((row.layer, "bold"), "\n", (kind, "dim")), *cells)
    return table


def _mask(row: LayerRow) -> Text:
    return Text(row.mask, style=MASK_STYLES.get(row.mask, ""))


def _stacked(row: LayerRow, weights: Text, sees: list[str]) -> Text:
    """Return the cells of the broad table, one below the other."""
    facts = [weights] if weights.plain else []
    facts.append(Text.assemble(("-> ", "dim"), row.output))
    notes = Text(", ".join(["sees " + sees[0], *sees[1:]] if sees else []), style="dim")
    if row.mask:
        notes = Text.assemble(notes, (", mask " if notes.plain else "mask ", "dim"), _mask(row))
    return Text("\n").join([*facts, *([notes] if notes.plain else [])])


def _sees(row: LayerRow) -> list[str]:
    if not row.receptive_field:
        return []
    time = [] if row.milliseconds is None else [milliseconds_text(row.milliseconds)]
    stride = [f"stride {_by(f'{each:g}' for each in row.stride)}"] if any(each != 1 for each in row.stride) else []
    return [_field_text(row), *time, *stride]


def _field_text(row: LayerRow) -> str:
    fields = set(row.receptive_field)
    if fields <= {WHOLE}:
        return "all frames" if len(row.receptive_field) == 1 else "everything"
    if UNKNOWN in fields:
        return "unknown"
    unit = "frame" if len(row.receptive_field) == 1 else "position"
    return f"{_by(row.receptive_field)} {unit}{'' if fields == {1} else 's'}"


def _by(parts: Any) -> str:
    return " x ".join(str(part) for part in parts)


def _work(row: LayerRow, description: Description) -> str:
    if row.multiply_adds_per_frame is None:
        return "multiply-adds unknown"
    if row.multiply_adds_per_frame:
        return f"{row.multiply_adds_per_frame:,.0f} multiply-adds a frame"
    if not row.multiply_adds_per_sequence:
        return ""
    return f"{row.multiply_adds_per_sequence:,.0f} multiply-adds {_once(description)}"


def _once(description: Description) -> str:
    return "a sequence" if description.has_free_time else "an input"


def _lines(parts: list[str], style: str = "") -> Text:
    return Text("\n".join(part for part in parts if part), style=style)


def milliseconds_text(value: float) -> str:
    """Format a duration for people.

    >>> milliseconds_text(130.0), milliseconds_text(12.5), milliseconds_text(2500.0)
    ('130 ms', '12.5 ms', '2.5 s')
    """
    return f"{value / 1000:.3g} s" if value >= 2000 else f"{value:.4g} ms"


def _summary(description: Description) -> str:
    parts = [f"{description.name}: {description.parameters:,} parameters"]
    per_frame, once = description.multiply_adds_per_frame, description.multiply_adds_per_sequence
    if per_frame is None or once is None:
        parts.append("the multiply-adds of some layers are unknown")
    else:
        amounts = [f"{per_frame:,.0f} multiply-adds a frame"] if description.has_free_time else []
        amounts += [f"{once:,.0f} multiply-adds {_once(description)}"] if once or not amounts else []
        parts.append(" and ".join(amounts))
    last = next((row for row in reversed(description.rows) if row.stride), None)
    if last is not None:
        parts.append(f"what leaves {last.layer} sees {', '.join(_sees(last))}")
    return "; ".join(parts)


def _total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fsum(known) if len(known) == len(values) else None
