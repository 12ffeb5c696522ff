"""Cells of large tables, column by column: as they are written, and as numbers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqconv.errors import ManifestError, list_some
from seqconv.features.columns import Columns, name_all, plain_cells, read_frame, sort_cells
from seqconv.features.plain_columns import read_plain_columns
from seqconv.features.tables import read_rows

if TYPE_CHECKING:
    import pyarrow as pa


ROW_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".data", ".log", ".parquet")
"""Of tables with a row for each frame, whatever their cells are between."""


def read_cells(
    path: Path, *, separator: str | None = None, comment: str | None = None, names: Sequence[str] | None = None
) -> "dict[str, pa.Array]":
    r"""Read the columns of a table: text as it is written, in Parquet also other types.

    The arguments are those of `read_rows`.

    Raises:
        ManifestError: rows that do not fit the names; without the path.
        OSError, ValueError: the file cannot be read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "walk.txt")
    >>> _ = path.write_text("33,Jogging,0.50;\n33,Walking,1;\n")
    >>> cells = read_cells(path, names=["user", "label", "x"])
    >>> {name: array.to_pylist() for name, array in cells.items()}
    {'user': ['33', '33'], 'label': ['Jogging', 'Walking'], 'x': ['0.50', '1']}
    """
    import pyarrow as pa

    if path.suffix.lower() == ".parquet":
        table = read_frame(path)
        return {str(name): pa.array(table[name], from_pandas=True) for name in table.columns}
    found = read_plain_columns(path, separator=separator, comment=comment, names=names)
    if found is None:
        rows = read_rows(path, separator=separator, comment=comment, names=names)
        cells: Any = zip(*rows.cells, strict=True) if rows.cells else [()] * len(rows.header)
        found = dict(zip(rows.header, cells, strict=True))
    return {name: pa.array(column, pa.string()) for name, column in name_all(found.items())}


def to_columns(cells: "dict[str, pa.Array]") -> Columns:
    """Sort columns into numbers, words and text that only looks like numbers."""

    def each() -> Iterator[tuple[str, Any]]:
        for name, column in cells.items():
            yield name, _to_numbers(column)

    return sort_cells(each())


def to_text(column: "pa.Array") -> list[str | None]:
    """Return cells as text, None where they are empty; whole numbers of Parquet have no point."""
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        return [None if cell is None else str(cell).lower() for cell in column.to_pylist()]
    return [None if cell is None or cell == "" or cell != cell else str(cell) for cell in column.to_pylist()]


def _to_numbers(column: "pa.Array") -> Any:
    """Return an array of numbers where all cells are, else what `sort_cells` looks at cell by cell."""
    import pyarrow as pa

    if not pa.types.is_string(column.type):
        return plain_cells(column.to_pandas())
    try:
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return column.to_pylist()


def need_columns(cells: "dict[str, pa.Array]", wanted: Sequence[str], key: str) -> None:
    """Check that a table has the columns that a setting names.

    Raises:
        ManifestError: it lacks one; without the path.
    """
    missing = [name for name in wanted if name not in cells]
    if missing:
        raise ManifestError(
            f"lacks {list_some(missing)} of {key}; it has {list_some(cells, limit=15)}. Where all rows are of one, add "
            "the column with one value"
        )


def number_cells(columns: "Sequence[pa.Array]") -> tuple[Any, Any]:
    """Return the number of each row's cells among those that occur, in order, and the first row of each number."""
    import pyarrow.compute as pc

    codes = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        encoded = pc.dictionary_encode(column, null_encoding="encode")
        codes = codes * max(len(encoded.dictionary), 1) + encoded.indices.to_numpy(zero_copy_only=False)
        if len(columns) > 1:
            # Small again, so that many columns do not overflow.
            codes = np.unique(codes, return_inverse=True)[1]
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse], np.sort(first)
