"""Trials: models that are trained like those of runs and not scored, and the score of one that is kept."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
from rich.console import Console

from seqconv.config import Config
from seqconv.data.datasets import Datasets
from seqconv.data.sequences import Sequences
from seqconv.prediction.forward import forward
from seqconv.training.output.run_copy import RunCopy
from seqconv.training.run import run_dir as folders
from seqconv.training.run.setup import RunSetup
from seqconv.training.run.train import Run, finish, fit, prepared
from seqconv.training.state.checkpointing import remove_checkpoints
from seqconv.training.state.interrupts import StopSignals

Callbacks = Sequence[keras.callbacks.Callback]


def train_trial(config: Config, data: Datasets, path: Path, callbacks: Callbacks, console: Console) -> None:
    """Train like `begin`: the same model is saved in the folder. The test split is checked, and not scored."""
    keras.utils.clear_session()
    with prepared(config, lambda spec: data, console) as experiment, folders.new_run_folder(path, config.name):
        _fit(replace(experiment, data=replace(experiment.data, test=None)), path, callbacks, console)


def check_trial(config: Config, data: Datasets, console: Console) -> None:
    """Check all that is checked before a run.

    Raises:
        ConfigError, ManifestError: what is wrong.
    """
    with prepared(config, lambda spec: data, console):
        pass


def answer_held_out(
    config: Config, data: Datasets, held_out: Sequences, path: Path, callbacks: Callbacks, console: Console
) -> npt.NDArray[np.float64]:
    """Train on all sequences of `data`, and return the logits `(n, num_outputs)` of others."""
    keras.utils.clear_session()
    with prepared(config, lambda spec: data, console) as experiment, folders.new_run_folder(path, config.name):
        _fit(experiment, path, callbacks, console)
        return np.asarray(forward(experiment.model, held_out), np.float64)


def score_trial(config: Config, data: Datasets, path: Path, console: Console, log: Console) -> Run:
    """Score the model of a folder on the splits that it has not learned from, as at the end of a run.

    Args:
        config: with which it was trained.
        data: with all splits.
        path: the folder.
        console: for the scores and what to do next.
        log: for what is known of the run before.
    """
    keras.utils.clear_session()
    with prepared(config, lambda spec: data, log) as experiment:
        return finish(experiment, path, folders.read_history(path), console)


def _fit(experiment: RunSetup, path: Path, callbacks: Callbacks, console: Console) -> None:
    with StopSignals() as signals:
        fit(experiment, path, callbacks, RunCopy(path, None, console), signals)
    # Nobody goes on with a trial.
    remove_checkpoints(path)
