"""Columns of tables with a frame per row: numbers, words, and text that only looks like numbers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ManifestError
from seqconv.features.plain_columns import read_plain_columns
from seqconv.features.tables import read_rows

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
# Of fewer frames, a measurement may rise in equal steps, too.
_ENOUGH_STEPS = 8
_MISSING = frozenset({"", "na", "n/a", "nan", "-nan", "null", "none", "<na>", "#n/a", "#na"})
_TRUTH = {"true": 1.0, "false": 0.0}
_CLOCK = re.compile(
    r"time|second|elapsed|frame|index|unnamed|clock|date|epoch|\b(t|s|ms|us|ns|sec|i|n|row|nr|no|step|tick|sample)s?\b"
)
_DATE = re.compile(r"\d{1,2}\.\d{1,2}\.\d{2,4}")
# Numbers with decimal commas, thousands, currencies, percent and units; hexadecimal and complex ones; lists of them.
_LIKE_NUMBER = re.compile(
    r"[-+−±~<>]*\s*[$€£¥]?\s*[.,]?\d[\d.,'’_\s]*([eE][-+]?[\d.,]+)?\s*([%‰°$€£¥]\S*|[a-zA-Zµ]{1,3}(/\S{1,4})?)?"
    r"|0[xXbo][0-9a-fA-F]+|[-+]?[\d.]+\s*[-+]\s*[\d.]*[ij]|[\[({]\s*[-+]?\.?\d.*[\])}]",
    re.DOTALL,
)


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of a table in their order: those of numbers, `(time,)` each, NaN where a cell is empty.

    `words`: columns of words or dates, in which no cell is or looks like a number, as they are. `problems`: what is
    wrong with those that are neither, by column.
    """

    names: tuple[str, ...]
    numbers: dict[str, FloatArray] = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def read_columns(path: Path) -> Columns:
    """Read the columns of a `.csv`, `.tsv` or `.parquet` file.

    True and false are 1 and 0.

    Raises:
        ManifestError: rows that do not fit the header; without the path.
        OSError, ValueError: the file cannot be read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "walk.csv")
    >>> _ = path.write_text('x,up,who,y\\n1,True,ann,"1,5"\\n2,False,ann,2\\n')
    >>> columns = read_columns(path)
    >>> [(name, values.tolist()) for name, values in columns.numbers.items()], columns.words
    ([('x', [1.0, 2.0]), ('up', [1.0, 0.0])], {'who': ('ann', 'ann')})
    >>> columns.problems["y"]
    "'1,5' in row 1 of column 'y' is not a number, but other cells of it are"
    """
    if path.suffix.lower() == ".parquet":
        table = read_frame(path)
        return sort_cells((str(name), plain_cells(table.iloc[:, place])) for place, name in enumerate(table.columns))
    plain = read_plain_columns(path)
    if plain is not None:
        return sort_cells(name_all(plain.items()))
    rows = read_rows(path)
    skipped = np.flatnonzero(np.diff(rows.lines) > 1)
    if len(rows.header) == 1 and len(skipped):
        raise ManifestError(
            f"line {rows.lines[skipped[0]] + 1} is empty, which may be a missing value of the only column. Write NaN, "
            "or remove the line"
        )
    cells: Iterable[Sequence[str]] = zip(*rows.cells, strict=True) if rows.cells else [()] * len(rows.header)
    return sort_cells(name_all(zip(rows.header, cells, strict=True)))


def read_frame(path: Path) -> "pd.DataFrame":
    """Read a Parquet file; a named index is a column of it."""
    import pandas as pd

    table = pd.read_parquet(path)
    named = [] if isinstance(table.index, pd.RangeIndex) else [name for name in table.index.names if name is not None]
    return table.reset_index(named)


def is_clock(name: str, values: npt.NDArray[Any]) -> bool:
    """Whether a column only counts time or rows: it never falls, and has the name of a clock or rises in equal steps.

    >>> is_clock("seconds_elapsed", np.array([0.0, 0.011, 0.019])), is_clock("speed", np.array([0.0, 1.0, 3.0]))
    (True, False)
    """
    steps = np.diff(values)
    if not len(steps) or not (steps >= 0).all() or not steps.any():
        return False
    is_even = len(steps) >= _ENOUGH_STEPS and bool(np.ptp(steps) < 0.01 * steps.mean())
    return is_even or is_clock_name(name)


def is_clock_name(name: str) -> bool:
    """Whether a column is named like one that counts time or rows.

    >>> is_clock_name("seconds_elapsed"), is_clock_name("speed")
    (True, False)
    """
    return _CLOCK.search(name.lower().replace("_", " ")) is not None


def name_all(columns: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    """Yield columns with their names; as pandas calls those without one, such as the row numbers that it writes."""
    return ((name or f"Unnamed: {place}", cells) for place, (name, cells) in enumerate(columns))


def sort_cells(named: Iterable[tuple[str, Any]]) -> Columns:
    """Sort columns: arrays are numbers, dates stay as they are, and other cells are looked at one by one."""
    numbers, words, problems, names = {}, {}, {}, []
    for name, cells in named:
        names.append(name)
        found = None if _are_dates(cells) else cells if isinstance(cells, np.ndarray) else _convert(name, cells)
        if found is None:
            words[name] = cells
        elif isinstance(found, str):
            problems[name] = found
        else:
            numbers[name] = found
    return Columns(tuple(names), numbers, words, problems)


def read_clock(table: Columns, name: str) -> FloatArray:
    """Return the times of rows in seconds; dates and times, as ISO 8601 writes them, count from the earliest.

    Raises:
        ValueError: the column holds something else; says what.

    >>> read_clock(Columns(("t",), words={"t": ["2024-01-01 00:00:59", "2024-01-01 00:01:00.5"]}), "t").tolist()
    [0.0, 1.5]
    """
    import pandas as pd

    if name in table.numbers:
        return table.numbers[name]
    if name in table.problems:
        raise ValueError(table.problems[name])
    cells = pd.Series(table.words[name])
    times: Any = cells if _are_dates(cells) else pd.to_datetime(cells, errors="coerce", utc=True, format="ISO8601")
    if times.isna().any():
        row = int(np.flatnonzero(times.isna())[0])
        raise ValueError(
            f"{_describe(name, row, table.words[name])} is neither a number nor a date as ISO 8601 writes it"
        )
    return np.asarray((times - times.min()) / pd.Timedelta(seconds=1), np.float64)


def _are_dates(cells: Any) -> bool:
    return getattr(getattr(cells, "dtype", None), "kind", "") in ("m", "M")


def plain_cells(cells: "pd.Series") -> Any:
    """Return numbers as an array, dates as they are, other cells as objects."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_complex_dtype(cells):
        return np.asarray(cells.to_numpy(np.float64, na_value=np.nan))
    return cells.reset_index(drop=True) if _are_dates(cells) else cells.astype(object).tolist()


def _convert(name: str, cells: Sequence[Any]) -> FloatArray | str | None:
    """Return the cells as numbers, a problem, or None where they are words."""
    numbers = _as_numbers(cells)
    if numbers is not None:
        return numbers
    # Of text, what is equal is looked at once.
    distinct = list(dict.fromkeys(cells)) if _are_text(cells) else list(cells)
    values = [_number(cell) for cell in distinct]
    texts = [place for place, value in enumerate(values) if value is None]
    if not texts:
        return _spread(values, distinct, cells)
    is_known = [not _is_nan(value) for value in values]
    if all(str(cell).strip().lower() in _TRUTH for cell, known in zip(distinct, is_known, strict=True) if known):
        return _spread([_TRUTH.get(str(cell).strip().lower(), np.nan) for cell in distinct], distinct, cells)
    if any(known and value is not None for known, value in zip(is_known, values, strict=True)):
        return (
            f"{_describe(name, _row_of(texts[0], distinct, cells), cells)} is not a number, but other cells of it are"
        )
    alike = next((place for place in texts if _looks_like_number(distinct[place])), None)
    if alike is None:
        return None
    row = _row_of(alike, distinct, cells)
    return f"{_describe(name, row, cells)} is text, and not a number as 1.5 or -2e3 is"


def _as_numbers(cells: Sequence[Any]) -> FloatArray | None:
    """Return text that is numbers or empty as an array; None if there is anything else."""
    try:
        if "_" in "".join(cells):
            return None
        return np.array(list(map(float, [cell or "nan" for cell in cells])))
    except (TypeError, ValueError):
        return None


def _are_text(cells: Sequence[Any]) -> bool:
    return all(type(cell) is str for cell in cells)


def _spread(values: Sequence[float | None], distinct: Sequence[Any], cells: Sequence[Any]) -> FloatArray:
    """Return the value of each cell from those of distinct cells."""
    if len(distinct) == len(cells):
        return np.array(values, np.float64)
    value_of = dict(zip(distinct, values, strict=True))
    return np.array([value_of[cell] for cell in cells], np.float64)


def _row_of(place: int, distinct: Sequence[Any], cells: Sequence[Any]) -> int:
    return place if len(distinct) == len(cells) else cells.index(distinct[place])


def _describe(name: str, row: int, cells: Sequence[Any]) -> str:
    return f"'{cells[row]!s:.40}' in row {row + 1} of column '{name}'"


def _number(cell: Any) -> float | None:
    """Return the number in a cell, NaN where it is empty, None for text."""
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in _MISSING) or type(cell).__name__ == "NAType":
        return np.nan
    if _misleads(cell):
        return None
    try:
        return float(cell)
    except (ValueError, TypeError):
        return None


def _misleads(cell: Any) -> bool:
    """Whether float() takes a cell that nobody meant as a number: 1_000, or a list with one value."""
    return "_" in cell if isinstance(cell, str) else isinstance(cell, np.ndarray)


def _is_nan(value: float | None) -> bool:
    return value is not None and np.isnan(value)


def _looks_like_number(cell: Any) -> bool:
    if not isinstance(cell, str):
        return not isinstance(cell, date | time)
    text = cell.strip()
    return _LIKE_NUMBER.fullmatch(text) is not None and _DATE.fullmatch(text) is None
