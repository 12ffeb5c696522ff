"""The formats of files that hold several sequences: which suffix has which reader."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from seqconv.errors import ManifestError
from seqconv.features.cases.sequences import Cases
from seqconv.features.ts import read_ts


def read_ts_cases(path: Path) -> Cases:
    """Read the cases of a `.ts` file."""
    sequences, labels, _ = read_ts(path)
    return Cases.of_arrays(sequences, {"label": labels or [None] * len(sequences)})


FORMATS: dict[str, Callable[[Path], Cases]] = {".ts": read_ts_cases}
"""Readers of the formats that hold several sequences, by suffix."""


def read_cases(path: Path) -> Cases:
    """Read a file that holds several sequences; cached, because the next entry is most often its next sequence.

    Raises:
        ManifestError: the file holds none, or cannot be read.
    """
    if not path.is_file():
        raise ManifestError(f"'{path}' does not exist or is not a file.")
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _read(path: Path, modified: int) -> Cases:
    """Read a file; the time of the last change, `modified`, is there to read a changed file again."""
    return FORMATS[path.suffix.lower()](path)


def case_arguments(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return which sequence of its file a row of a manifest is, as the argument `case` of the readers of features.

    In a manifest of other files, a column `case` is the user's own.

    >>> case_arguments({"path": "walks.ts", "case": "3"}), case_arguments({"path": "a.wav", "case": "3"})
    ({'case': 3}, {'case': None})
    """
    import pandas as pd

    value = row.get("case")
    is_case = str(row["path"]).lower().endswith(tuple(FORMATS))
    if not is_case or pd.isna(value) or value == "":
        return {"case": None}
    try:
        return {"case": int(float(value))}
    except ValueError as error:
        raise ManifestError(f"{row['path']}: the number of its sequence, column 'case', is '{value}'") from error
