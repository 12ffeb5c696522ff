"""`train`: from a config to a run directory."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import pandas as pd
from rich.console import Console

from seqconv.config import Config, load_config
from seqconv.data.datasets import Datasets, load_datasets
from seqconv.data.sequences import Sequences
from seqconv.data.spec import DataSpec
from seqconv.evaluation import Evaluation, choose_decision_rule, evaluate
from seqconv.evaluation.hardest import WorstSequences
from seqconv.files import write_text
from seqconv.models import SequenceModel, load_model
from seqconv.training.output.callbacks import BestModel, HistoryFile, Patience, ProgressBar, RunCallbacks
from seqconv.training.output.files import save_model
from seqconv.training.output.mlflow import MLflowLogger, RunListener
from seqconv.training.output.report import (
    make_console,
    model_facts,
    report_decisions,
    report_dry_run,
    report_end,
    report_finished,
    report_folder,
    report_resume,
    report_start,
    report_stop,
)
from seqconv.training.output.tensorboard import BoardPictures
from seqconv.training.run.checks import check_packages
from seqconv.training.run.identity import RunIdentity
from seqconv.training.run.loop import RunLoop, time_steps
from seqconv.training.run.pretrained import read_initial
from seqconv.training.run.run_dir import (
    CONFIG,
    HISTORY,
    MODEL,
    MODEL_FACTS,
    check_run_dir,
    is_finished,
    new_run_folder,
    read_history,
    resume_command,
    resumed_run_folder,
    write_inputs,
)
from seqconv.training.run.runtime import machine_for
from seqconv.training.run.setup import RunSetup, prepare
from seqconv.training.state.checkpointing import StateKeeper, find_checkpoint, remove_checkpoints
from seqconv.training.state.interrupts import RunStopped, StopSignals
from seqconv.training.state.progress import Progress
from seqconv.training.state.run_state import put_state
from seqconv.training.step.averaging import WeightAverage, first_averaged_epoch
from seqconv.training.step.divergence import LossWatch
from seqconv.training.step.xla_choice import choose_compilation

DRY_RUN_STEPS = 2
Load = Callable[[DataSpec], Datasets]
"""A function that loads the sequences of a run."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    `model`: the best model, by the monitored value. `history`: a row an epoch. `metrics`: scores by split, as in
    `metrics.json`. `evaluation`: of the test split, or of valid where there is no test. `path`: the run directory.
    """

    model: SequenceModel
    history: pd.DataFrame
    metrics: dict[str, Any]
    evaluation: Evaluation
    path: Path

    def errors(self, n: int = 10) -> WorstSequences:
        """Return the `n` sequences of `evaluation` with the largest loss, as a DataFrame; a notebook shows it with
        sound."""
        return self.evaluation.errors(n)

    def _repr_html_(self) -> str:
        """Return the curves of training, the scores as a table, and figures, for a notebook."""
        from seqconv.reports.notebook import run_html

        run = run_html(self.path, self.history, self.model.count_params())
        return run + self.evaluation._repr_html_()

    def __repr__(self) -> str:
        return f"<run in {self.path}: {len(self.history)} epochs, {self.model.count_params():,} parameters>"


def train(
    config: Config | Mapping[str, Any] | str | Path,
    run_dir: str | Path | None = None,
    *,
    train_data: Sequences | None = None,
    valid_data: Sequences | None = None,
    test_data: Sequences | None = None,
    callbacks: Iterable[keras.callbacks.Callback] = (),
) -> Run:
    """Train a model, keep the best epoch, score it on the test split, and write the run directory.

    Random states and Keras's dtype policy are those of the caller again when it returns or fails. TensorFlow cannot
    undo its global seed and, with `training.deterministic`, op determinism: they stay for the rest of the process.

    Args:
        config: a config, a path to a YAML file, or a dict of sections; what is left out has defaults.
        run_dir: where to write; default `runs/NAME-TIME`. It must be empty or not exist. A run that fails before its
            first epoch ends leaves nothing there; one that fails later leaves `unfinished.txt`, which says why.
        train_data, valid_data, test_data: sequences in memory, instead of `data.manifest`. Without `valid_data`, a part
            of the training sequences is set aside.
        callbacks: further Keras callbacks: each begins and ends once, sees `val_...` scores at the end of an epoch, and
            may set `model.stop_training`.

    Raises:
        ConfigError, ManifestError: before any training, naming what is wrong; and when the loss is no longer a number.
    """
    check_run_dir(run_dir)
    load = partial(load_datasets, train_data=train_data, valid_data=valid_data, test_data=test_data)
    return begin(as_config(config, train_data), run_dir, load, callbacks, make_console())


def begin(
    config: Config,
    run_dir: str | Path | None,
    load: Load,
    callbacks: Iterable[keras.callbacks.Callback],
    console: Console,
) -> Run:
    """Train like `train` on the result of `load`, with messages on a console."""
    check_packages(config)
    own_callbacks = list(callbacks)
    with machine_for(config) as device:
        experiment = _make_experiment(config, console, load)
        report_start(experiment, device, console)
        with new_run_folder(run_dir, experiment) as path:
            report_folder(path, console)
            return _run(experiment, path, own_callbacks, console)


def resume(
    run_dir: str | Path,
    overrides: Iterable[str] = (),
    *,
    train_data: Sequences | None = None,
    valid_data: Sequences | None = None,
    test_data: Sequences | None = None,
    callbacks: Iterable[keras.callbacks.Callback] = (),
) -> Run:
    """Go on with a run that was stopped or killed, at the step of its newest whole checkpoint.

    On the same machine, where the run is deterministic (the default on CPUs), what comes out is equal bit for bit to
    the run that was never stopped: every variable and the history, its times aside. Where no checkpoint was written,
    the run begins anew; where training is over, what is left of it is done, and a finished run is scored again.

    Args:
        run_dir: the folder of the run.
        overrides: of where things lie and what computes: data.manifest, data.cache_dir, data.num_workers,
            the folders of audio_augment, training.init, training.device, training.jit_compile,
            training.checkpoint, training.mlflow.
        train_data, valid_data, test_data: for a run on sequences in memory, the same ones again.
        callbacks: the same ones again. One with `state()` and `restore(state)` goes on where it was; others begin anew.

    Raises:
        ConfigError: no run lies there, another process works in it, or config or data differ from those of the
            checkpoint; lists the differences.
    """
    load = partial(load_datasets, train_data=train_data, valid_data=valid_data, test_data=test_data)
    return go_on(run_dir, overrides, load, callbacks, make_console())


def go_on(
    run_dir: str | Path,
    overrides: Iterable[str],
    load: Load,
    callbacks: Iterable[keras.callbacks.Callback],
    console: Console,
) -> Run:
    """Resume like `resume` on the result of `load`, with messages on a console."""
    with resumed_run_folder(run_dir) as path:
        config = load_config(path / CONFIG, overrides)
        check_packages(config)
        with machine_for(config) as device:
            experiment = _make_experiment(config, console, load)
            report_start(experiment, device, console)
            report_folder(path, console)
            return _run(experiment, path, list(callbacks), console)


def dry_run(config: Config | Mapping[str, Any] | str | Path) -> None:
    """Report what `train` would do, do two steps of it, and estimate the time; only the feature cache is written."""
    console = make_console()
    config = as_config(config, None)
    check_packages(config)
    with machine_for(config) as device:
        experiment = _make_experiment(config, console, load_datasets)
        report_start(experiment, device, console)
        report_dry_run(experiment, time_steps(experiment, DRY_RUN_STEPS), console)


def _make_experiment(config: Config, console: Console, load: Load) -> RunSetup:
    # A model to begin with that does not fit is told before any features are extracted.
    initial = read_initial(config)
    return choose_compilation(prepare(config, load(config.data_spec), partial(console.print, highlight=False), initial))


def as_config(config: Config | Mapping[str, Any] | str | Path, train_data: Sequences | None) -> Config:
    """Return the config of a run on these sequences."""
    if train_data is None:
        return load_config(config)
    if isinstance(config, Mapping) and "features" not in config:
        # The model tells prediction how to extract features: as these were, or not at all where they came as arrays.
        used = train_data.feature_settings
        if used is not None:
            config = {**config, "features": used.model_dump()}
        elif not (isinstance(training := config.get("training"), Mapping) and training.get("init")):
            config = {**config, "features": {"kind": "precomputed"}}
    # What was not read must not stand in the config of the run: evaluation would read it.
    return load_config(config).with_(data={"manifest": None})


def _run(experiment: RunSetup, path: Path, user_callbacks: list[keras.callbacks.Callback], console: Console) -> Run:
    """Train from the state of the folder, and score."""
    if experiment.config.training.mlflow is not None:
        settings = experiment.config.training.mlflow
        user_callbacks = [*user_callbacks, MLflowLogger(settings.tracking_uri, settings.experiment)]
    listeners = [callback for callback in user_callbacks if isinstance(callback, RunListener)]
    try:
        with StopSignals() as signals:
            history = _fit(experiment, path, user_callbacks, console, signals)
            with signals.at_once():
                run = _finish(experiment, path, history, console)
    except BaseException as error:
        for listener in listeners:
            listener.on_run_failed(error)
        if isinstance(error, RunStopped):
            raise RunStopped(error.signal, f"{error}. Go on with: {resume_command(path)}") from None
        raise
    remove_checkpoints(path)
    for listener in listeners:
        listener.on_run_end(run.metrics, path)
    return run


def _fit(
    experiment: RunSetup,
    path: Path,
    user_callbacks: list[keras.callbacks.Callback],
    console: Console,
    signals: StopSignals,
) -> pd.DataFrame:
    config = experiment.config
    if is_finished(path):
        report_finished(console)
        return read_history(path)
    monitor = None if experiment.data.valid is None else config.monitor
    best = BestModel(path / MODEL, monitor, config.monitor_mode, first_averaged_epoch(config))
    history, bar = HistoryFile(path / HISTORY), ProgressBar(console, experiment.steps, best)
    own: list[keras.callbacks.Callback] = [best, history, bar]
    if config.training.early_stopping is not None:
        own.append(
            Patience(
                monitor=config.monitor,
                mode=config.monitor_mode,
                patience=config.training.early_stopping.patience,
                min_delta=config.training.early_stopping.min_delta,
            )
        )
    scores: dict[str, Any] = {}
    if config.training.tensorboard:
        board = path / "tensorboard"
        own += [keras.callbacks.TensorBoard(str(board), write_graph=False), BoardPictures(board, experiment, scores)]
    listed = [*own, *user_callbacks]
    average = WeightAverage(experiment)
    callbacks, watch = RunCallbacks(listed, experiment.model, config.training.epochs), LossWatch(experiment)
    identity = RunIdentity.of(config, experiment.data)
    checkpoint = find_checkpoint(path, identity, console)
    if checkpoint is None:
        write_inputs(experiment, path)
    keeper = StateKeeper(experiment, listed, path, identity, watch)
    callbacks.begin_run()
    progress = Progress()
    if checkpoint is not None:
        progress, anew = put_state(experiment.model, listed, checkpoint)
        report_resume(experiment, progress, anew, console)
    for callback in user_callbacks:
        if isinstance(callback, RunListener):
            callback.on_run_begin(config, path)
    try:
        if checkpoint is None or not checkpoint.is_complete:
            RunLoop(experiment, callbacks, watch, keeper, signals, average, scores).run(progress)
    finally:
        bar.close()
    report_stop(history.rows, config.training.epochs, best, experiment.step, console)
    return pd.DataFrame(history.rows)


def _finish(experiment: RunSetup, path: Path, history: pd.DataFrame, console: Console) -> Run:
    """Score the saved model, so that the printed scores are those of the file."""
    model = load_model(path / MODEL)
    data, config = experiment.data, experiment.config
    chosen = None if data.valid is None else choose_decision_rule(model, data.valid, config.evaluation)
    if chosen is not None:
        model.card = chosen.apply_to(model.card)
        save_model(model, path / MODEL)
        report_decisions(chosen, console)
    evaluations = {}
    for split, part in data.parts().items():
        if split != "train":
            evaluations[split] = evaluate(model, part, split_name=split, seed=config.seed, settings=config.evaluation)
            evaluations[split].save(path, split)
    final = evaluations["test" if data.test is not None else "valid"]
    console.print()
    console.print(str(final), highlight=False, markup=False)
    facts = model_facts(model, path / MODEL, data) | {"compilations": experiment.step.compilations}
    write_text(json.dumps(facts, indent=2) + "\n", path / MODEL_FACTS)
    page = None
    if config.evaluation.report:
        # Drawing needs matplotlib, which training does not.
        from seqconv.reports import write_report

        page = write_report(path, parts=data.parts(), plan=experiment.plan, model=model)
    report_end(facts, path, page, experiment, console)
    metrics = {split: evaluation.metrics for split, evaluation in evaluations.items()}
    return Run(model, history, metrics, final, path)
