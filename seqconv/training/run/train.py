"""`train`: from a config to a run directory."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import pandas as pd
from rich.console import Console

from seqconv.config import Config, load_config
from seqconv.data.conversions import holds_recordings
from seqconv.data.datasets import Datasets, load_datasets
from seqconv.data.labeled_manifest import LabeledManifest
from seqconv.data.spec import DataSpec
from seqconv.evaluation import Evaluation, choose_decision_rule, evaluate
from seqconv.evaluation.event_smoothing import choose_event_rules
from seqconv.evaluation.hardest import WorstSequences
from seqconv.files import write_atomically, write_text
from seqconv.models import SequenceModel, load_model
from seqconv.reports.folder import CONFIG, MODEL_FACTS, bring_run, check_run_dir, is_finished
from seqconv.training.output import report
from seqconv.training.output.callbacks import BestModel, Callbacks, HistoryFile, Patience, ProgressBar, RunCallbacks
from seqconv.training.output.mlflow import MLflowLogger, RunListener
from seqconv.training.output.report import make_console
from seqconv.training.output.run_copy import RunCopy, claim_copy
from seqconv.training.output.tensorboard import BoardPictures
from seqconv.training.ridge.features import time_features
from seqconv.training.ridge.loop import RidgeLoop
from seqconv.training.run import run_dir as folders
from seqconv.training.run.checks import check_packages
from seqconv.training.run.loop import RunLoop, time_steps
from seqconv.training.run.pretrained import read_initial
from seqconv.training.run.runtime import machine_for
from seqconv.training.run.setup import RunSetup, prepare
from seqconv.training.state.checkpointing import StateKeeper, remove_checkpoints
from seqconv.training.state.checkpoints import Progress
from seqconv.training.state.interrupts import RunStopped, StopSignals
from seqconv.training.step.averaging import WeightAverage, first_averaged_epoch
from seqconv.training.step.divergence import LossWatch
from seqconv.training.step.xla_choice import choose_compilation

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
    train_data: Any = None,
    valid_data: Any = None,
    test_data: Any = None,
    callbacks: Iterable[keras.callbacks.Callback] = (),
) -> Run:
    """Train a model, keep the best epoch, score it on the test split, and write the run directory.

    Random states and Keras's dtype policy are those of the caller again when it returns or fails. TensorFlow cannot
    undo its global seed and, with `training.deterministic`, op determinism: they stay for the rest of the process.

    Args:
        config: a config, a path to a YAML file, or a dict of sections; what is left out has defaults.
        run_dir: where to write; default `runs/NAME-TIME`. It must be empty or not exist. A run that fails before its
            first epoch ends leaves nothing there; one that fails later leaves `unfinished.txt`, which says why.
        train_data, valid_data, test_data: instead of `data.manifest`, sequences in memory: `Sequences`, or a pair of
            arrays and labels; or tables of recordings: a DataFrame with a column `path`, a Dataset or DatasetDict of
            Hugging Face. Without `valid_data`, a part of the training sequences is set aside.
        callbacks: further Keras callbacks: each begins and ends once, sees `val_...` scores at the end of an epoch, and
            may set `model.stop_training`.

    Raises:
        ConfigError, ManifestError: before any training, naming what is wrong; and when the loss is no longer a number.
    """
    check_run_dir(run_dir)
    load = partial(load_datasets, train_data=train_data, valid_data=valid_data, test_data=test_data)
    return begin(as_config(config, train_data), run_dir, load, list(callbacks), make_console())


def begin(config: Config, run_dir: str | Path | None, load: Load, callbacks: Callbacks, console: Console) -> Run:
    """Train like `train` on the result of `load`, with messages on a console."""
    claim_copy(config.training.copy_to)
    with _prepared(config, load, console) as experiment, folders.new_run_folder(run_dir, config.name) as path:
        return _run(experiment, path, callbacks, console)


def resume(
    run_dir: str | Path,
    overrides: Iterable[str] = (),
    *,
    train_data: Any = None,
    valid_data: Any = None,
    test_data: Any = None,
    callbacks: Iterable[keras.callbacks.Callback] = (),
) -> Run:
    """Go on with a run that was stopped or killed, at the step of its newest whole checkpoint.

    On the same machine, where the run is deterministic (the default on CPUs), what comes out is equal bit for bit to
    the run that was never stopped: every variable and the history, its times aside. Where no checkpoint was written,
    the run starts again; where training is over, the rest of the work is done, and a finished run is scored again.

    Args:
        run_dir: the folder of the run, or the address of its copy (`training.copy_to`), which is copied to `runs/`.
        overrides: of paths and devices: data.manifest, data.cache_dir, data.num_workers,
            the folders of audio_augment, training.init, training.device, training.jit_compile,
            training.checkpoint, training.copy_to, training.mlflow.
        train_data, valid_data, test_data: for a run on sequences in memory, the same ones again.
        callbacks: the same ones again. One with `state()` and `restore(state)` goes on where it was; others start
            again.

    Raises:
        ConfigError: the folder has no run, another process works in it, or config or data differ from those of the
            checkpoint; lists the differences.
    """
    load = partial(load_datasets, train_data=train_data, valid_data=valid_data, test_data=test_data)
    return go_on(run_dir, overrides, load, list(callbacks), make_console())


def go_on(run_dir: str | Path, overrides: Iterable[str], load: Load, callbacks: Callbacks, console: Console) -> Run:
    """Resume like `resume` on the result of `load`, with messages on a console."""
    with folders.resumed_run_folder(bring_run(run_dir)) as path:
        config = load_config(path / CONFIG, overrides)
        claim_copy(config.training.copy_to, path)
        with _prepared(config, load, console) as experiment:
            return _run(experiment, path, callbacks, console)


def train_manifest(config: Config, run_dir: str | Path | None, rows: LabeledManifest) -> Run:
    """Train like `train` on the manifest of the config, which was read and checked."""
    check_run_dir(run_dir)
    return begin(config, run_dir, partial(load_datasets, rows=rows), [], make_console())


def dry_run(config: Config | Mapping[str, Any] | str | Path, *, rows: LabeledManifest | None = None) -> None:
    """Report what `train` would do, do two steps of it, and estimate the time; only the feature cache is written.

    `rows`: the manifest of the config, if it was read before.
    """
    console = make_console()
    with _prepared(as_config(config, None), partial(load_datasets, rows=rows), console) as experiment:
        if experiment.config.training.is_closed_form:
            report.print_features_dry_run(experiment, time_features(experiment), console)
        else:
            report.print_dry_run(experiment, time_steps(experiment, num_steps=2), console)


@contextmanager
def _prepared(config: Config, load: Load, console: Console) -> Iterator[RunSetup]:
    """Make all parts of a run and report them, with the machine set for it within the block."""
    check_packages(config)
    with machine_for(config) as device:
        # A model to begin with that does not fit is reported before any features are extracted.
        initial = read_initial(config)
        tell = partial(console.print, highlight=False)
        experiment = choose_compilation(prepare(config, load(config.data_spec), tell, initial))
        report.print_start(experiment, device, console)
        yield experiment


def as_config(config: Config | Mapping[str, Any] | str | Path, train_data: Any) -> Config:
    """Return the config of a run on these sequences."""
    if train_data is None:
        return load_config(config)
    is_manifest = holds_recordings(train_data, load_config(config).data)
    if isinstance(config, Mapping) and "features" not in config and not is_manifest:
        # The model tells prediction how to extract features: as these were, or not at all where they came as arrays.
        used = getattr(train_data, "feature_settings", None)
        if used is not None:
            config = {**config, "features": used.model_dump()}
        elif not (isinstance(training := config.get("training"), Mapping) and training.get("init")):
            config = {**config, "features": {"kind": "precomputed"}}
    # What was not read must not stand in the config of the run: evaluation would read it.
    return load_config(config).with_(data={"manifest": None})


def _run(experiment: RunSetup, path: Path, callbacks: Callbacks, console: Console) -> Run:
    """Train from the state of the folder, and score."""
    # Printed before the run starts, because it may be interrupted.
    report.print_fact("folder", str(path), console)
    if experiment.config.training.copy_to is not None:
        report.print_fact("copy", experiment.config.training.copy_to, console)
    console.print()
    mlflow = experiment.config.training.mlflow
    if mlflow is not None:
        callbacks = [*callbacks, MLflowLogger(mlflow.tracking_uri, mlflow.experiment)]
    listeners = [callback for callback in callbacks if isinstance(callback, RunListener)]
    copy = RunCopy(path, experiment.config.training.copy_to, console)
    try:
        with StopSignals() as signals:
            history = _fit(experiment, path, callbacks, copy, signals)
            with signals.at_once():
                run = _finish(experiment, path, history, console)
    except BaseException as error:
        for listener in listeners:
            listener.on_run_failed(error)
        if isinstance(error, RunStopped):
            raise RunStopped(error.signal, f"{error}. Go on with: {folders.resume_command(path)}") from None
        raise
    remove_checkpoints(path)
    copy.finish()
    for listener in listeners:
        listener.on_run_end(run.metrics, path)
    return run


def _fit(experiment: RunSetup, path: Path, users: Callbacks, copy: RunCopy, signals: StopSignals) -> pd.DataFrame:
    """Train with our callbacks, then those of the user, and return the history."""
    config, console = experiment.config, copy.console
    if is_finished(path):
        report.print_fact("resumed", "the run has finished: it is scored again", console)
        return folders.read_history(path)
    monitor = None if experiment.data.valid is None else config.monitor
    best = BestModel(path / folders.MODEL, monitor, config.monitor_mode, first_averaged_epoch(config))
    history, bar = HistoryFile(path / folders.HISTORY), ProgressBar(console, experiment.steps, best)
    scores: dict[str, Any] = {}
    own: list[keras.callbacks.Callback] = [best, history, bar]
    if config.training.early_stopping is not None:
        own.append(Patience(config.monitor, mode=config.monitor_mode, **config.training.early_stopping.model_dump()))
    if config.training.tensorboard:
        board = path / "tensorboard"
        own += [keras.callbacks.TensorBoard(str(board), write_graph=False), BoardPictures(board, experiment, scores)]
    listed = [*own, *users]
    average, watch = WeightAverage(experiment), LossWatch(experiment)
    callbacks = RunCallbacks(listed, experiment.model, config.training.epochs)
    keeper, progress = StateKeeper(experiment, listed, path, watch, copy), Progress()
    checkpoint = keeper.find(console)
    if checkpoint is None:
        folders.write_inputs(experiment, path)
    callbacks.begin_run()
    if checkpoint is not None:
        progress, missing = keeper.restore(checkpoint)
        report.print_resume(experiment, progress, missing, console)
    for callback in users:
        if isinstance(callback, RunListener):
            callback.on_run_begin(config, path)
    try:
        if checkpoint is None or not checkpoint.is_complete:
            parts = experiment, callbacks, watch, keeper, signals, average, scores
            loop = RidgeLoop(*parts, console, path) if config.training.is_closed_form else RunLoop(*parts)
            loop.run(progress)
    finally:
        bar.close()
    report.print_stop(history.rows, config.training.epochs, best, experiment.step, console)
    return pd.DataFrame(history.rows)


def _finish(experiment: RunSetup, path: Path, history: pd.DataFrame, console: Console) -> Run:
    """Score the saved model, so that the printed scores are those of the file."""
    model = load_model(path / folders.MODEL)
    data, config = experiment.data, experiment.config
    chosen = None if data.valid is None else choose_decision_rule(model, data.valid, config.evaluation)
    decided: list[Any] = [] if chosen is None else [chosen]
    for each in decided:
        model.card = each.apply_to(model.card)
    smoothing = None if data.valid is None else choose_event_rules(model, data.valid, config.evaluation)
    if smoothing is not None:
        model.card = smoothing.apply_to(model.card)
        decided.append(smoothing)
    if decided:
        write_atomically(path / folders.MODEL, model.save)
        report.print_decisions(decided, console)
    evaluations = {}
    for split, part in data.parts().items():
        if split != "train":
            evaluations[split] = evaluate(model, part, split_name=split, seed=config.seed, settings=config.evaluation)
            evaluations[split].save(path, split)
    final = evaluations["test" if data.test is not None else "valid"]
    console.print()
    console.print(str(final), highlight=False, markup=False)
    facts = report.model_facts(model, path / folders.MODEL, data) | {"compilations": experiment.step.compilations}
    write_text(json.dumps(facts, indent=2) + "\n", path / MODEL_FACTS)
    page = None
    if config.evaluation.report:
        # Drawing needs matplotlib, which training does not.
        from seqconv.reports import write_report

        page = write_report(path, parts=data.parts(), plan=experiment.plan, model=model)
    report.print_end(facts, path, page, experiment, console)
    metrics = {split: evaluation.metrics for split, evaluation in evaluations.items()}
    return Run(model, history, metrics, final, path)
