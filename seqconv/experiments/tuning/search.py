"""`tune`: trials one after the other, each a run that is scored on valid alone."""

import signal
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
from rich.console import Console

from seqconv.config import Config
from seqconv.data.datasets import Datasets, load_datasets
from seqconv.data.sequences import Sequences
from seqconv.data.spec import DataSpec
from seqconv.errors import ConfigError, SeqconvError
from seqconv.experiments.progress import RunsProgress
from seqconv.experiments.tuning.display import failed_line, finished_line, print_best, print_facts, pruned_line
from seqconv.experiments.tuning.folder import LOGS, TuningFolder, own_tuning, read_tuning, write_tuning
from seqconv.experiments.tuning.results import trial_table, write_results
from seqconv.experiments.tuning.space import read_space
from seqconv.experiments.tuning.study import Study
from seqconv.training.output.report import make_console
from seqconv.training.run.run_dir import CONFIG, make_run_dir, read_history
from seqconv.training.run.train import Load, as_config, begin, go_on
from seqconv.training.state.checkpointing import remove_checkpoints
from seqconv.training.state.interrupts import RunStopped

if TYPE_CHECKING:
    import optuna
    import pandas as pd

TRIALS_THAT_MAY_FAIL = 5
"""When as many trials have failed, and none has not, the search ends: something is wrong with all of them."""


@dataclass(frozen=True)
class Tuning:
    """A search that is through.

    `path`: its folder. `best`: the best values by key. `value`: what they reached on valid. `trials`: a row for each
    trial. `config`: the config with the best values, as `best.yaml` has it.
    """

    path: Path
    best: dict[str, Any]
    value: float
    trials: "pd.DataFrame"
    config: Config

    def __repr__(self) -> str:
        return f"<search in {self.path}: {len(self.trials)} trials, best {self.config.monitor} {self.value:.4f}>"


class Pruned(Exception):  # noqa: N818
    """A trial falls behind the others and is ended."""


class TrialEar(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells the study of each epoch, and ends a trial that falls behind."""

    def __init__(self, trial: "optuna.Trial", monitor: str, bar: RunsProgress) -> None:
        super().__init__()
        self._trial, self._monitor, self._bar = trial, monitor, bar

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        value = (logs or {}).get(self._monitor)
        if not isinstance(value, float):
            self._bar.epoch("")
            return
        self._bar.epoch(f"{self._monitor} {value:.4f}")
        storage, identity = self._trial.study._storage, self._trial._trial_id
        # A trial that goes on may do an epoch again that the study knows.
        if epoch + 1 not in storage.get_trial(identity).intermediate_values:
            self._trial.report(value, epoch + 1)
        # After its last epoch, a trial has cost all that it costs.
        if epoch + 1 < self.params["epochs"] and self._trial.should_prune():
            raise Pruned(
                f"pruned after epoch {epoch + 1}: {self._monitor} {value:.4f} is worse than that of other trials"
            )


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
        config: what is searched around; a config, a path to a YAML file, or a dict.
        space: settings by dotted key, each with choices (`[32, 64]`) or a range (`{low: 1e-4, high: 1e-2, log: true}`);
            a dict, or a YAML file with it.
        folder: where to write; default `runs/NAME-tuning-TIME`. It must be empty or not exist.
        trials: how many.
        prune: end trials early whose monitored value is below the median of the others at the same epoch.
        data: sequences in memory as `train_data` and `valid_data`, instead of a manifest.

    Raises:
        ConfigError, ManifestError: before any trial: a space that cannot be, data that cannot be read; and when the
            first trials all fail.
    """
    check_optuna()
    if trials < 1:
        raise ConfigError(f"trials={trials}: a search has one trial at least.")
    data = dict(data or {})
    config = as_config(config, data.get("train_data"))
    parameters = read_space(space, config)
    load = partial(_without_test, data)
    # What is wrong with the data is wrong in all trials: said before there is a folder. Features are extracted here.
    load(config.data_spec)
    path = make_run_dir(folder, f"{config.name}-tuning")
    written = _written(space)
    search = TuningFolder(path, config, written, trials, prune, parameters)
    with own_tuning(path):
        write_tuning(search)
        return _work(search, load, make_console())


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
        ConfigError: no search lies there, or another process works in it.
    """
    check_optuna()
    search = read_tuning(folder)
    with own_tuning(search.path):
        if trials is not None and trials != search.num_trials:
            search = replace(search, num_trials=trials)
            write_tuning(search)
        return _work(search, partial(_without_test, dict(data or {})), make_console())


def check_optuna() -> None:
    """Whether Optuna is installed.

    Raises:
        ConfigError: it is not.
    """
    if find_spec("optuna") is None:
        raise ConfigError("a search needs Optuna, which is not installed. Install it with: pip install 'seqconv[tune]'")


def _without_test(data: Mapping[str, Sequences], spec: DataSpec) -> Datasets:
    """The sequences of a trial: what is tested in the end is not looked at while settings are chosen."""
    loaded = load_datasets(spec, **data)
    if loaded.valid is None:
        raise ConfigError("split.valid is 0, but trials are compared on valid. Set it above 0 for the search.")
    return replace(loaded, test=None)


def _written(space: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    from seqconv.config.files import read_yaml

    return dict(space) if isinstance(space, Mapping) else dict(read_yaml(Path(space)))


def _work(search: TuningFolder, load: Load, console: Console) -> Tuning:
    study = Study(search)
    done = len(study.trials)
    left = max(0, search.num_trials - done)
    print_facts(search, done, console)
    bar = RunsProgress(console, count=search.num_trials, done=done, epochs=left * search.config.training.epochs)
    with bar.shown():
        for _ in range(left):
            trial = study.next_trial()
            bar.begin(f"trial {trial.number}", search.config.training.epochs)
            values = study.suggest(trial)
            try:
                told = _try(search, study, trial, values, load, bar)
            except KeyboardInterrupt as stop:
                raise _stopped(search, trial.number, stop) from None
            bar.line(told, name=f"trial {trial.number}")
            write_results(search, study)
            _check_that_some_succeed(study)
    best = study.best
    if best is None:
        raise ConfigError(
            f"none of the {len(study.trials)} trials has come to its end, so that there is no best one: see "
            f"{search.path / LOGS}. Add trials with --resume {search.path} --trials N, or search another space."
        )
    write_results(search, study)
    print_best(search, study, console)
    values = study.values_of(best)
    return Tuning(search.path, values, float(best.value or 0), trial_table(search, study), search.best_config(values))


def _try(
    search: TuningFolder, study: Study, trial: "optuna.Trial", values: Mapping[str, Any], load: Load, bar: RunsProgress
) -> str:
    """Train one trial, or go on with it, and tell the study; returns the line about it."""
    path, log = search.trial_path(trial.number), search.path / LOGS / f"{search.trial_path(trial.number).name}.txt"
    log.parent.mkdir(exist_ok=True)
    keras.utils.clear_session()
    monitor = search.config.monitor
    with log.open("a", encoding="utf-8") as file:
        console = Console(file=file, width=100, soft_wrap=True, color_system=None)
        ears = [TrialEar(trial, monitor, bar)]
        try:
            if (path / CONFIG).is_file():
                go_on(path, (), load, ears, console)
            else:
                begin(search.trial_config(values), path, load, ears, console)
        except Pruned as pruned:
            # Nobody goes on with it: what it needs for that only takes room.
            remove_checkpoints(path)
            study.prune(trial)
            return pruned_line(str(pruned), values)
        except Exception as error:
            reason = str(error).strip() or type(error).__name__
            file.write(str(error) if isinstance(error, SeqconvError) else traceback.format_exc())
            study.fail(trial, reason)
            return failed_line(reason, values)
    history = read_history(path)
    scores = history[monitor].dropna() if monitor in history else history["loss"].iloc[:0]
    if scores.empty:
        study.fail(trial, f"{monitor} is undefined in every epoch")
        return failed_line(f"{monitor} is undefined in every epoch", values)
    before = study.best
    study.complete(trial, float(scores.max() if search.config.monitor_mode == "max" else scores.min()))
    after = study.best
    is_best = after is not None and (before is None or after.number != before.number)
    return finished_line(monitor, study.trials[-1].value, values, is_best=is_best)


def _check_that_some_succeed(study: Study) -> None:
    states = [trial.state.name for trial in study.trials]
    if len(states) >= TRIALS_THAT_MAY_FAIL and set(states) == {"FAIL"}:
        raise ConfigError(
            f"all {len(states)} trials have failed, the last one with: {study.reason_of(study.trials[-1])}"
        )


def _stopped(search: TuningFolder, number: int, stop: KeyboardInterrupt) -> RunStopped:
    import shlex

    from seqconv.training.run.run_dir import program

    kind = getattr(stop, "signal", signal.SIGINT)
    command = f"{program()} tune --resume {shlex.quote(str(search.path))}"
    return RunStopped(
        kind,
        f"{signal.Signals(kind).name} stopped the search in trial {number}, which is {number + 1} of "
        f"{search.num_trials}; what was tried is kept. Go on with: {command}",
    )
