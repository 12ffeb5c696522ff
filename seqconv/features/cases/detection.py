"""Detection of long tables: what `data.rows` may be of a table that nobody has described."""

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

    Keys are columns of words or whole numbers that mostly stay the same from row to row; the order is a column with the
    name of a clock that mostly rises; and there are other numbers, which change.

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
    order = next((name for name in table.names if is_clock_name(name) and _rises(table, name)), None)
    keys = [name for name in table.names if name != order and _stays(columns[name], table.numbers.get(name))]
    measured = [
        name for name in table.numbers if name not in (*keys, order) and len(np.unique(table.numbers[name])) > 2
    ]
    if count < 2 * _SHORTEST_RUN or not keys or not measured:
        return None
    return RowSettings(by=tuple(keys), order=order)


def _rises(table: Columns, name: str) -> bool:
    try:
        steps = np.diff(read_clock(table, name))
    except (ValueError, KeyError):
        return False
    return bool(len(steps)) and bool(np.mean(steps > 0) >= _MOST_RISE)


def _stays(column: Any, numbers: Any) -> bool:
    import pyarrow.compute as pc

    if numbers is not None and not np.all(np.isfinite(numbers) & (numbers == np.round(numbers))):
        return False
    codes = pc.dictionary_encode(column, null_encoding="encode").indices.to_numpy(zero_copy_only=False)
    changes = np.count_nonzero(np.diff(codes))
    return bool(0 < changes < len(codes) / _SHORTEST_RUN)
