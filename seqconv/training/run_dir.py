"""The folder of a run: one run each, and never the look of a whole run where one has failed."""

import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import keras

from seqconv.errors import ConfigError
from seqconv.files import write_text
from seqconv.training.experiment import Experiment
from seqconv.training.files import write_csv

INPUTS = ("config.yaml", "versions.json", "splits.csv", "quarantine.csv")
HISTORY, MODEL, UNFINISHED = "history.csv", "model.keras", "unfinished.txt"


def check_run_dir(run_dir: str | Path | None) -> None:
    """Refuse a run directory that holds anything.

    Raises:
        ConfigError: it is a file, or not empty.
    """
    if run_dir is None:
        return
    path = Path(run_dir)
    if path.exists() and not path.is_dir():
        raise ConfigError(f"run directory '{path}' is a file. Choose another with --run-dir.")
    if path.is_dir() and any(path.iterdir()):
        raise ConfigError(f"run directory '{path}' exists and is not empty. Choose another with --run-dir.")


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
def run_folder(run_dir: str | Path | None, experiment: Experiment) -> Iterator[Path]:
    """The folder of a run that starts now, its inputs written.

    When the run fails or is interrupted before its first epoch ends, the folder is removed again; after that,
    `unfinished.txt` says what happened and what the folder holds.
    """
    existed = run_dir is not None and Path(run_dir).is_dir()
    path = make_run_dir(run_dir, experiment.config.name)
    try:
        _write_inputs(experiment, path)
        yield path
    except BaseException as error:
        if (path / HISTORY).exists():
            _say_unfinished(path, error)
        else:
            _take_back(path, keep=existed)
        raise


def versions() -> dict[str, str]:
    """Versions of what a run's numbers depend on."""
    backend = keras.backend.backend()
    names = ("seqconv", "keras", "tensorflow", backend, "numpy", "librosa", "pandas", "pyarrow", "scikit-learn")
    found = {name: version(name) for name in names}
    return {**found, "python": platform.python_version(), "backend": backend}


def _write_inputs(experiment: Experiment, path: Path) -> None:
    write_text(experiment.config.to_yaml(), path / "config.yaml")
    write_text(json.dumps(versions(), indent=2) + "\n", path / "versions.json")
    splits = experiment.data.splits
    if splits is not None:
        write_text(splits.to_csv(index=False), path / "splits.csv")
    bad = [file._asdict() for file in experiment.data.quarantine]
    if bad:
        write_csv(path / "quarantine.csv", list(bad[0]), bad)


def _say_unfinished(path: Path, error: BaseException) -> None:
    reason = str(error) or type(error).__name__
    what = f"{MODEL} is the best model up to then" if (path / MODEL).exists() else "no model was saved"
    text = f"This run did not finish: {reason}\n{what}; {HISTORY} has a row for each epoch that ended.\n"
    with suppress(OSError):
        write_text(text, path / UNFINISHED)


def _take_back(path: Path, keep: bool) -> None:
    """Remove what a run that never got anywhere has written; anything else in the folder stays."""
    with suppress(OSError):
        for file in [path / name for name in (*INPUTS, MODEL)] + sorted((path / "tensorboard").glob("*/events.*")):
            file.unlink(missing_ok=True)
        for folder in (*sorted((path / "tensorboard").glob("*")), path / "tensorboard", *([] if keep else [path])):
            if folder.is_dir():
                folder.rmdir()
