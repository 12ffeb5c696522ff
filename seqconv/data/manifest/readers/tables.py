"""Read the file formats of a manifest into tables of text, in which '001' and 'NA' stay what they are."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from seqconv.data.manifest.collection import CollectionSettings
from seqconv.data.manifest.columns import refuse_indicators, to_text
from seqconv.data.manifest.readers.arrow import read_parquet
from seqconv.errors import ManifestError
from seqconv.features.cases import FORMATS, Cases, find_form, read_cases
from seqconv.features.cells import ROW_SUFFIXES
from seqconv.features.foreign import find_recipe
from seqconv.features.tables import Rows, read_rows
from seqconv.features.text_files import decoding_problem, text_encoding
from seqconv.files import LocalCopy, hint_at_address

_PLAIN = CollectionSettings()


def read_file(path: Path, collection: CollectionSettings = _PLAIN) -> tuple[pd.DataFrame, list[str]]:
    """Read one manifest like `read_table`, or a file that holds several sequences; with notes."""
    form = form_of(path, collection)
    if form is None or not path.is_file():
        return read_table(path, collection), []
    cases = read_cases(path, form)
    name = str(path) if isinstance(path, LocalCopy) else path.name
    return list_cases(cases, name, form), list(cases.notes)


def form_of(path: Path, collection: CollectionSettings) -> str | None:
    """Return how a file holds several sequences; None if it is a table of recordings."""
    # Names are given for a table that has no header.
    return collection.form or (find_form(path) if collection.names is None else None)


def read_table(path: Path, collection: CollectionSettings = _PLAIN) -> pd.DataFrame:
    """Read one manifest: CSV, TSV, JSON Lines or Parquet.

    Args:
        path: The file.
        collection: Of which `names`, `separator` and `comment` say how text is divided into cells; a table with a
            separator may have any suffix.

    Returns:
        A table of text with None for empty cells.

    Raises:
        ManifestError: The file is missing, malformed or of another format.
    """
    if not path.exists():
        raise ManifestError(f"there is no such file or folder.{hint_at_address(path)}")
    reader: Callable[[Path], pd.DataFrame] | None = _READERS.get(path.suffix.lower())
    if reader is read_delimited or collection.separator is not None:
        reader = partial(read_delimited, collection=collection)
    if reader is None:
        of_frames = " If each of its rows is a frame, data.rows says which are a sequence."
        raise ManifestError(
            f"the format '{path.suffix}' is not known. A manifest is {', '.join([*_READERS, *FORMATS])}, or a folder "
            "with one sub-folder per class; with data.separator, text of any name."
            f"{of_frames if path.suffix.lower() in ROW_SUFFIXES else ''}{find_recipe([path])}"
        )
    try:
        return reader(path)
    except UnicodeDecodeError as error:
        raise ManifestError(decoding_problem(path, error)) from error


def read_delimited(path: Path, collection: CollectionSettings = _PLAIN) -> pd.DataFrame:
    """Read CSV, or TSV (tabs): the first row names the columns, unless `names` does."""
    options: dict[str, Any] = {"comment": collection.comment, "names": collection.names}
    try:
        rows = read_rows(path, separator=collection.separator, **options)
    except ManifestError:
        if collection.separator is not None:
            raise
        # Spaces before quotation marks: without them, either all rows fit or the table is none.
        spaced = _read_spaced(path, options)
        if spaced is None:
            raise
        rows = spaced
    return _build_table(rows.header, rows.cells)


def _read_spaced(path: Path, options: dict[str, Any]) -> Rows | None:
    if path.suffix.lower() == ".tsv":
        return None
    try:
        rows = read_rows(path, separator=", ", **options)
    except ManifestError:
        return None
    return rows if len(rows.header) > 1 else None


def read_json_lines(path: Path) -> pd.DataFrame:
    """Read JSON Lines: one object per line; a list of labels is joined with ';'."""
    records, lists = [], dict[str, list[Any]]()
    with path.open(encoding=text_encoding(path)) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                # Numbers stay as written: 1.50 is not 1.5 when it is an id.
                record = json.loads(line, parse_int=str, parse_float=str, object_pairs_hook=_as_record)
            except json.JSONDecodeError as error:
                raise ManifestError(f"line {number} is not JSON: {error.msg}.") from error
            except ManifestError as error:
                raise ManifestError(f"line {number}: {error}") from error
            except RecursionError as error:
                raise ManifestError(f"line {number} nests lists or objects hundreds deep; cells are text.") from error
            if not isinstance(record, dict):
                raise ManifestError(f'line {number} is not a JSON object such as {{"path": "a.wav", "label": "yes"}}.')
            for key, value in record.items():
                if isinstance(value, list):
                    lists.setdefault(key, []).append(value)
            records.append({key: to_text(value, f"line {number}, '{key}'") for key, value in record.items()})
    if not records:
        raise ManifestError("it is empty; each line must hold one JSON object.")
    for key, values in lists.items():
        refuse_indicators(key, values)
    header = list(dict.fromkeys(key for record in records for key in record))
    return _build_table(header, [[record.get(key) for key in header] for record in records])


def _as_record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        raise ManifestError(f"an object has the key '{next(name for name in names if names.count(name) > 1)}' twice.")
    return record


def list_cases(cases: Cases, path: str, form: str = "", prefix: str = "") -> pd.DataFrame:
    """Return a row for each sequence of a file: `path` is the file itself, `case` the number of the sequence from 0.

    `case_form` says how the file holds them, where its suffix does not. `prefix` comes before the ids.
    """
    # Where a whole file is one sequence, that has no name in it.
    names = cases.columns.get("id", cases.ids)
    ids = [f"{prefix}{name}".rstrip("/") or PurePosixPath(path).stem for name in names]
    said = {name: cells for name, cells in cases.columns.items() if name != "id"}
    table = pd.DataFrame({"id": ids, "path": path, **said}, dtype=object).assign(case=range(len(cases)))
    return table.assign(case_form=form) if form else table


def _build_table(header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> pd.DataFrame:
    cells = [[value or None for value in row] for row in rows]
    return pd.DataFrame(cells, columns=list(header), dtype=object)


_READERS = {
    **dict.fromkeys((".csv", ".tsv"), read_delimited),
    **dict.fromkeys((".jsonl", ".ndjson"), read_json_lines),
    ".parquet": lambda path: read_parquet([path])[0],
}
TABLE_SUFFIXES = tuple(_READERS)
