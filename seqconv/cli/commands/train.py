"""`seqconv train`, `python scripts/train.py`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from seqconv.cli.interruption import interruptible
from seqconv.cli.options import CONFIG, Group, command, given, refuse_beside_resume, settable
from seqconv.config.backends import start_keras

if TYPE_CHECKING:
    from seqconv.config import Config

SEVERAL = ("--folds", "--seeds", "--sweep")


@command(
    "train",
    "Train a model as a config file says, and score it on the test split.",
    Group(
        {"--config FILE": CONFIG, "--resume RUN_DIR": "go on with a run, or with several, that was stopped or killed"},
        is_required=True,
    ),
    {"--run-dir DIR": "where to write the run (default: runs/NAME-TIME)"},
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
    from seqconv.config import load_config

    config = load_config(arguments.config, arguments.set)
    if given(arguments, *SEVERAL):
        return _train_sweep(arguments, config)
    start_keras(config.backend)
    from seqconv.training import dry_run, train

    with interruptible("no run was begun; features that were extracted are kept"):
        if arguments.dry_run:
            dry_run(config)
        else:
            train(config, arguments.run_dir)
    return 0


def _train_sweep(arguments: argparse.Namespace, config: "Config") -> int:
    from seqconv.errors import ConfigError
    from seqconv.experiments.run_specs import make_specs, read_grid

    if arguments.dry_run:
        raise ConfigError("--dry-run is for one run: leave out --folds, --seeds and --sweep.")
    grid = read_grid(config, arguments.folds, arguments.seeds, arguments.sweep)
    # Errors of a setting are reported before TensorFlow starts.
    make_specs(config, grid)
    start_keras(config.backend)
    from seqconv.experiments import train_sweep

    with interruptible("no run was begun; features that were extracted are kept"):
        sweep = train_sweep(config, arguments.run_dir, folds=grid.folds, seeds=grid.seeds, sweeps=grid.sweeps)
    return int(bool(sweep.failures))


def _resume(arguments: argparse.Namespace) -> int:
    refuse_beside_resume(arguments, "a run", "--run-dir", "--dry-run", *SEVERAL)
    from seqconv.config import load_config
    from seqconv.experiments.folder import is_sweep, read_sweep

    if is_sweep(arguments.resume):
        start_keras(read_sweep(arguments.resume).config.backend)
        from seqconv.experiments import resume_sweep

        with interruptible("the runs are as they were"):
            return int(bool(resume_sweep(arguments.resume, arguments.set).failures))
    file = Path(arguments.resume, "config.yaml")
    # A folder that holds no run is refused by name, later.
    start_keras(load_config(file, arguments.set).backend if file.is_file() else None)
    from seqconv.training import resume

    with interruptible("the run is as it was"):
        resume(arguments.resume, arguments.set)
    return 0
