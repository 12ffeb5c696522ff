"""The folder of a series: what it is made of, and what each of its runs has come to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from seqconv.config import Config, load_config
from seqconv.config.files import read_yaml, write_yaml
from seqconv.errors import ConfigError
from seqconv.experiments.run_specs import Grid, RunSpec, make_members
from seqconv.files import hold_lock, remove_leftovers, write_text

if TYPE_CHECKING:
    from seqconv.reports.folder import RunFolder

SERIES = "series.yaml"
LOGS = "logs"
FORMAT_VERSION = 1
_LOCK = ".lock"


@dataclass(frozen=True)
class SeriesFolder:
    """A series as its folder tells it: the config that all runs share, and what differs."""

    path: Path
    config: Config
    grid: Grid
    members: list[RunSpec] = field(repr=False)

    def run_path(self, member: RunSpec) -> Path:
        """Where the run of a member lies."""
        return self.path / member.name

    def read_finished(self) -> "dict[str, RunFolder]":
        """The runs that are trained and scored, by name."""
        from seqconv.reports.folder import read_run

        paths = {member.name: self.run_path(member) for member in self.members}
        return {name: read_run(path) for name, path in paths.items() if has_finished(path)}


def has_finished(path: Path) -> bool:
    """Whether the run of a folder is trained and scored."""
    return (path / "model.json").is_file()


def is_series(path: str | Path) -> bool:
    """Whether a folder is that of a series."""
    return (Path(path) / SERIES).is_file()


def write_series(path: Path, config: Config, grid: Grid) -> SeriesFolder:
    """Write what a series is made of.

    Raises:
        ConfigError: one of its settings cannot be.
    """
    members = make_members(config, grid)
    values: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "folds": list(grid.folds),
        "seeds": list(grid.seeds),
        "sweeps": {key: list(each) for key, each in grid.sweeps.items()},
        "config": config.to_dict(),
    }
    write_text(write_yaml(values), path / SERIES)
    return SeriesFolder(path, config, grid, members)


def read_series(path: str | Path) -> SeriesFolder:
    """Read the folder of a series.

    Raises:
        ConfigError: it holds none, or one of a later version.
    """
    path = Path(path)
    if not is_series(path):
        raise ConfigError(f"'{path}' holds no series of runs: {SERIES} is missing.")
    values = read_yaml(path / SERIES)
    try:
        version = values["format_version"]
        if version != FORMAT_VERSION:
            raise ConfigError(
                f"{path / SERIES} has format {version}, this version of seqconv reads format {FORMAT_VERSION}. Go on "
                "with the version that wrote it."
            )
        sweeps = {key: tuple(each) for key, each in values["sweeps"].items()}
        grid = Grid(tuple(values["folds"]), tuple(values["seeds"]), sweeps)
        config = load_config(values["config"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path / SERIES} is damaged: {error!r}. Train again in another folder.") from error
    return SeriesFolder(path, config, grid, make_members(config, grid))


@contextmanager
def own_series(path: Path) -> Iterator[None]:
    """Keep other processes out of a series while this one works in it.

    Raises:
        ConfigError: another process works in it.
    """

    def refuse() -> NoReturn:
        raise ConfigError(f"'{path}' is in use by another process. Wait for it, or choose another folder.")

    with hold_lock(path / _LOCK, when_busy=refuse, is_temporary=True):
        remove_leftovers(path)
        yield
