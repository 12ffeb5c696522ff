"""Train the runs of a series one after the other, each as if it were alone."""

import signal
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import keras
from rich.console import Console

from seqconv.config import Config, load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, SeqconvError
from seqconv.experiments.display import EpochListener, failed_line, finished_line, print_facts, print_summary
from seqconv.experiments.folder import LOGS, SeriesFolder, has_finished, own_series, read_series, write_series
from seqconv.experiments.progress import RunsProgress
from seqconv.experiments.run_specs import Grid, RunSpec, make_members
from seqconv.experiments.summary import summarize, write_summary
from seqconv.reports.folder import read_run
from seqconv.training.output.report import make_console
from seqconv.training.run.identity import is_place
from seqconv.training.run.run_dir import CONFIG, make_run_dir, resume_command
from seqconv.training.run.train import Load, as_config, begin, go_on
from seqconv.training.state.checkpointing import remove_checkpoints
from seqconv.training.state.interrupts import RunStopped

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sweep:
    """A series of runs that is through.

    `path`: its folder. `summary`: a row for each setting and score: runs, mean, deviation, interval (low, high), and
    the score over all test predictions. `members`: a row for each run. `failures`: why runs have failed, by name.
    """

    path: Path
    summary: "pd.DataFrame"
    members: "pd.DataFrame"
    failures: Mapping[str, str]

    def __repr__(self) -> str:
        states = self.members["state"].value_counts()
        told = ", ".join(f"{count} {state}" for state, count in states.items())
        return f"<series in {self.path}: {told}>"

    def _repr_html_(self) -> str:
        from seqconv.reports.notebook import table_html

        return table_html(self.summary, repr(self).strip("<>").capitalize())


def train_series(
    config: Config | Mapping[str, Any] | str | Path,
    folder: str | Path | None = None,
    *,
    folds: Iterable[int] = (),
    seeds: Iterable[int] = (),
    sweeps: Mapping[str, Sequence[Any]] | None = None,
    data: Mapping[str, Sequences] | None = None,
) -> Sweep:
    """Train all combinations of folds, seeds and settings, and sum them up.

    Each run is the same, bit for bit, as if it had been trained alone with its config. A run that fails is named in
    `failures`; the others go on. All runs share the cut into splits, of `split.seed` or the config's own seed.

    Args:
        config: what all runs share; a config, a path to a YAML file, or a dict.
        folder: where to write; default `runs/NAME-TIME`. It must be empty or not exist. Each run has a folder in it.
        folds: folds that are test in turn; `split.folds` or the column `fold` of the manifest makes them.
        seeds: of weights, dropout and order.
        sweeps: values to try, by dotted key: `{"training.learning_rate": [3e-4, 1e-3]}`.
        data: sequences in memory as `train_data`, `valid_data` and `test_data`, instead of a manifest.

    Raises:
        ConfigError, ManifestError: before any training: a setting that cannot be, data that cannot be read.
    """
    given: Any = dict(data or {})
    config = as_config(config, given.get("train_data"))
    grid = Grid(tuple(folds), tuple(seeds), {key: tuple(values) for key, values in (sweeps or {}).items()})
    load: Load = partial(load_datasets, **given)
    members = make_members(config, grid)
    # What is wrong with the data is wrong in all runs: said before there is a folder. Features are extracted here.
    load(members[0].config.data_spec)
    path = make_run_dir(folder, config.name)
    with own_series(path):
        return _work(write_series(path, config, grid), load, make_console())


def resume_series(
    folder: str | Path, overrides: Sequence[str] = (), *, data: Mapping[str, Sequences] | None = None
) -> Sweep:
    """Go on with the runs of a series that have not finished, have failed, or are missing; then sum all up.

    What comes out is what would have come out without the interruption.

    Args:
        folder: of the series.
        overrides: of where things lie and what computes, as for `resume`.
        data: for a series on sequences in memory, the same ones again.

    Raises:
        ConfigError: no series lies there, another process works in it, or an override is of something else.
    """
    others = [text for text in overrides if not is_place(text.partition("=")[0].strip())]
    if others:
        raise ConfigError(
            f"--set {others[0]}: the runs of a series share their config. Only paths and the device may "
            "change; for other settings, train again in another folder."
        )
    series = read_series(folder)
    with own_series(series.path):
        return _work(series, partial(load_datasets, **cast(Any, data or {})), make_console(), overrides)


def _work(series: SeriesFolder, load: Load, console: Console, overrides: Sequence[str] = ()) -> Sweep:
    todo = [member for member in series.members if not has_finished(series.run_path(member))]
    for member in series.members:
        if member not in todo:
            # A process that was killed as a run ended has left them.
            remove_checkpoints(series.run_path(member))
    bar = RunsProgress(
        console,
        count=len(series.members),
        done=len(series.members) - len(todo),
        epochs=sum(member.config.training.epochs for member in todo),
    )
    print_facts(series, len(series.members) - len(todo), console)
    width = max(len(member.name) for member in series.members)
    failures: dict[str, str] = {}
    with bar.shown():
        for member in todo:
            bar.begin(member.name, member.config.training.epochs)
            try:
                _train_member(series, member, load, bar, overrides)
            except KeyboardInterrupt as stop:
                raise _stopped(series, member, stop) from None
            except Exception as error:
                failures[member.name] = str(error).strip() or type(error).__name__
                told = failed_line(failures[member.name])
            else:
                told = finished_line(read_run(series.run_path(member)))
            bar.line(told, name=f"{member.name:<{width}}")
    summary = summarize(series, failures)
    write_summary(summary, series)
    print_summary(summary, series, console)
    return Sweep(series.path, summary.rows, summary.members, failures)


def _train_member(
    series: SeriesFolder, member: RunSpec, load: Load, bar: RunsProgress, overrides: Sequence[str]
) -> None:
    """Train one run, or go on with it; what it says goes into a file."""
    path, log = series.run_path(member), series.path / LOGS / f"{member.name}.txt"
    log.parent.mkdir(exist_ok=True)
    # Layers are named by a count that goes on from model to model: each run begins as the first of its process.
    keras.utils.clear_session()
    with log.open("a", encoding="utf-8") as file:
        console = Console(file=file, width=100, soft_wrap=True, color_system=None)
        ears = [EpochListener(bar, member.config.monitor)]
        try:
            if (path / CONFIG).is_file():
                go_on(path, overrides, load, ears, console)
            else:
                begin(load_config(member.config, overrides), path, load, ears, console)
        except Exception as error:
            file.write(str(error) if isinstance(error, SeqconvError) else traceback.format_exc())
            raise


def _stopped(series: SeriesFolder, member: RunSpec, stop: KeyboardInterrupt) -> RunStopped:
    number = getattr(stop, "signal", signal.SIGINT)
    place = series.members.index(member) + 1
    return RunStopped(
        number,
        f"{signal.Signals(number).name} stopped the series in run {place} of {len(series.members)}, {member.name}; "
        f"what was trained is kept. Go on with: {resume_command(series.path)}",
    )
