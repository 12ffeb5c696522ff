"""Folders of several runs: what they are made of, one process that works in them, and a sweep read back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from seqconv.config import Config, load_config
from seqconv.config.files import read_yaml, write_yaml
from seqconv.errors import ConfigError
from seqconv.experiments.run_specs import Grid, RunSpec, make_specs
from seqconv.files import hold_lock, remove_leftovers, write_text

SWEEP, LOGS = "sweep.yaml", "logs"
FORMAT_VERSION = 1
_LOCK = ".lock"


def write_plan(path: Path, config: Config, **values: Any) -> None:
    """Write what several runs are made of: `values`, and the config that they share."""
    write_text(write_yaml({"format_version": FORMAT_VERSION, **values, "config": config.to_dict()}), path)


@contextmanager
def read_plan(path: Path) -> Iterator[tuple[Config, dict[str, Any]]]:
    """Give the block what `write_plan` has written; an error of the block is reported as damage of the file.

    Raises:
        ConfigError: another format, or a damaged file.
    """
    try:
        values = read_yaml(path)
        version = values["format_version"]
        if version != FORMAT_VERSION:
            raise ConfigError(
                f"{path} has format {version}, this version of seqconv reads format {FORMAT_VERSION}. Go on with the "
                "version that wrote it."
            )
        yield load_config(values["config"]), values
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is damaged: {error!r}. Begin again in another folder.") from error


@contextmanager
def own_folder(path: Path) -> Iterator[None]:
    """Keep other processes out of a folder of several runs while this one works in it.

    Raises:
        ConfigError: another process works in it.
    """

    def refuse() -> NoReturn:
        raise ConfigError(f"'{path}' is in use by another process. Wait for it, or choose another folder.")

    with hold_lock(path / _LOCK, when_busy=refuse, is_temporary=True):
        remove_leftovers(path)
        yield


@dataclass(frozen=True)
class SweepFolder:
    """A sweep as its folder describes it: the config that all runs share, and what differs."""

    path: Path
    config: Config
    grid: Grid
    specs: list[RunSpec] = field(repr=False)

    def run_path(self, spec: RunSpec) -> Path:
        """Folder of a run."""
        return self.path / spec.name

    def has_finished(self, spec: RunSpec) -> bool:
        """Whether a run is trained and scored."""
        return (self.run_path(spec) / "model.json").is_file()


def is_sweep(path: str | Path) -> bool:
    """Whether a folder is that of a sweep."""
    return (Path(path) / SWEEP).is_file()


def write_sweep(path: Path, config: Config, grid: Grid) -> SweepFolder:
    """Write what a sweep is made of.

    Raises:
        ConfigError: one of its settings cannot be.
    """
    specs = make_specs(config, grid)
    write_plan(path / SWEEP, config, folds=grid.folds, seeds=grid.seeds, sweeps=dict(grid.sweeps))
    return SweepFolder(path, config, grid, specs)


def read_sweep(path: str | Path) -> SweepFolder:
    """Read the folder of a sweep.

    Raises:
        ConfigError: it holds none, or one of a later version.
    """
    path = Path(path)
    if not is_sweep(path):
        raise ConfigError(f"'{path}' holds no sweep: {SWEEP} is missing.")
    with read_plan(path / SWEEP) as (config, values):
        sweeps = {key: tuple(each) for key, each in values["sweeps"].items()}
        grid = Grid(tuple(values["folds"]), tuple(values["seeds"]), sweeps)
    return SweepFolder(path, config, grid, make_specs(config, grid))
