"""Tables of text whose separator, comments and header nobody has said."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from seqconv.data.manifest.collection import CollectionSettings
from seqconv.data.manifest.readers.tables import read_table
from seqconv.errors import SeqconvError

_SEPARATORS = {".csv": (None, ";", "|", "\t"), ".tsv": (None,), ".txt": ("\t", "|", ";", ",", " ")}
_LINES_LOOKED_AT = 50
_COMMENT = "#"


def read_ways(path: Path) -> Iterator[tuple[pd.DataFrame, dict[str, Any]]]:
    """Yield a table of several columns in each way to read it: with its separator, comments, with and without a header.

    Yields:
        The table, and the keys of `data` that say how it was read.
    """
    for keys in _ways(path):
        try:
            rows = read_table(path, CollectionSettings(**keys))
        except (SeqconvError, OSError, ValueError):
            continue
        if len(rows.columns) > 1 and len(rows):
            yield rows, keys


def _ways(path: Path) -> Iterator[dict[str, Any]]:
    """Yield ways to read a table, the plain one first; a way without a header follows that with one."""
    if path.suffix.lower() not in _SEPARATORS:
        yield {}
        return
    try:
        with path.open(encoding="utf-8-sig") as file:
            lines = [line.rstrip("\r\n") for line, _ in zip(file, range(_LINES_LOOKED_AT), strict=False)]
    except (OSError, UnicodeDecodeError):
        return
    comments = [line for line in lines if line.startswith(_COMMENT)]
    lines = [line for line in lines if line.strip() and not line.startswith(_COMMENT)]
    if not lines:
        return
    for separator in _SEPARATORS[path.suffix.lower()]:
        keys = {} if separator is None else {"separator": separator}
        mark = separator or ("\t" if path.suffix.lower() == ".tsv" else ",")
        if separator is not None and not all(mark in line for line in lines):
            continue
        if comments:
            keys["comment"] = _COMMENT
        cells = _cut(lines[0], mark)
        named = _cut(comments[-1].lstrip(_COMMENT), mark) if comments else []
        # Some tables name their columns in a comment.
        if len(named) == len(cells) > 1:
            yield {"names": [name.strip() for name in named], **keys}
        yield dict(keys)
        if len(cells) > 1:
            yield {"names": [f"column{place}" for place in range(1, len(cells) + 1)], **keys}


def _cut(line: str, mark: str) -> list[str]:
    if mark == " ":
        return line.split()
    if mark not in ",;":
        return line.split(mark)
    return next(csv.reader([line], delimiter=mark, skipinitialspace=True), [])
