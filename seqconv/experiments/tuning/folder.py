"""The folder of a search: what is searched, the study, the runs of its trials, the best config."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from seqconv.config import Config, load_config
from seqconv.config.files import read_yaml, write_yaml
from seqconv.errors import ConfigError
from seqconv.experiments.tuning.space import Parameter, override, read_space
from seqconv.files import hold_lock, remove_leftovers, write_text

TUNING, STUDY, BEST, TRIALS, LOGS = "tuning.yaml", "study.db", "best.yaml", "trials.csv", "logs"
FORMAT_VERSION = 1
_LOCK = ".lock"


@dataclass(frozen=True)
class TuningFolder:
    """A search as its folder tells it.

    `num_trials`: after how many it is through; `prunes`: whether trials that fall behind are ended early.
    """

    path: Path
    config: Config
    space: Mapping[str, Any]
    num_trials: int
    prunes: bool
    parameters: list[Parameter] = field(repr=False, default_factory=list)

    def trial_path(self, number: int) -> Path:
        """Where the run of a trial lies."""
        return self.path / f"trial-{number:03}"

    def trial_config(self, values: Mapping[str, Any]) -> Config:
        """The config of a trial: what only serves readers is left out."""
        quick = {"evaluation.report": False, "evaluation.bootstrap": 0}
        return load_config(self.config, [override(key, value) for key, value in {**values, **quick}.items()])

    def best_config(self, values: Mapping[str, Any]) -> Config:
        """The config with these values, as it may be trained."""
        return load_config(self.config, [override(key, value) for key, value in values.items()])


def is_tuning(path: str | Path) -> bool:
    """Whether a folder is that of a search."""
    return (Path(path) / TUNING).is_file()


def write_tuning(folder: TuningFolder) -> None:
    """Write what is searched."""
    values = {
        "format_version": FORMAT_VERSION,
        "trials": folder.num_trials,
        "prunes": folder.prunes,
        "space": dict(folder.space),
        "config": folder.config.to_dict(),
    }
    write_text(write_yaml(values), folder.path / TUNING)


def read_tuning(path: str | Path) -> TuningFolder:
    """Read the folder of a search.

    Raises:
        ConfigError: it holds none, or one of a later version.
    """
    path = Path(path)
    if not is_tuning(path):
        what = "holds no search" if path.is_dir() else "is no folder"
        raise ConfigError(f"--resume {path}: it {what} ({TUNING} is missing). Start one with --config and --space.")
    values = read_yaml(path / TUNING)
    try:
        version = values["format_version"]
        if version != FORMAT_VERSION:
            raise ConfigError(
                f"{path / TUNING} has format {version}, this version of seqconv reads format {FORMAT_VERSION}. Go on "
                "with the version that wrote it."
            )
        config = load_config(values["config"])
        parameters = read_space(values["space"], config)
        return TuningFolder(path, config, values["space"], values["trials"], values["prunes"], parameters)
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path / TUNING} is damaged: {error!r}. Search again in another folder.") from error


@contextmanager
def own_tuning(path: Path) -> Iterator[None]:
    """Keep other processes out of a search while this one works in it.

    Raises:
        ConfigError: another process works in it.
    """

    def refuse() -> NoReturn:
        raise ConfigError(f"'{path}' is in use by another process. Wait for it, or choose another folder.")

    with hold_lock(path / _LOCK, when_busy=refuse, is_temporary=True):
        remove_leftovers(path)
        yield
