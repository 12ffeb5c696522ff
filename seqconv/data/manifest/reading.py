"""Read the file formats of a manifest into tables of text, in which '001' and 'NA' stay what they are."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seqconv.data.manifest.columns import SPLITS
from seqconv.errors import ManifestError, list_some
from seqconv.features.tables import read_rows
from seqconv.features.ts import read_ts
from seqconv.files import undecodable_line

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au")
ARRAY_SUFFIXES = (".npy", ".npz")


def read_table(path: Path) -> pd.DataFrame:
    """Read one manifest: CSV, TSV, JSON Lines, Parquet or `.ts`.

    Returns:
        A table of text with None for empty cells; a `.ts` file also has the number of each `case`, from 0.

    Raises:
        ManifestError: The file is missing, malformed or of another format.
    """
    if not path.exists():
        raise ManifestError("there is no such file or folder.")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ManifestError(
            f"the format '{path.suffix}' is not known. A manifest is {', '.join(_READERS)}, "
            "or a folder with one sub-folder per class."
        )
    try:
        return reader(path)
    except UnicodeDecodeError as error:
        line = undecodable_line(path)
        raise ManifestError(f"it is not UTF-8 text: line {line} ({error.reason}). Save it as UTF-8.") from error


def read_delimited(path: Path) -> pd.DataFrame:
    """Read CSV, or TSV (tabs): the first row names the columns."""
    rows = read_rows(path)
    return _build_table(rows.header, rows.cells)


def read_json_lines(path: Path) -> pd.DataFrame:
    """Read JSON Lines: one object per line; a list of labels is joined with ';'."""
    records = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                # Numbers stay as written: 1.50 is not 1.5 when it is an id.
                record = json.loads(line, parse_int=str, parse_float=str)
            except json.JSONDecodeError as error:
                raise ManifestError(f"line {number} is not JSON: {error.msg}.") from error
            except RecursionError as error:
                raise ManifestError(f"line {number} nests lists or objects hundreds deep; cells are text.") from error
            if not isinstance(record, dict):
                raise ManifestError(f'line {number} is not a JSON object such as {{"path": "a.wav", "label": "yes"}}.')
            records.append({key: _to_text(value, f"line {number}, '{key}'") for key, value in record.items()})
    if not records:
        raise ManifestError("it is empty; each line must hold one JSON object.")
    header = list(dict.fromkeys(key for record in records for key in record))
    return _build_table(header, [[record.get(key) for key in header] for record in records])


def read_parquet(path: Path) -> pd.DataFrame:
    """Read Parquet; numbers become text, a list of labels is joined with ';'."""
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise ManifestError(f"it is not a whole Parquet file: {str(error).strip().rstrip('.')}.") from error
    columns = {
        name: [_to_text(cell, f"row {row}, '{name}'") for row, cell in enumerate(table[name].to_pylist(), start=1)]
        for name in table.column_names
        if name != "__index_level_0__"
    }
    return _build_table(list(columns), list(zip(*columns.values(), strict=True)))


def read_ts_cases(path: Path) -> pd.DataFrame:
    """List the cases of a `.ts` file: `path` is the file itself, `case` and `id` the number of the case from 0."""
    sequences, labels, _ = read_ts(path)
    cells: Sequence[str | None] = labels or [None] * len(sequences)
    numbers = [str(case) for case in range(len(sequences))]
    table = pd.DataFrame({"id": numbers, "path": path.name, "label": cells}, dtype=object)
    return table.assign(case=range(len(sequences)))


def read_folder(folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """List the recordings and arrays of a folder: each sub-folder is a class, deeper folders belong to it.

    Returns:
        The table, and notes.
    """
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    _check_classes(folder, classes)
    present = [(path, each.name) for each in classes for path in _visible_files(each.rglob("*"))]
    files = [(path, label) for path, label in present if path.suffix.lower() in (*AUDIO_SUFFIXES, *ARRAY_SUFFIXES)]
    if not files:
        raise ManifestError(
            f"its sub-folders hold no recording ({', '.join(AUDIO_SUFFIXES)}) "
            f"and no array ({', '.join(ARRAY_SUFFIXES)})."
        )
    paths = [path.relative_to(folder) for path, _ in files]
    names, stems = [path.as_posix() for path in paths], [path.with_suffix("").as_posix() for path in paths]
    counts = Counter(stems)
    ids = [stem if counts[stem] == 1 else name for stem, name in zip(stems, names, strict=True)]
    table = pd.DataFrame({"id": ids, "path": names, "label": [label for _, label in files]}, dtype=object)
    others = len(present) - len(files)
    note = f"{others} files in '{folder}' are neither recordings nor arrays and were left out"
    return table, [note] if others else []


def _check_classes(folder: Path, classes: Sequence[Path]) -> None:
    names = [path.name for path in classes]
    loose = [path.name for path in _visible_files(folder.iterdir()) if path.suffix.lower() in AUDIO_SUFFIXES]
    if loose:
        raise ManifestError(f"recordings must be in sub-folders, one per class, but {list_some(loose)} are in none.")
    if not names:
        raise ManifestError("it has no sub-folders; there must be one per class.")
    if set(names) <= {*SPLITS, "val", "validation", "dev"}:
        mapping = ", ".join(f"{'valid' if name not in SPLITS else name}: {folder / name}" for name in names)
        raise ManifestError(
            f"its sub-folders {list_some(names)} are named like splits, not classes. "
            f"Give a mapping instead: {{{mapping}}}."
        )


def _visible_files(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.is_file() and not path.name.startswith("."))


def _to_text(value: Any, place: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ";".join(str(item) for item in value)
    if isinstance(value, dict | list):
        raise ManifestError(f"{place}: a cell must be text, a number or a list of labels, not {value!r:.60}.")
    return str(value)


def _build_table(header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> pd.DataFrame:
    cells = [[value or None for value in row] for row in rows]
    return pd.DataFrame(cells, columns=list(header), dtype=object)


_READERS = {
    **dict.fromkeys((".csv", ".tsv"), read_delimited),
    **dict.fromkeys((".jsonl", ".ndjson"), read_json_lines),
    ".parquet": read_parquet,
    ".ts": read_ts_cases,
}
