"""`seqconv train`, `python scripts/train.py`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from seqconv.cli.interruption import interruptible
from seqconv.cli.options import CONFIG, Group, command, given, refuse_beside_resume, settable
from seqconv.cli.splits import check_slices
from seqconv.config.backends import start_keras
from seqconv.config.recipes import NAMES

if TYPE_CHECKING:
    from seqconv.config import Config
    from seqconv.data.labeled_manifest import LabeledManifest

SEVERAL = ("--folds", "--seeds", "--sweep")


@command(
    "train",
    "Train a model as a config file says, and score it on the test split.",
    Group(
        {
            "--config FILE": CONFIG,
            "--manifest PATH": "instead of a config: recordings, as seqconv init takes them; with --recipe",
            "--resume RUN_DIR": "go on with a run, or with several, that was stopped or killed; or with the copy of "
            "a run at an address (training.copy_to)",
        },
        is_required=True,
    ),
    {
        "--recipe NAME": (
            "rocket, deep, or auto, which tries both and keeps the best by cross-validation on train: instead of the "
            "model and the training of the config",
            {"choices": NAMES},
        ),
        "--budget TIME": "of recipe auto, such as 120s, 5min or 1h (default: 120s)",
        "--run-dir DIR": "where to write the run (default: runs/NAME-TIME)",
    },
    settable("training.epochs=3"),
    Group(
        {
            "--folds FOLDS": "all, or some such as 0,2: each is test in turn (see the section split)",
            "--seeds COUNT": "how many seeds, or a list such as 0,7",
            "--sweep KEY=A,B ...": "values of a setting, for example training.learning_rate=3e-4,1e-3 (may be "
            "repeated: all combinations)",
        },
        "several runs, in one folder with one summary; the options combine",
    ),
    {"--dry-run": "stop after two steps, with an estimate of the time"},
)
def main(arguments: argparse.Namespace) -> int:
    """Train one run or several, or go on with them."""
    if arguments.resume is not None:
        return _resume(arguments)
    config = _load(arguments)
    if given(arguments, *SEVERAL):
        return _train_sweep(arguments, config)
    from seqconv.config.recipes import AUTO
    from seqconv.reports.folder import check_run_dir

    check_run_dir(arguments.run_dir)
    with interruptible("no run was begun; features that were extracted are kept"):
        rows = _read_rows(config)
        start_keras(config.backend)
        if config.recipe == AUTO:
            _search(arguments, config, rows)
            return 0
        from seqconv.training.run.train import dry_run, train_manifest

        if arguments.dry_run:
            dry_run(config, rows=rows)
        else:
            train_manifest(config, arguments.run_dir, rows)
    return 0


def _load(arguments: argparse.Namespace) -> "Config":
    """Return the config of the command line: of a file, or of recordings and a recipe."""
    from seqconv.config import load_config
    from seqconv.errors import ConfigError

    # Without a recipe, the config may have one, and says so where it has not.
    budget = [] if arguments.budget is None else [("budget", arguments.budget)]
    if arguments.manifest is not None:
        from seqconv.cli.recipes import config_of_manifest

        if arguments.recipe is None:
            raise ConfigError(
                f"--manifest {arguments.manifest} says what to learn from, and not how: add --recipe auto, rocket or "
                f"deep, or let 'seqconv init {arguments.manifest}' write a config."
            )
        return config_of_manifest(arguments.manifest, arguments.recipe, arguments.set, budget)
    config = load_config(arguments.config, [*arguments.set, *budget], recipe=arguments.recipe)
    if arguments.recipe is not None:
        place = "the place of model, members, batching, training and augmentation"
        print(f"recipe   {arguments.recipe} takes {place} in {arguments.config}")
    return config


def _search(arguments: argparse.Namespace, config: "Config", rows: "LabeledManifest") -> None:
    """Let recipe auto choose, or say what it would try."""
    from functools import partial

    from seqconv.data.datasets import load_datasets
    from seqconv.experiments.recipes.auto import dry_run_recipe, search_and_score
    from seqconv.training.output.report import make_console

    load = partial(load_datasets, rows=rows)
    if arguments.dry_run:
        dry_run_recipe(config, load)
    else:
        search_and_score(config, arguments.run_dir, load, make_console())


def _read_rows(config: "Config") -> "LabeledManifest":
    """Read the manifest and look at the other paths and columns that the config names, before Keras is started.

    Raises:
        ConfigError, ManifestError, ModelError: there is no such file or column.
    """
    from seqconv.data.labeled_manifest import read_training_rows
    from seqconv.models.model_files import find_model_file

    if config.training.init is not None:
        find_model_file(config.training.init)
    rows = read_training_rows(config.data_spec)
    check_slices(config.evaluation.slices, rows.manifest.frame, "evaluation.slices")
    return rows


def _train_sweep(arguments: argparse.Namespace, config: "Config") -> int:
    from seqconv.errors import ConfigError
    from seqconv.experiments.run_specs import make_specs, read_grid
    from seqconv.reports.folder import check_run_dir

    if arguments.dry_run:
        raise ConfigError("--dry-run is for one run: leave out --folds, --seeds and --sweep.")
    grid = read_grid(config, arguments.folds, arguments.seeds, arguments.sweep)
    # Errors of a setting, a path or a column are reported before TensorFlow starts.
    first = make_specs(config, grid)[0].config
    check_run_dir(arguments.run_dir)
    _read_rows(first)
    start_keras(config.backend)
    from seqconv.experiments import train_sweep

    with interruptible("no run was begun; features that were extracted are kept"):
        sweep = train_sweep(config, arguments.run_dir, folds=grid.folds, seeds=grid.seeds, sweeps=grid.sweeps)
    return int(bool(sweep.failures))


def _resume(arguments: argparse.Namespace) -> int:
    refuse_beside_resume(arguments, "a run", "--recipe", "--budget", "--run-dir", "--dry-run", *SEVERAL)
    from seqconv.config import load_config
    from seqconv.experiments.folder import is_sweep, read_sweep
    from seqconv.reports.folder import CONFIG, bring_run, check_resumed

    arguments.resume = bring_run(arguments.resume)
    if is_sweep(arguments.resume):
        start_keras(read_sweep(arguments.resume).config.backend)
        from seqconv.experiments import resume_sweep

        with interruptible("the runs are as they were"):
            return int(bool(resume_sweep(arguments.resume, arguments.set).failures))
    check_resumed(arguments.resume)
    start_keras(load_config(Path(arguments.resume, CONFIG), arguments.set).backend)
    from seqconv.training import resume

    with interruptible("the run is as it was"):
        resume(arguments.resume, arguments.set)
    return 0
