"""Cells of large tables, column by column: as they are written, and as numbers."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqconv.errors import ManifestError, list_some
from seqconv.features.columns import Columns, plain_cells, sort_cells
from seqconv.features.plain_numbers import are_even
from seqconv.features.tables import NUMBER, expand_names, find_row_end, read_rows

if TYPE_CHECKING:
    import pyarrow as pa


ROW_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".data", ".log", ".parquet")
"""Of tables with a row for each frame, whatever their cells are between."""


def read_cells(
    path: Path, *, separator: str | None = None, comment: str | None = None, names: Sequence[str] | None = None
) -> "dict[str, pa.Array]":
    r"""Read the columns of a table: text as it is written, in Parquet also other types.

    Where a table is plain, without quotes and with equally many cells in each line, Arrow reads it; it is the same as
    by `read_rows`, whose arguments these are, in a tenth of its time.

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
        import pandas as pd

        table = pd.read_parquet(path)
        # A named index is a column of the file.
        named = [name for name in table.index.names if name is not None]
        table = table.reset_index(named) if not isinstance(table.index, pd.RangeIndex) else table
        return {str(name): _plain_array(pa.array(table[name], from_pandas=True)) for name in table.columns}
    plain = None if comment is not None else _read_plain(path, separator, names)
    if plain is not None:
        return plain
    rows = read_rows(path, separator=separator, comment=comment, names=names)
    header = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(rows.header)]
    cells: Any = zip(*rows.cells, strict=True) if rows.cells else [()] * len(header)
    return {name: pa.array(column, pa.string()) for name, column in zip(header, cells, strict=True)}


def _plain_array(column: Any) -> "pa.Array":
    """Return an array in one piece, and categories as their names."""
    import pyarrow as pa

    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


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


def _read_plain(path: Path, separator: str | None, names: Sequence[str] | None) -> "dict[str, pa.Array] | None":
    """Read a plain table; None where there may be anything that the strict reader knows better."""
    import pyarrow as pa
    from pyarrow import csv

    mark = separator or ("\t" if path.suffix.lower() == ".tsv" else ",")
    body = path.read_bytes().removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    if len(mark) > 1 or not body.strip() or b'"' in body or b"\r" in body or not mark.isascii():
        return None
    if mark == " " and (b"\t" in body or b"  " in body or b" \n" in body or b"\n " in body or body[:1] == b" "):
        return None
    if end := find_row_end(path, mark):
        body = b"\n".join(line for line in body.replace(end.encode(), b"\n").split(b"\n") if line.strip())
    first, _, rest = body.partition(b"\n")
    try:
        cells = first.decode("utf-8").split(mark)
    except UnicodeDecodeError:
        return None
    header = cells if names is None else expand_names(names, len(cells))
    body = rest if names is None else body
    is_header = len(set(header)) == len(header) > 1 and all(
        name and name == name.strip() and (names is not None or not NUMBER.fullmatch(name)) for name in header
    )
    if not is_header or not body.strip() or cells == list(names or ()) or not are_even(body, mark, len(header)):
        return None
    convert = csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False)
    parse = csv.ParseOptions(delimiter=mark, quote_char=False, double_quote=False, ignore_empty_lines=False)
    read = csv.ReadOptions(column_names=header)
    try:
        table = csv.read_csv(io.BytesIO(body), read_options=read, parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid:
        return None
    return {name: table[name].combine_chunks() for name in header}


def need_columns(cells: "dict[str, pa.Array]", wanted: Sequence[str], key: str) -> None:
    """Check that a table has the columns that a setting names.

    Raises:
        ManifestError: it lacks one; without the path.
    """
    missing = [name for name in wanted if name not in cells]
    if missing:
        raise ManifestError(f"lacks {list_some(missing)} of {key}; it has {list_some(cells, limit=15)}")


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
