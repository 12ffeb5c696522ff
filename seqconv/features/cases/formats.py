"""The formats of files that hold several sequences: which suffix, or which form, has which reader."""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from seqconv.errors import ManifestError
from seqconv.features.cases.arff import read_arff
from seqconv.features.cases.channels import channel_files, read_channels
from seqconv.features.cases.long_tables import read_long_table
from seqconv.features.cases.sequences import Cases
from seqconv.features.cases.ucr import is_ucr, read_ucr
from seqconv.features.ts import read_ts


def read_ts_cases(path: Path) -> Cases:
    """Read the cases of a `.ts` file."""
    # What is missing, the settings of features may fill.
    sequences, labels, _ = read_ts(path, keeps_gaps=True)
    return Cases.of_arrays(sequences, {"label": labels or [None] * len(sequences)})


FORMATS: dict[str, Callable[[Path], Cases]] = {".ts": read_ts_cases, ".arff": read_arff}
"""Readers of the formats that hold several sequences, by suffix."""

FORMS: dict[str, Callable[[Path, Mapping[str, Any]], Cases]] = {
    "rows": read_long_table,
    "ucr": read_ucr,
    "channels": read_channels,
}
"""Readers of files of which the suffix does not say how they hold sequences, by name; they take its options, too."""


def name_form(name: str, options: Mapping[str, Any]) -> str:
    """Return the text that says how files hold sequences: the name of a reader, and its options.

    >>> name_form("rows", {"by": ["user"]})
    '{"rows": {"by": ["user"]}}'
    """
    return json.dumps({name: options})


def find_form(path: Path) -> str | None:
    """Return how a file holds several sequences, as far as suffix and content say it: a form, "" for the suffix alone.

    None: it holds one, or nothing says it.
    """
    if path.suffix.lower() in FORMATS:
        return ""
    return name_form("ucr", {}) if is_ucr(path) else None


def files_of(path: Path, form: str) -> list[Path]:
    """Return the files in which the sequences of a path are: mostly it alone."""
    ((name, options),) = json.loads(form).items() if form else [("", {})]
    return channel_files(path, options) if name == "channels" else [path]


def read_cases(path: Path, form: str = "") -> Cases:
    """Read a file that holds several sequences; cached, because the next entry is most often its next sequence.

    Args:
        path: the file.
        form: how it holds them, as `name_form` returns it; "": as its suffix says.

    Raises:
        ManifestError: the file holds none, or cannot be read.
    """
    files = files_of(path, form)
    absent = [file for file in files if not file.is_file()]
    if absent:
        raise ManifestError(f"'{absent[0]}' does not exist or is not a file.")
    return _read(path, form, max(file.stat().st_mtime_ns for file in files))


@lru_cache(maxsize=2)
def _read(path: Path, form: str, modified: int) -> Cases:
    """Read a file; the time of the last change, `modified`, is there to read a changed file again."""
    if not form:
        return FORMATS[path.suffix.lower()](path)
    ((name, options),) = json.loads(form).items()
    return FORMS[name](path, options)


def forget_cases() -> None:
    """Free the memory of files that were read: what is in a store is read from there."""
    _read.cache_clear()


def case_arguments(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return which sequence of its file a row of a manifest is, as arguments of the readers of features.

    In a manifest of other files, a column `case` is the user's own.

    >>> case_arguments({"path": "walks.ts", "case": "3"}), case_arguments({"path": "a.wav", "case": "3"})
    ({'case': 3, 'form': ''}, {'case': None, 'form': ''})
    """
    import pandas as pd

    value, form = row.get("case"), row.get("case_form")
    form = form if isinstance(form, str) else ""
    is_case = bool(form) or str(row["path"]).lower().endswith(tuple(FORMATS))
    if not is_case or pd.isna(value) or value == "":
        return {"case": None, "form": ""}
    try:
        return {"case": int(float(value)), "form": form}
    except ValueError as error:
        raise ManifestError(f"{row['path']}: the number of its sequence, column 'case', is '{value}'") from error


def case_columns(frame: Any) -> list[str]:
    """Return those of the columns that say which sequence of its file a row is that a manifest has."""
    return [name for name in ("path", "case", "case_form") if name in frame.columns]
