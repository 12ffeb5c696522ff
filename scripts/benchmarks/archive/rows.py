"""Rows of the benchmark: what is known so far, in a file that a stopped run goes on from."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from seqconv.errors import ConfigError
from seqconv.files import write_text

Key = tuple[str, str, int]
"""Data set, recipe and seed."""


class Row(NamedTuple):
    """One run: accuracy on test, and the seconds from the files of the data set to a saved, scored model."""

    dataset: str
    recipe: str
    seed: int
    accuracy: float
    seconds: float

    @property
    def key(self) -> Key:
        """What was run."""
        return self.dataset, self.recipe, self.seed


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file; none where it does not exist.

    Raises:
        ConfigError: it holds something else.
    """
    if not path.exists():
        return []
    try:
        rows = [Row(**value) for value in json.loads(path.read_text(encoding="utf-8"))]
        is_sound = all(map(_is_sound, rows)) and len({row.key for row in rows}) == len(rows)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"--json {path}: {error}. {_REMEDY}") from error
    if not is_sound:
        raise ConfigError(f"--json {path}: a row is there twice, or holds something else than it should. {_REMEDY}")
    return rows


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write all rows, in one step: whoever reads the file, or stops the program, finds it whole."""
    lines = ",\n".join(f"  {json.dumps(row._asdict())}" for row in rows)
    write_text(f"[\n{lines}\n]\n", path)


_REMEDY = "It is no list of rows of this benchmark: name another file, or remove it."


def _is_sound(row: Row) -> bool:
    texts, numbers = (row.dataset, row.recipe), (row.accuracy, row.seconds)
    are_texts, are_numbers = (
        all(isinstance(value, kind) for value in of) for of, kind in ((texts, str), (numbers, float))
    )
    return are_texts and are_numbers and isinstance(row.seed, int)
