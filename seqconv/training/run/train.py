"""`train`: from a config to a run directory."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from seqconv.config import Config, load_config
from seqconv.data.conversions import holds_recordings
from seqconv.data.datasets import load_datasets
from seqconv.data.labeled_manifest import LabeledManifest
from seqconv.reports.folder import CONFIG, bring_run, check_run_dir
from seqconv.training.output import report
from seqconv.training.output.callbacks import Callbacks
from seqconv.training.output.report import make_console
from seqconv.training.ridge.features import time_features
from seqconv.training.run import run_dir as folders
from seqconv.training.run.average import begin_average, go_on_with_average
from seqconv.training.run.loop import time_steps
from seqconv.training.run.scoring import Run
from seqconv.training.run.single import Load, begin_single, go_on_with_single, prepared


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
            may set `model.stop_training`. In each member of an average (`members`), they begin and end once.

    Raises:
        ConfigError, ManifestError: before any training, naming what is wrong; and when the loss is no longer a number.
    """
    check_run_dir(run_dir)
    load = partial(load_datasets, train_data=train_data, valid_data=valid_data, test_data=test_data)
    return begin(as_config(config, train_data), run_dir, load, list(callbacks), make_console())


def begin(config: Config, run_dir: str | Path | None, load: Load, callbacks: Callbacks, console: Console) -> Run:
    """Train like `train` on the result of `load`, with messages on a console."""
    start = begin_average if config.members else begin_single
    return start(config, run_dir, load, callbacks, console)


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
        proceed = go_on_with_average if config.members else go_on_with_single
        return proceed(config, path, load, callbacks, console)


def train_manifest(config: Config, run_dir: str | Path | None, rows: LabeledManifest) -> Run:
    """Train like `train` on the manifest of the config, which was read and checked."""
    check_run_dir(run_dir)
    return begin(config, run_dir, partial(load_datasets, rows=rows), [], make_console())


def dry_run(config: Config | Mapping[str, Any] | str | Path, *, rows: LabeledManifest | None = None) -> None:
    """Report what `train` would do, do two steps of it, and estimate the time; only the feature cache is written.

    Members of an average are tried one after the other. `rows`: the manifest of the config, if it was read before.
    """
    console, whole = make_console(), as_config(config, None)
    for each in whole.member_configs() or [whole]:
        with prepared(each, partial(load_datasets, rows=rows), console) as experiment:
            if experiment.config.training.is_closed_form:
                report.print_features_dry_run(experiment, time_features(experiment), console)
            else:
                report.print_dry_run(experiment, time_steps(experiment, num_steps=2), console)


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
