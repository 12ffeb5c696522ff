"""Tables of a report: plain values, and their formats."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Table:
    """Named columns and rows of plain values: text, numbers, None for unknown."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @property
    def numeric(self) -> tuple[bool, ...]:
        """The columns that contain numbers, and are aligned to the right."""
        return tuple(
            any(row[i] is not None for row in self.rows)
            and all(row[i] is None or isinstance(row[i], int | float) for row in self.rows)
            for i in range(len(self.columns))
        )

    @property
    def texts(self) -> tuple[tuple[str, ...], ...]:
        """The rows as they are written: the numbers of a column all have the same number of decimals.

        Unless they are of different scales, such as a mean error of 300 and an R2 of 0.7.
        """
        formats = [_float_format([row[i] for row in self.rows]) for i in range(len(self.columns))]
        return tuple(
            tuple(
                format(cell, fmt) if isinstance(cell, float) and fmt else number(cell)
                for cell, fmt in zip(row, formats, strict=True)
            )
            for row in self.rows
        )


def make_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Make a table of Python's own types, from what pandas and NumPy give.

    >>> make_table(["n"], [[float("nan")]]).rows
    ((None,),)
    """
    return Table(tuple(columns), tuple(tuple(_plain(value) for value in row) for row in rows))


def frame_table(frame: "pd.DataFrame") -> Table:
    """Return the table of a DataFrame."""
    return make_table([str(name) for name in frame], frame.to_numpy(object).tolist())


def number(value: Any) -> str:
    """Format a number for the page; text as it is, and a dash for unknown.

    >>> [number(value) for value in (0.98765, 12345.6, 1234, 1e-6, 0.0, None, "a")]
    ['0.9877', '12,346', '1,234', '1e-06', '0.0000', '–', 'a']
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if value and abs(value) < 5e-4:
            return f"{value:.2g}"
        return f"{value:.4f}" if abs(value) < 100 else f"{value:,.0f}"
    return str(value)


def percent(value: float) -> str:
    """Format a part of one as a percentage.

    >>> percent(0.0123)
    '1.2 %'
    """
    return f"{100 * value:.1f} %"


def interval_text(interval: Sequence[float] | None) -> str:
    """Format two ends, or nothing.

    >>> interval_text([0.5, 0.75])
    '0.5000 to 0.7500'
    """
    return "" if interval is None else f"{number(float(interval[0]))} to {number(float(interval[1]))}"


def _float_format(values: Sequence[Any]) -> str:
    """Return how to write the fractions of a column; empty if one way does not fit all of them."""
    sizes = [abs(value) for value in values if isinstance(value, float) and math.isfinite(value)]
    largest = max(sizes, default=0.0)
    if 0 < largest < 0.02:
        return ".3g"
    if largest < 100:
        return ".4f"
    return "" if min(size for size in sizes if size) < 1 else ",.1f"


def _plain(value: Any) -> Any:
    """Return a value of Python's own types; None for NaN."""
    own = value.item() if hasattr(value, "item") and not isinstance(value, str) else value
    return None if isinstance(own, float) and math.isnan(own) else own
