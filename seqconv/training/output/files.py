"""Files of a run, its model and its tables: whole at any moment."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from seqconv.files import write_atomically, write_text


def save_model(model: keras.Model, path: Path) -> None:
    """Save as `.keras`, atomically."""
    write_atomically(path, model.save)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows under a header; a column that a row lacks stays empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(text.getvalue(), path)
