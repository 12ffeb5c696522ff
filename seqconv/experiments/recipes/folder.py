"""The folder of a search: the best model so far, as if its config alone had trained it, beside all that was tried."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from seqconv.experiments.folder import LOGS
from seqconv.files import write_atomically, write_text
from seqconv.reports.folder import TRIED_TABLE
from seqconv.training.run.run_dir import HISTORY, INPUTS, MODEL

TRIED = "tried"


def publish(trial: Path, path: Path) -> None:
    """Make the model of a trial that of the run, with its config and history; each file is whole at any moment."""
    for name in (MODEL, HISTORY, *INPUTS):
        if (trial / name).exists():
            write_atomically(path / name, lambda temporary, name=name: shutil.copyfile(trial / name, temporary))  # type: ignore[misc]


def write_table(rows: list[dict[str, Any]], path: Path) -> None:
    """Write what was tried, a row each."""
    write_text(pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"), path / TRIED_TABLE)


@contextmanager
def log_of(name: str, path: Path) -> Iterator[Console]:
    """Open the file with what a trial says."""
    file = path / LOGS / f"{name}.txt"
    file.parent.mkdir(exist_ok=True)
    with file.open("a", encoding="utf-8") as opened:
        yield Console(file=opened, width=100, soft_wrap=True, color_system=None)
