"""A run with one model: prepared, trained from the state of its folder, and scored."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import keras
import pandas as pd
from rich.console import Console

from seqconv.config import Config
from seqconv.data.datasets import Datasets
from seqconv.data.spec import DataSpec
from seqconv.reports.folder import is_finished
from seqconv.training.output import report
from seqconv.training.output.callbacks import BestModel, Callbacks, HistoryFile, Patience, ProgressBar, RunCallbacks
from seqconv.training.output.mlflow import MLflowLogger, RunListener
from seqconv.training.output.run_copy import RunCopy, claim_copy
from seqconv.training.output.tensorboard import BoardPictures
from seqconv.training.ridge.loop import RidgeLoop
from seqconv.training.run import run_dir as folders
from seqconv.training.run.checks import check_packages, check_single
from seqconv.training.run.loop import RunLoop
from seqconv.training.run.pretrained import read_initial
from seqconv.training.run.runtime import machine_for
from seqconv.training.run.scoring import Run, TrainedRun, score_run
from seqconv.training.run.setup import RunSetup, prepare
from seqconv.training.state.checkpointing import StateKeeper, remove_checkpoints
from seqconv.training.state.checkpoints import Progress
from seqconv.training.state.interrupts import RunStopped, StopSignals
from seqconv.training.step.averaging import WeightAverage, first_averaged_epoch
from seqconv.training.step.divergence import LossWatch
from seqconv.training.step.xla_choice import choose_compilation

Load = Callable[[DataSpec], Datasets]
"""A function that loads the sequences of a run."""


def begin_single(config: Config, run_dir: str | Path | None, load: Load, callbacks: Callbacks, console: Console) -> Run:
    """Train one model in a new folder."""
    claim_copy(config.training.copy_to)
    with prepared(config, load, console) as experiment, folders.new_run_folder(run_dir, config.name) as path:
        return _train(experiment, path, callbacks, console)


def go_on_with_single(config: Config, path: Path, load: Load, callbacks: Callbacks, console: Console) -> Run:
    """Go on with the run of a folder, which is held by the caller."""
    claim_copy(config.training.copy_to, path)
    with prepared(config, load, console) as experiment:
        return _train(experiment, path, callbacks, console)


@contextmanager
def prepared(config: Config, load: Load, console: Console) -> Iterator[RunSetup]:
    """Make all parts of a run and report them, with the machine set for it within the block."""
    check_single(config)
    check_packages(config)
    with machine_for(config) as device:
        # A model to begin with that does not fit is reported before any features are extracted.
        initial = read_initial(config)
        tell = partial(console.print, highlight=False)
        experiment = choose_compilation(prepare(config, load(config.data_spec), tell, initial))
        report.print_start(experiment, device, console)
        yield experiment


def _train(experiment: RunSetup, path: Path, callbacks: Callbacks, console: Console) -> Run:
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
            history = fit(experiment, path, callbacks, copy, signals)
            with signals.at_once():
                compilations = {"compilations": experiment.step.compilations}
                trained = TrainedRun(experiment.config, experiment.data, path, history, experiment.plan, compilations)
                run = score_run(trained, console)
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


def fit(experiment: RunSetup, path: Path, users: Callbacks, copy: RunCopy, signals: StopSignals) -> pd.DataFrame:
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
        folders.write_inputs(experiment.config, experiment.data, path, experiment.transfer)
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
        best.write()
    report.print_stop(history.rows, config.training.epochs, best, experiment.step, console)
    return pd.DataFrame(history.rows)
