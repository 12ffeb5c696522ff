"""`tune`: trials one after the other, each a run that is scored on valid alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.markup import escape

from seqconv.config import Config
from seqconv.data.datasets import Datasets, load_datasets
from seqconv.data.sequences import Sequences
from seqconv.data.spec import DataSpec
from seqconv.errors import ConfigError, SeqconvError
from seqconv.experiments.folder import LOGS, own_folder
from seqconv.experiments.loop import Attempt, Runs, failed_line, reason_of
from seqconv.experiments.run_specs import check_repeatable, short_keys
from seqconv.experiments.tuning.folder import TuningFolder, read_tuning, write_tuning
from seqconv.experiments.tuning.results import describe, describe_values, print_best, trial_table, write_results
from seqconv.experiments.tuning.space import read_space
from seqconv.experiments.tuning.study import Study
from seqconv.reports.tables import number
from seqconv.training.output.report import make_console
from seqconv.training.run.run_dir import make_run_dir, read_history
from seqconv.training.run.single import Load
from seqconv.training.run.train import as_config
from seqconv.training.state.checkpointing import remove_checkpoints

if TYPE_CHECKING:
    import optuna

TRIALS_THAT_MAY_FAIL = 5
"""Number of failed trials after which the search ends, if none has succeeded: something is wrong with all of them."""
# What only serves readers is left out of trials.
_QUICK = {"evaluation.report": False, "evaluation.bootstrap": 0}


@dataclass(frozen=True)
class Tuning:
    """A finished search.

    `path`: its folder. `best`: the best values by key. `value`: what they reached on valid. `trials`: a row for each
    trial. `config`: the config with the best values, as `best.yaml` has it.
    """

    path: Path
    best: dict[str, Any]
    value: float
    trials: pd.DataFrame
    config: Config

    def __repr__(self) -> str:
        return f"<search in {self.path}: {len(self.trials)} trials, best {self.config.monitor} {self.value:.4f}>"


class Pruned(SeqconvError):  # noqa: N818
    """A trial that was ended because it is worse than the others."""


def tune(
    config: Config | Mapping[str, Any] | str | Path,
    space: str | Path | Mapping[str, Any],
    folder: str | Path | None = None,
    *,
    trials: int = 30,
    prune: bool = True,
    data: Mapping[str, Sequences] | None = None,
) -> Tuning:
    """Search for the settings with the best monitored value on valid; the test split is not scored.

    Args:
        config: the settings that the search leaves as they are; a config, a path to a YAML file, or a dict.
        space: settings by dotted key, each with choices (`[32, 64]`) or a range (`{low: 1e-4, high: 1e-2, log: true}`);
            a dict, or a YAML file with it.
        folder: where to write; default `runs/NAME-tuning-TIME`. It must be empty or not exist.
        trials: how many.
        prune: end a trial early if its monitored value is worse than the median of the others at the same epoch.
        data: sequences in memory as `train_data` and `valid_data`, instead of a manifest.

    Raises:
        ConfigError, ManifestError: before any trial: an impossible space, data that cannot be read; and when the
            first trials all fail.
    """
    check_optuna()
    if trials < 1:
        raise ConfigError(f"trials={trials}: a search has one trial at least.")
    data = data or {}
    config = as_config(config, data.get("train_data"))
    check_repeatable(config)
    if config.members:
        raise ConfigError(
            "trials are compared epoch by epoch, and an average (members) has no epochs of its own. Search for the "
            "settings of one member: a config with its keys, and without members."
        )
    known = read_space(space, config)
    load = partial(_without_test, data)
    # What is wrong with the data is wrong in all trials: said before there is a folder. Features are extracted here.
    load(config.data_spec)
    path = make_run_dir(folder, f"{config.name}-tuning")
    search = TuningFolder(path, config, known, trials, prune)
    with own_folder(path):
        write_tuning(search)
        return _work(search, load)


def resume_tuning(
    folder: str | Path, *, trials: int | None = None, data: Mapping[str, Sequences] | None = None
) -> Tuning:
    """Go on with a search that was stopped or killed, or add trials to it.

    The trial that was interrupted goes on where its run was. What comes out is what would have come out without the
    interruption.

    Args:
        folder: of the search.
        trials: how many there are in all; default: as many as were planned.
        data: for a search on sequences in memory, the same ones again.

    Raises:
        ConfigError: there is no search, or another process works in it.
    """
    check_optuna()
    search = read_tuning(folder)
    with own_folder(search.path):
        if trials is not None and trials != search.num_trials:
            search = replace(search, num_trials=trials)
            write_tuning(search)
        return _work(search, partial(_without_test, data or {}))


def check_optuna() -> None:
    """Check that Optuna is installed.

    Raises:
        ConfigError: it is not.
    """
    if find_spec("optuna") is None:
        raise ConfigError("a search needs Optuna, which is not installed. Install it with: pip install 'seqconv[tune]'")


def _without_test(data: Mapping[str, Any], spec: DataSpec) -> Datasets:
    """Return the sequences of a trial, without the test split: settings must not be chosen on it."""
    loaded = load_datasets(spec, **data)
    if loaded.valid is None:
        raise ConfigError("split.valid is 0, but trials are compared on valid. Set it above 0 for the search.")
    return replace(loaded, test=None)


def _work(search: TuningFolder, load: Load) -> Tuning:
    study, config = Study(search), search.config
    done, count = len(study.trials), max(search.num_trials, len(study.trials))
    way = "largest" if config.monitor_mode == "max" else "smallest"
    pruning = ", bad ones are ended early" if search.prunes else ""
    names = short_keys(list(search.space))
    facts = [("search", f"{search.num_trials} trials for the {way} {config.monitor}{pruning}; test is not scored")]
    facts += [(names[key], describe(values)) for key, values in search.space.items()]
    runs = Runs(search.path, "search", "tune", load, make_console())
    runs.describe(facts, done, count)
    epochs = (count - done) * config.training.epochs
    runs.train(_attempts(search, study, count - done), done=done, count=count, epochs=epochs)
    best = study.best
    if best is None:
        raise ConfigError(
            f"none of the {len(study.trials)} trials has come to its end, so that there is no best one: see "
            f"{search.path / LOGS}. Add trials with --resume {search.path} --trials N, or search another space."
        )
    write_results(search, study)
    print_best(search, study, runs.console)
    values = study.values_of(best)
    return Tuning(search.path, values, float(best.value or 0), trial_table(search, study), config.with_(values))


def _attempts(search: TuningFolder, study: Study, count: int) -> Iterator[Attempt]:
    for _ in range(count):
        trial = study.next_trial()
        name, values = f"trial-{trial.number:03}", study.suggest(trial)
        settle = partial(_settle, search, study, trial, search.path / name)
        watch = partial(_watch, search.config.monitor, trial)
        yield Attempt(name, search.config, settle, list({**values, **_QUICK}.items()), watch)
        write_results(search, study)
        states = {each.state.name for each in study.trials}
        if len(study.trials) >= TRIALS_THAT_MAY_FAIL and states == {"FAIL"}:
            reason = study.reason_of(study.trials[-1])
            raise ConfigError(f"all {len(study.trials)} trials have failed, the last one with: {reason}")


def _watch(monitor: str, trial: "optuna.Trial", epoch: int, value: float, is_last: bool) -> None:
    """Report an epoch to the study, and end a trial that is worse than others."""
    # A trial that goes on may do an epoch again that the study knows.
    if epoch not in trial.study._storage.get_trial(trial._trial_id).intermediate_values:
        trial.report(value, epoch)
    # After its last epoch, a trial has cost all that it costs.
    if not is_last and trial.should_prune():
        raise Pruned(f"pruned after epoch {epoch}: {monitor} {value:.4f} is worse than that of other trials")


def _settle(search: TuningFolder, study: Study, trial: "optuna.Trial", path: Path, error: Exception | None) -> str:
    """Note in the study how a trial has ended, and return the line about it."""
    values, monitor = escape(describe_values(study.values_of(trial))), search.config.monitor
    if isinstance(error, Pruned):
        # Nobody goes on with it: its checkpoints only take room.
        remove_checkpoints(path)
        study.end(trial, "PRUNED")
        return f"[dim]{str(error).partition(':')[0]}[/]  {values}"
    history = read_history(path) if error is None else pd.DataFrame()
    scores = history[monitor].dropna().tolist() if monitor in history else []
    if not scores:
        reason = f"{monitor} is undefined in every epoch" if error is None else reason_of(error)
        study.end(trial, "FAIL", reason=reason)
        return f"{failed_line(reason)}  {values}"
    study.end(trial, "COMPLETE", (max if search.config.monitor_mode == "max" else min)(scores))
    mark = "  [green]best[/]" if study.best is not None and study.best.number == trial.number else ""
    return f"{monitor} {number(study.trials[-1].value)}  {values}{mark}"
