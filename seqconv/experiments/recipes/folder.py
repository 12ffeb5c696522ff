"""The folder of a search: the best model so far, as if its config alone had trained it, beside all that was tried."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from seqconv.experiments.folder import LOGS
from seqconv.files import write_atomically, write_text
from seqconv.reports.folder import MEMBER_TABLE, MEMBERS, TRIED_TABLE
from seqconv.training.run.run_dir import HISTORY, INPUTS, MODEL

TRIED = "tried"


def publish(trial: Path, path: Path) -> None:
    """Make the model of a trial that of the run, with its config and history; each file is whole at any moment."""
    for name in (MODEL, HISTORY, MEMBER_TABLE, *INPUTS):
        if (trial / name).exists():
            write_atomically(path / name, partial(shutil.copyfile, trial / name))
        else:
            # That of the model before.
            (path / name).unlink(missing_ok=True)
    shutil.rmtree(path / MEMBERS, ignore_errors=True)
    if (trial / MEMBERS).is_dir():
        shutil.copytree(trial / MEMBERS, path / MEMBERS)


def write_table(rows: list[dict[str, Any]], path: Path) -> None:
    """Write what was tried, a row each."""
    write_text(pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"), path / TRIED_TABLE)


def remove_trials(path: Path) -> None:
    """Remove what a search leaves behind that has not come to any model."""
    for name in (TRIED, LOGS):
        shutil.rmtree(path / name, ignore_errors=True)
    (path / TRIED_TABLE).unlink(missing_ok=True)


@contextmanager
def log_of(name: str, path: Path) -> Iterator[Console]:
    """Open the file with what a trial says."""
    file = path / LOGS / f"{name}.txt"
    file.parent.mkdir(exist_ok=True)
    with file.open("a", encoding="utf-8") as opened:
        yield Console(file=opened, width=100, soft_wrap=True, color_system=None)
