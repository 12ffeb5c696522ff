"""`train`: from a config to a run directory."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pandas as pd
from rich.console import Console

from seqconv.config import Config, load_config
from seqconv.errors import ConfigError
from seqconv.evaluation import Evaluation, evaluate
from seqconv.files import write_text
from seqconv.models import SequenceModel, load_model
from seqconv.sequences import Sequences
from seqconv.training.callbacks import BestModel, HistoryFile, ProgressBar, RunCallbacks
from seqconv.training.datasets import load_datasets
from seqconv.training.experiment import Experiment, prepare, versions
from seqconv.training.loop import run_epochs, run_steps
from seqconv.training.machine import device_scope, set_up_machine
from seqconv.training.report import make_console, report_dry_run, report_end, report_start

DRY_RUN_STEPS = 2


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

    Args:
        config: a config, a path to a YAML file, or a dict of sections; what is left out has defaults.
        run_dir: where to write; default `runs/NAME-TIME`. It must be empty or not exist.
        train_data, valid_data, test_data: sequences in memory, instead of `data.manifest`. Without `valid_data`, a part
            of the training sequences is set aside.
        callbacks: further Keras callbacks.

    Raises:
        ConfigError, ManifestError: before any training, naming what is wrong.

    Example:
        >>> run = train({"training": {"epochs": 5}}, train_data=Sequences(arrays, labels))  # doctest: +SKIP
    """
    console = make_console()
    config = _as_config(config, train_data)
    path = _new_run_dir(run_dir, config.name)
    device = set_up_machine(config)
    with device_scope(config.training.device):
        experiment = prepare(config, load_datasets(config, train_data, valid_data, test_data))
        report_start(experiment, device, console)
        path.mkdir(parents=True, exist_ok=True)
        _write_inputs(experiment, path)
        history = _fit(experiment, path, list(callbacks), console)
        return _finish(experiment, path, history, console)


def dry_run(config: Config | Mapping[str, Any] | str | Path) -> None:
    """Say what `train` would do, do two steps of it, and estimate the time; only the feature cache is written."""
    console = make_console()
    config = _as_config(config, None)
    device = set_up_machine(config)
    with device_scope(config.training.device):
        experiment = prepare(config, load_datasets(config))
        report_start(experiment, device, console)
        report_dry_run(experiment, run_steps(experiment, DRY_RUN_STEPS), console)


def _as_config(config: Config | Mapping[str, Any] | str | Path, train_data: Sequences | None) -> Config:
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping) and train_data is not None and "features" not in config:
        # Arrays come with their features: the card must not claim that they were computed from sound.
        config = {**config, "features": {"kind": "precomputed"}}
    return load_config(config)


def _new_run_dir(run_dir: str | Path | None, name: str) -> Path:
    if run_dir is None:
        base = Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        path, copy = base, 1
        while path.exists():
            copy += 1
            path = base.with_name(f"{base.name}-{copy}")
        return path
    path = Path(run_dir)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ConfigError(f"run directory '{path}' exists and is not empty. Choose another with --run-dir.")
    return path


def _write_inputs(experiment: Experiment, path: Path) -> None:
    write_text(experiment.config.to_yaml(), path / "config.yaml")
    write_text(json.dumps(versions(), indent=2) + "\n", path / "versions.json")
    splits = experiment.data.splits
    if splits is not None:
        write_text(splits.to_csv(index=False), path / "splits.csv")


def _fit(
    experiment: Experiment, path: Path, user_callbacks: list[keras.callbacks.Callback], console: Console
) -> pd.DataFrame:
    config = experiment.config
    best = BestModel(path / "model.keras", config.monitor, config.monitor_mode)
    history = HistoryFile(path / "history.csv")
    own: list[keras.callbacks.Callback] = [best, history, ProgressBar(console, experiment.steps, best)]
    if config.training.early_stopping is not None:
        own.append(
            keras.callbacks.EarlyStopping(
                monitor=config.monitor,
                mode=config.monitor_mode,
                patience=config.training.early_stopping.patience,
                min_delta=config.training.early_stopping.min_delta,
            )
        )
    if config.training.tensorboard:
        own.append(keras.callbacks.TensorBoard(str(path / "tensorboard")))
    callbacks = RunCallbacks([*own, *user_callbacks], experiment.model, config.training.epochs)
    run_epochs(experiment, callbacks, config.training.epochs)
    return pd.DataFrame(history.rows)


def _finish(experiment: Experiment, path: Path, history: pd.DataFrame, console: Console) -> Run:
    """Score the saved model: what is printed is what the file gives."""
    model = load_model(path / "model.keras")
    data, config = experiment.data, experiment.config
    evaluations = {}
    for split, part in (("valid", data.valid), ("test", data.test)):
        if part is not None:
            evaluations[split] = evaluate(model, part, split_name=split, seed=config.seed, settings=config.evaluation)
            evaluations[split].save(path, split)
    final = evaluations.get("test", evaluations["valid"])
    console.print()
    console.print(str(final), highlight=False, markup=False)
    facts = report_end(model, path, data.train.lengths, console)
    write_text(json.dumps(facts, indent=2) + "\n", path / "model.json")
    metrics = {split: evaluation.metrics for split, evaluation in evaluations.items()}
    return Run(model, history, metrics, final, path)
