"""`Manifest`: a table of recordings, its columns, and the conversion of a table of text to a table with them."""

import difflib
import math
import re
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seqconv.errors import ManifestError, list_some
from seqconv.files import is_address, is_file, seen_from

SPLITS = ("train", "valid", "test")
TEXT_COLUMNS = ("id", "path", "label", "split", "group")
NUMBER_COLUMNS = ("start", "end", "weight")
KNOWN_COLUMNS = ("id", "path", "label", "split", "group", "fold", "start", "end", "weight")
# What collections call the splits. "dev" and "eval" may mean another one, or what is trained on.
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "val", "validation", "validate", "dev", "development"), "valid"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
UNSURE_SPLITS = ("dev", "development", "eval", "evaluation")
_LIKELY_PATHS = ("filename", "file", "fname", "wav", "audio", "audio_path", "clip", "recording", "slice_file_name")


def split_words(name: str) -> list[str]:
    """Return the splits that words of a name say.

    >>> split_words("labels_dev-clean")
    ['valid']
    """
    return [SPLIT_WORDS[word] for word in re.split(r"[\W_]+", name.lower()) if word in SPLIT_WORDS]


@dataclass(frozen=True, eq=False)
class Manifest:
    """A table of recordings, as `load_manifest` returns it, with notes.

    `notes`: what was decided on the way. `folds`: how its folds were made, if a cut has made or used them. `is_part`:
    whether it is one split of several.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    folds: str | None = None
    is_part: bool = False

    def with_frame(self, frame: pd.DataFrame, *notes: str) -> "Manifest":
        """Return the manifest with another table, and with more notes."""
        return replace(self, frame=frame, notes=(*self.notes, *notes))


def build_frame(table: pd.DataFrame, folder: str | Path, used: Sequence[str] = ()) -> tuple[pd.DataFrame, list[str]]:
    """Add all known columns to a table of text, with numbers and absolute paths.

    Args:
        table: What the file holds; every cell is text, or None where it is empty.
        folder: Where relative paths start.
        used: Columns of other names that are used, so that no warning is due.

    Returns:
        The frame, known columns first, and the problems found: cells that should be numbers and are not.

    Raises:
        ManifestError: There is no column `path`, or no row.
    """
    warn_near_misses(table.columns, used)
    if "path" not in table:
        known = list_some(table.columns, limit=12)
        likely = next((name for name in table.columns if name.lower() in _LIKELY_PATHS), "COLUMN")
        raise ManifestError(
            f"there is no column 'path'; the columns are {known}. Say which has the files: data.columns: "
            f"{{path: {likely}}}, or data.path: '{{{likely}}}.wav' if it has names without suffix."
        )
    if table.empty:
        raise ManifestError("there are columns, but no row.")
    frame = table.assign(**dict.fromkeys(column for column in KNOWN_COLUMNS if column not in table))
    frame["id"] = frame["id"].where(frame["id"].notna(), frame["path"])
    problems: list[str] = []
    for column in NUMBER_COLUMNS:
        frame[column] = _parse_numbers(frame[column], frame["id"], problems)
    frame["weight"] = frame["weight"].fillna(1.0)
    frame["fold"] = _parse_fold(frame["fold"], frame["id"], problems)
    frame["path"] = make_absolute(frame["path"], folder)
    others = [column for column in table.columns if column not in KNOWN_COLUMNS]
    return frame[[*KNOWN_COLUMNS, *others]], problems


def warn_near_misses(columns: Iterable[str], used: Sequence[str] = ()) -> None:
    """Warn of columns that are almost a known one which the table lacks: "lable" instead of "label"."""
    columns = list(columns)
    absent = [name for name in KNOWN_COLUMNS if name not in columns]
    for column in (name for name in columns if name not in (*KNOWN_COLUMNS, *used)):
        near = difflib.get_close_matches(column.strip().lower(), absent, n=1, cutoff=0.8)
        if near:
            warnings.warn(
                f"the manifest has a column '{column}' and no '{near[0]}'. '{column}' is kept as metadata; "
                f"if '{near[0]}' was meant, rename it.",
                stacklevel=2,
            )


def describe_rows(ids: Sequence[str | None] | pd.Series, rows: Iterable[int], limit: int = 5) -> str:
    """List row numbers (from 1, the header not counted) and ids of some rows, for an error message.

    >>> describe_rows(["a", "b", "c"], [0, 2])
    "row 1 ('a'), row 3 ('c')"
    """
    rows, ids = list(rows), list(ids)
    shown = [f"row {row + 1}" + ("" if pd.isna(ids[row]) else f" ('{ids[row]}')") for row in rows[:limit]]
    return ", ".join(shown) + (f" and {len(rows) - limit} more" if len(rows) > limit else "")


def find_rows(ids: pd.Series, is_bad: Any, problem: str) -> list[str]:
    """Return a problem as text, with the `{count}` and the ids of the `{rows}` that have it; nothing if none has it."""
    rows = np.flatnonzero(is_bad)
    if not len(rows):
        return []
    # Not `format`: the text may hold braces of the user.
    return [problem.replace("{count}", str(len(rows))).replace("{rows}", describe_rows(ids, rows))]


def as_text(cells: pd.Series) -> pd.Series:
    """Return cells as text, None where they are empty."""
    text = [None if pd.isna(cell) or cell == "" else _cell_text(cell) for cell in cells]
    return pd.Series(text, cells.index, object)


def _cell_text(cell: Any) -> str:
    """Return the text of a cell; whole numbers are real ones in a column with a gap."""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def to_text(value: Any, place: str) -> str | None:
    """Return the value of a cell as text: labels in a list joined by ';', None where there is nothing.

    Raises:
        ManifestError: it is none that a cell can hold; `place` says where.

    >>> to_text([1, "b"], ""), to_text(True, ""), to_text(float("nan"), "")
    ('1;b', 'true', None)
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        labels = [str(item) for item in value]
        if mixed := [label for label in labels if ";" in label]:
            raise ManifestError(f"{place}: the label '{mixed[0]}' holds ';', which is between the labels of a list.")
        return ";".join(labels)
    if isinstance(value, dict | list):
        raise ManifestError(f"{place}: a cell must be text, a number or a list of labels, not {value!r:.60}.")
    return _cell_text(value)


def refuse_indicators(name: str, values: Iterable[Any]) -> None:
    """Refuse a column of lists that are no lists of labels, but say of each class whether it applies.

    Raises:
        ManifestError: they are of one length, two or more, and hold 0 and 1 alone.

    >>> refuse_indicators("label", [[0, 1], [1]])
    """
    lists = [value for value in values if isinstance(value, list)]
    are_bits = all(str(item) in ("0", "1") for row in lists for item in row)
    if are_bits and lists and {len(value) for value in lists} == {max(len(lists[0]), 2)}:
        raise ManifestError(
            f"'{name}' holds lists of 0 and 1 such as {lists[0]!r:.40}, which seem to say of each class whether it "
            "applies. Write the names of those that apply, or a column for each class (target.columns)."
        )


def make_absolute(paths: pd.Series, folder: str | Path) -> pd.Series:
    """Return paths, or addresses, as seen from the folder of a manifest; `~` is the user's home."""
    found = [None if pd.isna(path) else seen_from(folder, path) for path in paths]
    return pd.Series(
        [path if path is None or path.isascii() else _as_on_disk(path) for path in found], paths.index, object
    )


def _as_on_disk(path: str) -> str:
    """Return the form of a path under which there is a file: letters with marks have two forms in Unicode."""
    if is_address(path):
        return path
    forms = (path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD")))
    return next((form for form in forms if is_file(form)), path)


def _parse_numbers(cells: pd.Series, ids: pd.Series, problems: list[str]) -> pd.Series:
    numbers = pd.to_numeric(cells.astype(object), errors="coerce").astype(np.float64)
    is_bad = cells.notna() & ~np.isfinite(numbers)
    shown = cells[is_bad].iloc[0] if is_bad.any() else ""
    text = f"{{count}} of the cells in '{cells.name}' are not numbers, for example '{shown}': {{rows}}."
    problems += find_rows(ids, is_bad, f"{text} Write plain numbers such as 1.5, or leave the cell empty.")
    return numbers.mask(is_bad)


def _parse_fold(cells: pd.Series, ids: pd.Series, problems: list[str]) -> pd.Series:
    numbers = _parse_numbers(cells, ids, problems)
    is_bad = numbers.notna() & (numbers % 1 != 0)
    problems += find_rows(ids, is_bad, "'fold' must hold whole numbers: {rows}.")
    return numbers.mask(is_bad).astype("Int64")
