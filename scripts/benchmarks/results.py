"""Measured values: one a round for each contestant, ratios within rounds, tables and JSON rows."""

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

RATIO = "ratio"


class Row(NamedTuple):
    """One line of the JSON file; the three numbers are None where a contestant is missing."""

    benchmark: str
    lengths: str
    contestant: str
    metric: str
    median: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Series:
    """The results of one contestant: for each metric one value a round, or none if it is `missing`."""

    contestant: str
    lengths: str
    metrics: Mapping[str, Sequence[float]]
    note: str = ""
    is_missing: bool = False


@dataclass(frozen=True)
class Comparison:
    """Contestants that were measured in turns.

    `ratios`: pairs of contestants, the first over the second, in the metric `compared`.
    """

    benchmark: str
    title: str
    series: Sequence[Series]
    compared: str
    ratios: Sequence[tuple[str, str]] = field(default=())

    def rows(self) -> Iterator[Row]:
        """Rows of all contestants, then those of all ratios."""
        for series in self.series:
            for metric, values in series.metrics.items():
                yield Row(self.benchmark, series.lengths, series.contestant, metric, *summarize(values))
        for first, second in self._pairs():
            name = f"{first.contestant} / {second.contestant}"
            yield Row(self.benchmark, first.lengths, name, RATIO, *summarize(self._quotients(first, second)))

    def print(self, console: Console) -> None:
        """The table of contestants and, below, that of ratios."""
        metrics = list(dict.fromkeys(metric for series in self.series for metric in series.metrics))
        table = Table(title=self.title, title_justify="left", title_style="bold")
        table.add_column("contestant")
        for metric in metrics:
            table.add_column(metric, justify="right")
        if any(series.note and not series.is_missing for series in self.series):
            table.add_column("note", overflow="fold")
        for series in self.series:
            cells = ["missing" if series.is_missing else spread(series.metrics.get(metric, ())) for metric in metrics]
            note = "" if series.is_missing else series.note
            table.add_row(series.contestant, *cells, *([escape(note)] if note else []))
        console.print(table)
        for series in self.series:
            if series.is_missing:
                # Not in the table, which would break a command in two.
                console.print(f"missing: {series.contestant}: {series.note}", markup=False, soft_wrap=True)
        pairs = list(self._pairs())
        if not pairs:
            return
        table = Table(title=f"ratio of {self.compared}, pair by pair", title_justify="left", title_style="bold")
        for column in ("of", "to"):
            table.add_column(column)
        table.add_column("ratio", justify="right")
        for first, second in pairs:
            quotients = self._quotients(first, second)
            table.add_row(first.contestant, second.contestant, spread(quotients) if quotients else "missing")
        console.print(table)

    def _pairs(self) -> Iterator[tuple[Series, Series]]:
        by_name = {series.contestant: series for series in self.series}
        for first, second in self.ratios:
            if first in by_name and second in by_name:
                yield by_name[first], by_name[second]

    def _quotients(self, first: Series, second: Series) -> list[float]:
        ours, theirs = (series.metrics.get(self.compared, ()) for series in (first, second))
        return [] if not (ours and theirs) else [a / b for a, b in zip(ours, theirs, strict=True)]


def summarize(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Median, smallest and largest; None for all three where there are no values.

    >>> summarize([3.0, 1.0, 2.0])
    (2.0, 1.0, 3.0)
    """
    if not values:
        return None, None, None
    return _short(statistics.median(values)), _short(min(values)), _short(max(values))


def spread(values: Sequence[float]) -> str:
    """Median, and in brackets the smallest and the largest value.

    >>> spread([2.0, 1.0, 4.0])
    '2.00 (1.00-4.00)'
    """
    if not values:
        return ""
    low, high = min(values), max(values)
    median = _plain(statistics.median(values))
    return median if low == high else f"{median} ({_plain(low)}-{_plain(high)})"


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write a JSON list with one object a row."""
    values: list[dict[str, Any]] = [row._asdict() for row in rows]
    lines = ",\n".join(f"  {json.dumps(value)}" for value in values)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def _short(value: float) -> float:
    """Six digits; the rest is noise."""
    return float(f"{value:.6g}")


def _plain(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.4f}" if value < 0.1 else f"{value:.2f}"
