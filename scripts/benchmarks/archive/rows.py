"""Rows of the benchmark: what is known so far, in a file that a stopped run goes on from."""

import json
import math
from collections.abc import Callable, Iterable
from functools import partial
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
        """The run that a row is of."""
        return self.dataset, self.recipe, self.seed


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file; none where it does not exist.

    Raises:
        ConfigError: it holds something else; says which row, and what is wrong with it.
    """
    if not path.exists():
        return []
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--json {path}: cannot be read ({error.strerror}). {_REMEDY}") from error
    except ValueError as error:
        raise ConfigError(f"--json {path}: is no JSON ({error}). {_REMEDY}") from error
    if not isinstance(values, list):
        raise ConfigError(f"--json {path}: holds no list of rows. {_REMEDY}")
    rows: dict[Key, Row] = {}
    for number, value in enumerate(values, start=1):
        if problem := _find_problem(value):
            raise ConfigError(f"--json {path}: row {number} {problem}. {_REMEDY}")
        row = Row(**value)
        if row.key in rows:
            raise ConfigError(f"--json {path}: row {number} is of the same run as one before it. {_REMEDY}")
        rows[row.key] = row
    return list(rows.values())


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write all rows, in one step: whoever reads the file, or stops the program, finds it whole."""
    lines = ",\n".join(f"  {json.dumps(row._asdict())}" for row in rows)
    write_text(f"[\n{lines}\n]\n", path)


_REMEDY = "Name a file that this benchmark wrote, or a new one."


def _find_problem(value: object) -> str | None:
    """Say what is wrong with the JSON of a row; None if nothing is."""
    if not isinstance(value, dict) or value.keys() != set(Row._fields):
        return f"has not exactly the fields {', '.join(Row._fields)}"
    for name, (expected, is_sound) in _FIELDS.items():
        if not is_sound(value[name]):
            return f"has {name} {json.dumps(value[name])}, expected {expected}"
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_number(value: object, kind: type = float, most: float = math.inf) -> bool:
    """Whether it is a finite number from 0 to `most`; to Python, True is a number, and NaN too."""
    numbers = (int, float) if kind is float else (int,)
    return isinstance(value, numbers) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value <= most


_FIELDS: dict[str, tuple[str, Callable[[object], bool]]] = {
    "dataset": ("a text", _is_text),
    "recipe": ("a text", _is_text),
    "seed": ("a whole number from 0", partial(_is_number, kind=int)),
    "accuracy": ("a number from 0 to 1", partial(_is_number, most=1)),
    "seconds": ("a number from 0", _is_number),
}
