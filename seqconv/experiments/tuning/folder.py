"""The folder of a search: its space, the study, the runs of its trials, the best config."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqconv.config import Config
from seqconv.errors import ConfigError
from seqconv.experiments.folder import read_plan, write_plan
from seqconv.experiments.tuning.space import Parameter, read_space

TUNING, STUDY, BEST, TRIALS = "tuning.yaml", "study.db", "best.yaml", "trials.csv"


@dataclass(frozen=True)
class TuningFolder:
    """A search as its folder describes it.

    `num_trials`: after how many it is through; `prunes`: whether trials that fall behind are ended early.
    """

    path: Path
    config: Config
    space: Mapping[str, Any]
    num_trials: int
    prunes: bool
    parameters: list[Parameter] = field(repr=False, default_factory=list)

    def best_config(self, values: Mapping[str, Any]) -> Config:
        """Return the config with these values, ready for training."""
        return self.config.with_(values)


def write_tuning(search: TuningFolder) -> None:
    """Write the specification of a search."""
    values = {"trials": search.num_trials, "prunes": search.prunes, "space": dict(search.space)}
    write_plan(search.path / TUNING, search.config, **values)


def read_tuning(path: str | Path) -> TuningFolder:
    """Read the folder of a search.

    Raises:
        ConfigError: it holds none, or one of a later version.
    """
    path = Path(path)
    if not (path / TUNING).is_file():
        what = "holds no search" if path.is_dir() else "is no folder"
        raise ConfigError(f"--resume {path}: it {what} ({TUNING} is missing). Start one with --config and --space.")
    with read_plan(path / TUNING) as (config, values):
        parameters = read_space(values["space"], config)
        return TuningFolder(path, config, values["space"], values["trials"], values["prunes"], parameters)
