"""Trials: models that are trained like those of runs and not scored, and the score of one that is kept."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
from rich.console import Console

from seqconv.config import Config, load_config
from seqconv.data.datasets import Datasets
from seqconv.data.sequences import Sequences
from seqconv.prediction.forward import forward
from seqconv.reports.folder import CONFIG
from seqconv.training.output.run_copy import RunCopy
from seqconv.training.run import run_dir as folders
from seqconv.training.run.average import member_folder, save_average
from seqconv.training.run.runtime import machine_for
from seqconv.training.run.scoring import Run, TrainedRun, score_run
from seqconv.training.run.setup import RunSetup
from seqconv.training.run.single import fit, prepared
from seqconv.training.state.checkpointing import remove_checkpoints
from seqconv.training.state.interrupts import StopSignals

Callbacks = Sequence[keras.callbacks.Callback]


def train_trial(config: Config, data: Datasets, path: Path, callbacks: Callbacks, console: Console) -> None:
    """Train like `begin`: the same model is saved in the folder. The test split is checked, and not scored."""
    keras.utils.clear_session()
    if not config.members:
        with prepared(config, lambda spec: data, console) as experiment, folders.new_run_folder(path, config.name):
            _fit(replace(experiment, data=replace(experiment.data, test=None)), path, callbacks, console)
        return
    with folders.new_run_folder(path, config.name):
        folders.write_inputs(config, data, path)
        for index, member in enumerate(config.member_configs()):
            quiet = member.with_(evaluation={"report": False})
            train_trial(quiet, data, member_folder(path, index), callbacks, console)
        with machine_for(config):
            save_average(config, data, path)


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


def score_trial(data: Datasets, path: Path, console: Console, log: Console) -> Run:
    """Score the model of a folder on the splits that it has not learned from, as at the end of a run.

    Args:
        data: with all splits.
        path: the folder, with the config that trained the model.
        console: for the scores and what to do next.
        log: for the scores of the members of an average.
    """
    keras.utils.clear_session()
    config = load_config(path / CONFIG)
    with machine_for(config):
        for index in range(len(config.members)):
            folder = member_folder(path, index)
            member = load_config(folder / CONFIG)
            score_run(TrainedRun(member, data, folder, folders.read_history(folder), None, {}), log)
        history = save_average(config, data, path)[0] if config.members else folders.read_history(path)
        return score_run(TrainedRun(config, data, path, history, None, {}), console)


def _fit(experiment: RunSetup, path: Path, callbacks: Callbacks, console: Console) -> None:
    with StopSignals() as signals:
        fit(experiment, path, callbacks, RunCopy(path, None, console), signals)
        # One that came while the last state was saved.
        signals.check()
    # Nobody goes on with a trial.
    remove_checkpoints(path)
