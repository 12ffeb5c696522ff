"""The content of a run folder, read back."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from seqconv.config import Config, load_config
from seqconv.errors import ConfigError, StoreError, list_some
from seqconv.files import is_address, local_path, name_of
from seqconv.files.mirror import download

# Raise it when `metrics.json` changes so that older versions cannot read it; older files do not have it.
SCORES_VERSION = 1
VERSION_KEY = "format_version"
LENGTHS = "lengths.csv"
CONFIG = "config.yaml"
MEMBERS, MEMBER_TABLE = "members", "members.json"
"""In the run of an average: the folder with the runs of its members, and what is said of each."""
TRIED_TABLE = "recipe.csv"
"""The table of what a search of recipe auto has tried."""

MODEL_FACTS = "model.json"
"""The last file of a run: if it exists, the run has finished."""


def check_run_dir(run_dir: str | Path | None) -> None:
    """Refuse a run directory with any files except those of a run that was killed before it began.

    Raises:
        ConfigError: it is a file, or not empty.
    """
    if run_dir is None:
        return
    if is_address(run_dir):
        raise ConfigError(
            f"run directory '{run_dir}' is an address, and runs are written to this machine. To have a copy there, "
            f"set training.copy_to to it."
        )
    path = Path(run_dir)
    if path.exists() and not path.is_dir():
        raise ConfigError(f"run directory '{path}' is a file. Choose another with --run-dir.")
    if path.is_dir() and any(not file.name.startswith(".") for file in path.iterdir()):
        is_open = (path / CONFIG).exists() and not is_finished(path)
        other = f", or go on with the run that it holds: --resume {path}" if is_open else "."
        raise ConfigError(f"run directory '{path}' exists and is not empty. Choose another with --run-dir{other}")


def is_finished(path: Path) -> bool:
    """Whether the run of a folder is trained and scored."""
    return (path / MODEL_FACTS).exists()


def bring_run(run_dir: str | Path) -> Path:
    """Return the folder of a run; of a copy at an address, a new folder in `runs/` on this machine.

    Raises:
        ConfigError: the address holds no copy of a run, or there is a folder of its name already.
        StorageError: the address cannot be reached.
    """
    if not is_address(run_dir):
        return Path(run_dir)
    path = Path("runs") / name_of(run_dir.rstrip("/"))
    if path.exists():
        raise ConfigError(
            f"--resume {run_dir}: it would be copied to '{path}', which exists. Go on with that folder (--resume "
            f"{path}), or, where the copy is newer, move the folder away first."
        )
    path.parent.mkdir(exist_ok=True)
    try:
        download(run_dir, path)
    except FileNotFoundError as error:
        raise ConfigError(f"--resume {error}. Start a run with --config.") from error
    return path


def check_resumed(run_dir: str | Path) -> None:
    """Refuse to go on with a folder that holds no run.

    Raises:
        ConfigError: it has no config, or does not exist, or is that of a search that was killed.
    """
    path = Path(run_dir)
    if not (path / CONFIG).is_file():
        what = "holds no run that has begun" if path.is_dir() else "is no folder"
        raise ConfigError(f"--resume {path}: it {what} ({CONFIG} is missing). Start one with --config.")
    if (path / TRIED_TABLE).is_file() and not is_finished(path):
        raise ConfigError(
            f"--resume {path}: it holds a search of recipe auto that was killed, and a search does not go on. Its best "
            f"model so far is whole: seqconv evaluate --model {path} scores it, and seqconv train --config "
            f"{path / CONFIG} trains it again. To search again, train in another folder."
        )


@dataclass(frozen=True)
class RunFolder:
    """A run as its folder describes it. Parts that a run has not written, because it did not finish, are empty.

    `metrics`: scores by split. `versions`: of the packages. `facts`: of the saved model. `unfinished`: why the run did
    not finish, None where it did.
    """

    path: Path
    config: Config
    metrics: dict[str, Any]
    versions: dict[str, str]
    facts: dict[str, Any]
    unfinished: str | None

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row for each epoch; none for an average, whose members have a history each."""
        return self._table("history.csv")

    @cached_property
    def members(self) -> list[dict[str, Any]]:
        """Name, folder, weight, parameters and scores by split of each member; empty for a run with one model."""
        path = self.path / MEMBER_TABLE
        return list(json.loads(path.read_text("utf-8"))) if path.is_file() else []

    @cached_property
    def splits(self) -> pd.DataFrame:
        """id and split of each recording; empty for a run on arrays in memory."""
        return self._table("splits.csv", dtype=str, keep_default_na=False)

    @cached_property
    def quarantine(self) -> pd.DataFrame:
        """Recordings that were left out because they cannot be read: id, path, reason."""
        return self._table("quarantine.csv", dtype=str, keep_default_na=False)

    @cached_property
    def lengths(self) -> pd.DataFrame:
        """id, split and num_frames of each sequence, if a report has stored them."""
        types = {"id": str, "split": str, "num_frames": int}
        found = self._table(LENGTHS, dtype=types, keep_default_na=False)
        return pd.DataFrame({name: [] for name in types}) if found.empty else found

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """The answers to one split; text for names, NaN if a frame has no label."""
        header = [str(name) for name in self._table("predictions.csv", nrows=0)]
        texts = {"id"} | (self.config.target.definition.text_columns & set(header))
        missing = {name: [""] for name in header if name not in texts}
        return self._table("predictions.csv", dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=missing)

    @cached_property
    def events(self) -> pd.DataFrame:
        """Events found in recordings of one split: id, start, end, label, score."""
        return self._table("events.csv", dtype={"id": str, "label": str}, keep_default_na=False)

    @cached_property
    def split(self) -> str | None:
        """The split of the predictions, found by its number of sequences and its loss; None if no split fits."""
        table = self.predictions
        if table.empty:
            return None
        labeled = table["loss"].dropna()
        for split in ("test", "valid", *self.metrics):
            scores = self.metrics.get(split)
            if scores is None or scores["num_sequences"] != table["id"].nunique():
                continue
            loss = scores.get("loss")
            if loss is None or abs(loss - labeled.mean()) <= 1e-6 * abs(loss) + 1e-12:
                return str(split)
        return None

    @property
    def scored_split(self) -> str | None:
        """The split that counts: test, or valid if there is no test."""
        return next((split for split in ("test", "valid", *self.metrics) if split in self.metrics), None)

    def _table(self, name: str, **options: Any) -> pd.DataFrame:
        path = self.path / name
        return pd.read_csv(path, **options) if path.is_file() else pd.DataFrame()


def read_run(path: str | Path) -> RunFolder:
    """Read a run folder.

    Raises:
        ConfigError: there is no run in this folder.
        StoreError: one of its files is damaged.
        StorageError: it is an address.
    """
    path = local_path(path)
    if not (path / "config.yaml").is_file():
        what = "holds no run: config.yaml is missing" if path.is_dir() else "is no folder"
        raise ConfigError(f"'{path}' {what}. Give the folder that training has written, runs/NAME-TIME for instance.")
    unfinished, remedy = path / "unfinished.txt", "Evaluate the model again, or remove it."
    return RunFolder(
        path=path,
        config=load_config(path / "config.yaml"),
        metrics=read_scores(path / "metrics.json"),
        versions=_read_json(path / "versions.json", "names and values", remedy),
        facts=_read_json(path / "model.json", "names and values", remedy),
        unfinished=unfinished.read_text(encoding="utf-8").strip() if unfinished.is_file() else None,
    )


def read_scores(path: Path) -> dict[str, Any]:
    """Read the scores in a `metrics.json` by split; none if there is no file.

    Raises:
        StoreError: it is damaged, or a later version of seqconv wrote it.
    """
    remedy = "Move it away, or choose another output folder."
    scores = _read_json(path, "scores by split", remedy)
    version = scores.pop(VERSION_KEY, 0)
    if not isinstance(version, int) or not 0 <= version <= SCORES_VERSION:
        raise StoreError(
            f"{path}: has {VERSION_KEY} {version!r:.40}, and this version of seqconv reads up to {SCORES_VERSION}. "
            f"Install a later one. {remedy}"
        )
    wrong = [name for name, values in scores.items() if not isinstance(values, dict)]
    if wrong:
        raise StoreError(f"{path}: does not hold scores by split: {list_some(wrong)} has none. {remedy}")
    return scores


def _read_json(path: Path, content: str, remedy: str) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: not readable as JSON ({error}). {remedy}") from error
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error.strerror}). {remedy}") from error
    if not isinstance(values, dict):
        raise StoreError(f"{path}: does not hold {content}, but a {type(values).__name__}. {remedy}")
    return values
