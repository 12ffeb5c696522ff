"""Detection of long tables: what `data.rows` may be of a table that nobody has described."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqconv.errors import ManifestError
from seqconv.features.cases.division import RowSettings
from seqconv.features.cells import read_cells, to_columns
from seqconv.features.columns import Columns, is_clock_name, read_clock

# A key stays the same for so many rows, on average.
_SHORTEST_RUN = 4
# A clock rises in so many of the steps; between users or sessions it may begin again.
_MOST_RISE = 0.8


def propose_rows(path: Path, **cells: Any) -> RowSettings | None:
    """Propose which rows of a table are sequences; None if its rows do not look like frames.

    Keys are columns of words or whole numbers that mostly stay the same from row to row; the order is the first clock,
    if there is one; and there are other numbers, which change.

    Args:
        path: a table.
        cells: how its text is divided into cells, as `read_cells` takes it.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "walks.csv")
    >>> rows = [f"{user},{user % 2},{step / 50},{step % 7 / 3}" for user in range(4) for step in range(9)]
    >>> _ = path.write_text("\\n".join(["user,activity,time,x", *rows]))
    >>> propose_rows(path)
    RowSettings(by=('user', 'activity'), order='time', sequence=None, max_step=None)
    """
    try:
        columns = read_cells(path, **cells)
        table = to_columns(columns)
    except (ManifestError, ValueError, OSError):
        return None
    count = len(next(iter(columns.values()), ()))
    order = next(iter(find_clocks(columns, table)), None)
    keys = [name for name in _find_keys(columns, table) if name != order]
    measured = [
        name for name in table.numbers if name not in (*keys, order) and len(np.unique(table.numbers[name])) > 2
    ]
    if count < 2 * _SHORTEST_RUN or not keys or not measured:
        return None
    return RowSettings(by=tuple(keys), order=order)


def find_clocks(cells: Mapping[str, Any], table: Columns) -> list[str]:
    """Find the columns that mostly rise and have the name of a clock, are dates, or rise in equal steps.

    Those that are named so come first, then dates: a measurement may rise evenly, too, though not over all rows of a
    key.

    Args:
        cells: the columns as `read_cells` returns them.
        table: the same, as numbers and words.
    """
    steps = {name: found for name in table.names if (found := _rising_steps(table, name)) is not None}
    named = [name for name in steps if is_clock_name(name)]
    dates = [name for name in steps if name in table.words]
    keys = [_codes(cells[name]) for name in _find_keys(cells, table) if name not in steps]
    is_edge = np.any([np.diff(codes) != 0 for codes in keys], axis=0) if keys else False
    even = [name for name, each in steps.items() if _is_even(each) and bool(np.all((each > 0) | is_edge))]
    return list(dict.fromkeys([*named, *dates, *even]))


def _is_even(steps: Any) -> bool:
    return bool(np.mean(np.isclose(steps, np.median(steps), rtol=0.01)) >= _MOST_RISE)


def _find_keys(cells: Mapping[str, Any], table: Columns) -> list[str]:
    return [name for name in table.names if _stays(cells[name], table.numbers.get(name))]


def _rising_steps(table: Columns, name: str) -> Any:
    """Return the steps of a column that mostly rises; None if it does not."""
    try:
        steps = np.diff(read_clock(table, name))
    except (ValueError, KeyError):
        return None
    return steps if len(steps) and np.mean(steps > 0) >= _MOST_RISE else None


def _stays(column: Any, numbers: Any) -> bool:
    if numbers is not None and not np.all(np.isfinite(numbers) & (numbers == np.round(numbers))):
        return False
    changes = np.count_nonzero(np.diff(_codes(column)))
    return bool(0 < changes < len(column) / _SHORTEST_RUN)


def _codes(column: Any) -> Any:
    """Return a number for each cell, equal for equal cells."""
    import pyarrow.compute as pc

    return pc.dictionary_encode(column, null_encoding="encode").indices.to_numpy(zero_copy_only=False)
