"""The folder of a search: its space, the study, the runs of its trials, the best config."""

from dataclasses import dataclass
from pathlib import Path

from seqconv.config import Config
from seqconv.errors import ConfigError
from seqconv.experiments.folder import read_plan, write_plan
from seqconv.experiments.tuning.space import Space, read_space

TUNING, STUDY, BEST, TRIALS = "tuning.yaml", "study.db", "best.yaml", "trials.csv"


@dataclass(frozen=True)
class TuningFolder:
    """A search as its folder describes it.

    `num_trials`: the number after which it ends; `prunes`: whether trials that are worse than others are ended early.
    """

    path: Path
    config: Config
    space: Space
    num_trials: int
    prunes: bool


def write_tuning(search: TuningFolder) -> None:
    """Write the specification of a search."""
    space = {key: values.model_dump(exclude_defaults=True) for key, values in search.space.items()}
    write_plan(search.path / TUNING, search.config, trials=search.num_trials, prunes=search.prunes, space=space)


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
        return TuningFolder(path, config, read_space(values["space"], config), values["trials"], values["prunes"])
