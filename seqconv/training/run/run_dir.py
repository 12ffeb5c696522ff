"""The folder of a run: one run each; a failed run never looks like a whole one."""

import json
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import keras
import pandas as pd

from seqconv.config import Config
from seqconv.data.datasets import Datasets
from seqconv.errors import ConfigError
from seqconv.files import hold_lock, remove_leftovers, write_text
from seqconv.reports.folder import CONFIG, MEMBERS, TRIED_TABLE, check_resumed, check_run_dir, is_finished
from seqconv.text import package_version
from seqconv.training.run.weight_transfer import Transfer
from seqconv.training.state.checkpoints import CHECKPOINTS, list_checkpoints
from seqconv.training.step.divergence import DivergenceError

HISTORY, MODEL, UNFINISHED = "history.csv", "model.keras", "unfinished.txt"
TRANSFER = "transfer.json"
INPUTS = (CONFIG, "versions.json", "splits.csv", "quarantine.csv", TRANSFER)
LOCK = ".lock"


def read_history(path: Path) -> pd.DataFrame:
    """Read the history of a run, as `Run.history` has it."""
    # From text, Python's own conversion reads back the exact number; the one of `read_csv` may miss the last digit.
    return pd.read_csv(path / HISTORY, dtype=object).astype(float).astype({"epoch": int})


def make_run_dir(run_dir: str | Path | None, name: str) -> Path:
    """Make the folder, `runs/NAME-TIME` unless one is given; two runs that start in one second get two folders."""
    if run_dir is not None:
        check_run_dir(run_dir)
        path = Path(run_dir)
        path.mkdir(parents=True, exist_ok=True)
        return path
    base = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    base.parent.mkdir(exist_ok=True)
    path, copy = base, 1
    while True:
        with suppress(FileExistsError):
            path.mkdir()
            return path
        copy += 1
        path = base.with_name(f"{base.name}-{copy}")


@contextmanager
def new_run_folder(run_dir: str | Path | None, name: str) -> Iterator[Path]:
    """Open the folder of a run that starts now; no other process may use it until it is closed.

    When the run fails before its first epoch ends or its state is saved, the folder is removed again; after that,
    `unfinished.txt` says what happened and what the folder holds.
    """
    existed = run_dir is not None and Path(run_dir).is_dir()
    path = make_run_dir(run_dir, name)
    with _locked(path):
        # Another process may have started a run here since the first check.
        check_run_dir(path)
        remove_leftovers(path)
        try:
            yield path
        except BaseException as error:
            if has_state(path):
                _say_unfinished(path, error)
            else:
                _take_back(path, keep=existed)
            raise


@contextmanager
def resumed_run_folder(run_dir: str | Path) -> Iterator[Path]:
    """Open the folder of a run that goes on; no other process may use it until it is closed.

    Raises:
        ConfigError: it holds no run, or another process works in it.
    """
    check_resumed(run_dir)
    path = Path(run_dir)
    with _locked(path):
        for folder in (path, path / CHECKPOINTS):
            remove_leftovers(folder)
        try:
            yield path
        except BaseException as error:
            is_refused = isinstance(error, ConfigError) and not isinstance(error, DivergenceError)
            if not is_refused and not is_finished(path):
                _say_unfinished(path, error)
            raise
        (path / UNFINISHED).unlink(missing_ok=True)


def has_state(path: Path) -> bool:
    """Whether a folder has what a run could not make again at once: an epoch, a checkpoint, or those of a member."""
    is_begun = (path / HISTORY).exists() or bool(list_checkpoints(path / CHECKPOINTS))
    return is_begun or any(map(has_state, (path / MEMBERS).glob("*")))


def _locked(path: Path) -> AbstractContextManager[None]:
    def refuse() -> NoReturn:
        raise ConfigError(f"run directory '{path}' is in use by another process. Wait for it, or choose another.")

    return hold_lock(path / LOCK, when_busy=refuse, is_temporary=True)


def program() -> str:
    """Return what starts a command: `seqconv` if that is found, else this Python."""
    return "seqconv" if shutil.which("seqconv") else f"{shlex.quote(sys.executable)} -m seqconv.cli.main"


def resume_command(path: Path) -> str:
    """Return the command that resumes the run of a folder."""
    return f"{program()} train --resume {shlex.quote(str(path))}"


def versions() -> dict[str, str]:
    """Return versions of the software that a run's numbers depend on."""
    backend = keras.backend.backend()
    names = ("keras", "tensorflow", backend, "numpy", "librosa", "pandas", "pyarrow", "scikit-learn")
    # Our own may be on the path without being installed.
    found = {"seqconv": package_version(), **{name: version(name) for name in names}}
    return {**found, "python": platform.python_version(), "backend": backend}


def write_inputs(config: Config, data: Datasets, path: Path, transfer: Transfer | None = None) -> None:
    """Write the inputs of a run, as they are now; the config first, from which all of them can be made again."""
    write_text(config.to_yaml(), path / CONFIG)
    write_text(json.dumps(versions(), indent=2) + "\n", path / "versions.json")
    if transfer is not None:
        write_text(json.dumps(transfer.to_dict(), indent=2) + "\n", path / TRANSFER)
    if data.splits is not None:
        write_text(data.splits.to_csv(index=False), path / "splits.csv")
    if data.quarantine:
        bad = pd.DataFrame(data.quarantine)
        write_text(bad.to_csv(index=False, lineterminator="\n"), path / "quarantine.csv")


def _say_unfinished(path: Path, error: BaseException) -> None:
    reason = str(error) or type(error).__name__
    what = f"{MODEL} is the best model up to then" if (path / MODEL).exists() else "no model was saved"
    lines = [f"This run did not finish: {reason}"]
    if isinstance(error, DivergenceError) and error.details:
        lines.append(error.details)
    if not (path / MEMBERS).is_dir():
        lines.append(f"{what}; {HISTORY} has a row for each epoch that ended.")
    if isinstance(error, DivergenceError):
        lines.append("A run that goes on from its last state comes to the same step: train again with other settings.")
    elif _can_go_on(path) and resume_command(path) not in reason:
        lines.append(f"Its state is saved. Go on with: {resume_command(path)}")
    with suppress(OSError):
        write_text("\n".join(lines) + "\n", path / UNFINISHED)


def _can_go_on(path: Path) -> bool:
    # A search does not go on.
    is_average = (path / MEMBERS).is_dir() and not (path / TRIED_TABLE).is_file()
    return is_average or bool(list_checkpoints(path / CHECKPOINTS))


def _take_back(path: Path, keep: bool) -> None:
    """Remove the files of a run that never began; anything else in the folder stays."""
    with suppress(OSError):
        files = [path / name for name in (*INPUTS, MODEL, LOCK)]
        for file in (*files, *sorted((path / "tensorboard").glob("*/events.*"))):
            file.unlink(missing_ok=True)
        shutil.rmtree(path / CHECKPOINTS, ignore_errors=True)
        inner = (path / MEMBERS, *sorted((path / "tensorboard").glob("*")), path / "tensorboard")
        for folder in (*inner, *([] if keep else [path])):
            if folder.is_dir():
                folder.rmdir()
