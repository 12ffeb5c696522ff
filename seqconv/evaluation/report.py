"""The report of an evaluation, as text for a terminal."""

import io
import shutil
from typing import Any

import rich.table
from rich.console import Console, Group
from rich.text import Text

from seqconv.reports.names import describe_decisions, head_of, label
from seqconv.reports.scores import named_table, split_table
from seqconv.reports.tables import Table, make_table

MAX_CLASSES_IN_CONFUSION_MATRIX = 20
MAX_CLASSES_LISTED = 60


def render(metrics: dict[str, Any], split_name: str, layout: str, confidence: float) -> str:
    """Return the report: scores with intervals, by class, confusion, by length, by slice, notes."""
    width = min(max(shutil.get_terminal_size((100, 24)).columns, 80), 120)
    buffer = io.StringIO()
    console = Console(file=buffer, width=width, color_system=None, highlight=False, markup=False, emoji=False)
    console.print(Group(*_parts(metrics, split_name, layout, confidence)))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _parts(metrics: dict[str, Any], split_name: str, layout: str, confidence: float) -> list[Any]:
    head = f"{split_name}: {metrics['num_sequences']:,} sequences, {_frames(metrics)}layout {layout}"
    parts: list[Any] = [Text(head), _print_out(split_table(metrics, confidence))]
    if "decisions" in metrics:
        parts.append(Text(f"decided with {describe_decisions(metrics['decisions'])}"))
    for title, rows in (("class", metrics.get("per_class")), ("column", metrics.get("per_column"))):
        if rows:
            parts += _named_rows(title, rows)
    matrix = metrics.get("confusion_matrix")
    if matrix and len(matrix) <= MAX_CLASSES_IN_CONFUSION_MATRIX:
        rows = zip(metrics["per_class"], ([count or "." for count in row] for row in matrix), strict=True)
        table = make_table(["label \\ prediction", *metrics["per_class"]], [[name, *row] for name, row in rows])
        parts.append(_print_out(table))
    parts.append(_print_out(_length_table(metrics["by_length"])))
    for column, values in metrics["slices"].items():
        parts += _named_rows(column, values)
    parts += [Text(f"{label(name)}: {note}") for name, note in metrics["notes"].items()]
    for name in ("recordings", "events"):
        if found := metrics.get(name):
            parts += [Text("\n" + head_of(name, found)), _print_out(split_table(found, confidence))]
            parts += _named_rows("class", found["per_class"]) if found.get("per_class") else []
            parts += [Text(f"{label(key)}: {note}") for key, note in found.get("notes", {}).items()]
    return parts


def _frames(metrics: dict[str, Any]) -> str:
    """Describe how many frames are scored, if frames are scored."""
    if "num_frames" not in metrics:
        return ""
    unlabeled = metrics["num_unlabeled_frames"]
    without = f" ({unlabeled:,} more without label)" if unlabeled else ""
    return f"{metrics['num_frames']:,} frames{without}, "


def _named_rows(title: str, rows: dict[str, dict[str, Any]]) -> list[Any]:
    table = _print_out(named_table(title, dict(list(rows.items())[:MAX_CLASSES_LISTED])))
    hidden = len(rows) - MAX_CLASSES_LISTED
    return [table, Text(f"and {hidden} more in metrics.json")] if hidden > 0 else [table]


def _length_table(rows: list[dict[str, Any]]) -> Table:
    named = {}
    for row in rows:
        scores = {name: value for name, value in row.items() if name not in ("min_frames", "max_frames", "count")}
        named[f"{row['min_frames']:,} to {row['max_frames']:,}"] = {"sequences": row["count"], **scores}
    return named_table("frames", named)


def _print_out(table: Table) -> rich.table.Table:
    shown = rich.table.Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0), title=" ")
    for index, name in enumerate(table.columns):
        shown.add_column(name, no_wrap=not index, justify="right" if index else "left")
    for row in table.texts:
        shown.add_row(*row)
    return shown
