"""The beginnings of tables with a frame in each row, and what the names of their columns say."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from seqconv.cli.drafting.targets import GROUP_NAMES, LABEL_WORDS
from seqconv.features.cases.detection import find_clocks, propose_rows
from seqconv.features.cases.division import RowSettings
from seqconv.features.cells import read_cells, to_columns, to_text
from seqconv.features.columns import Columns

LABELS = LABEL_WORDS | {"activity", "activities", "gesture", "state"}
"""Words in the names of columns that say what happens."""

GROUPS = {*GROUP_NAMES, "group", "participant", "patient", "volunteer", "recording", "trial", "run"}
"""Words in the names of columns that say of whom or of what a sequence is."""

MOST_TRIED = 20
"""Tables of a folder whose beginnings are read."""

_HEAD = 1 << 20


@dataclass(frozen=True)
class Head:
    """The beginning of a table: its cells as text and as numbers, by column, and the proposal of its sequences.

    `clocks`: the columns that rise with time, the order of the rows first.
    """

    cells: dict[str, list[str | None]]
    columns: Columns
    rows: RowSettings
    clocks: tuple[str, ...]

    def count_runs(self, names: Sequence[str]) -> int:
        """Return how many runs of neighboring rows have equal cells in some columns; of none, the rows are one run."""
        return count_runs(self.keys(names)) if names else 1

    def keys(self, names: Sequence[str]) -> list[tuple[str | None, ...]]:
        """Return the cells of some columns, by row."""
        rows = len(next(iter(self.cells.values())))
        return list(zip(*(self.cells[name] for name in names), strict=True)) if names else [()] * rows


def read_heads(paths: Sequence[Path], text: dict[str, Any]) -> dict[Path, Head]:
    """Read the first rows of those of some tables that have a frame in each; none unless all have the same columns."""
    heads = {path: head for path in paths[:MOST_TRIED] if (head := _read_head(path, text)) is not None}
    return heads if len({tuple(head.cells) for head in heads.values()}) == 1 else {}


def words_of(name: str) -> set[str]:
    """Return the words in the name of a column, in small letters.

    >>> sorted(words_of("userId")), sorted(words_of("Time (ms)"))
    (['id', 'user'], ['ms', 'time'])
    """
    return {word.lower() for word in re.split(r"[\W_\d]+|(?<=[a-z])(?=[A-Z])", name) if word}


def count_runs(cells: Sequence[Any]) -> int:
    """Return how many runs of neighbors are equal.

    >>> count_runs("aabba")
    3
    """
    return 1 + sum(bool(one != other) for one, other in pairwise(cells))


def _read_head(path: Path, text: dict[str, Any]) -> Head | None:
    """Read the first rows of a table; None if it is none."""
    if path.suffix.lower() == ".parquet":
        return _sort_head(path, {})
    with path.open("rb") as file:
        body = file.read(_HEAD)
    # The last line may be cut.
    body = body[: body.rfind(b"\n") + 1] if len(body) == _HEAD else body
    with tempfile.TemporaryDirectory() as folder:
        head = Path(folder, f"head{path.suffix}")
        head.write_bytes(body)
        return _sort_head(head, text)


def _sort_head(path: Path, text: dict[str, Any]) -> Head | None:
    rows = propose_rows(path, **text)
    if rows is None:
        return None
    columns = read_cells(path, **text)
    cells = {name: to_text(column) for name, column in columns.items()}
    table = to_columns(columns)
    head = Head(cells, table, rows, tuple(find_clocks(columns, table)))
    # Other words in each row, such as names of files, are not measured.
    names = [name for name in table.words if name not in head.clocks]
    return None if any(len(set(cells[name])) > len(cells[name]) / 2 for name in names) else head
