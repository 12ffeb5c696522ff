"""The report of an evaluation, as text for a terminal."""

import io
import shutil
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from seqconv.reports.names import NO_SCORES, describe_decisions, head_of, label

MAX_CLASSES_IN_CONFUSION_MATRIX = 20
MAX_CLASSES_LISTED = 60


def render(metrics: dict[str, Any], split_name: str, layout: str, confidence: float) -> str:
    """The report: scores with intervals, by class, confusion, by length, by slice, notes."""
    width = min(max(shutil.get_terminal_size((100, 24)).columns, 80), 120)
    buffer = io.StringIO()
    console = Console(file=buffer, width=width, color_system=None, highlight=False, markup=False, emoji=False)
    console.print(Group(*_parts(metrics, split_name, layout, confidence)))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _parts(metrics: dict[str, Any], split_name: str, layout: str, confidence: float) -> list[Any]:
    head = f"{split_name}: {metrics['num_sequences']:,} sequences, {_frames(metrics)}layout {layout}"
    parts: list[Any] = [Text(head), _score_table(metrics, confidence)]
    if "decisions" in metrics:
        parts.append(Text(f"decided with {describe_decisions(metrics['decisions'])}"))
    for title, rows in (("class", metrics.get("per_class")), ("column", metrics.get("per_column"))):
        if rows:
            parts += _named_rows(title, rows)
    matrix = metrics.get("confusion_matrix")
    if matrix and len(matrix) <= MAX_CLASSES_IN_CONFUSION_MATRIX:
        parts.append(_confusion_table(matrix, list(metrics["per_class"])))
    parts.append(_length_table(metrics["by_length"]))
    for column, values in metrics["slices"].items():
        parts += _named_rows(column, values)
    parts += [Text(f"{label(name)}: {note}") for name, note in metrics["notes"].items()]
    for name in ("recordings", "events"):
        if found := metrics.get(name):
            parts += [Text("\n" + head_of(name, found)), _score_table(found, confidence)]
            parts += _named_rows("class", found["per_class"]) if found.get("per_class") else []
            parts += [Text(f"{label(key)}: {note}") for key, note in found.get("notes", {}).items()]
    return parts


def _frames(metrics: dict[str, Any]) -> str:
    """How many frames are scored, where these are what is scored."""
    if "num_frames" not in metrics:
        return ""
    unlabeled = metrics["num_unlabeled_frames"]
    without = f" ({unlabeled:,} more without label)" if unlabeled else ""
    return f"{metrics['num_frames']:,} frames{without}, "


def _score_table(metrics: dict[str, Any], confidence: float) -> Table:
    intervals = metrics["intervals"]
    table = _table("score", "value", *([f"{confidence:.0%} interval"] if intervals else []))
    for name, value in metrics.items():
        is_score = isinstance(value, float) and name not in NO_SCORES
        if not (is_score or (value is None and name in metrics.get("notes", {}))):
            continue
        interval = intervals.get(name)
        shown = [f"{_number(interval[0])} to {_number(interval[1])}"] if interval else [""]
        table.add_row(label(name), _number(value), *(shown if intervals else []))
    return table


def _named_rows(title: str, rows: dict[str, dict[str, Any]]) -> list[Any]:
    columns = list(next(iter(rows.values())))
    table = _table(title, *map(label, columns))
    for name, row in list(rows.items())[:MAX_CLASSES_LISTED]:
        table.add_row(name, *(_number(row[column]) for column in columns))
    hidden = len(rows) - MAX_CLASSES_LISTED
    return [table, Text(f"and {hidden} more in metrics.json")] if hidden > 0 else [table]


def _confusion_table(matrix: list[list[int]], names: list[str]) -> Table:
    table = _table("label \\ prediction", *names)
    for name, row in zip(names, matrix, strict=True):
        table.add_row(name, *(str(count) if count else "." for count in row))
    return table


def _length_table(rows: list[dict[str, Any]]) -> Table:
    scores = [name for name in rows[0] if name not in ("min_frames", "max_frames", "count")]
    table = _table("frames", "sequences", *map(label, scores))
    for row in rows:
        frames = f"{row['min_frames']:,} to {row['max_frames']:,}"
        table.add_row(frames, str(row["count"]), *(_number(row[name]) for name in scores))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0), title=" ")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _number(value: float | int | None) -> str:
    """Four decimals for scores around one, four digits for large values.

    >>> [_number(value) for value in (0.98765, 12345.6, 7, None)]
    ['0.9877', '1.235e+04', '7', '-']
    """
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.4g}"
