"""`seqconv tune`, `python scripts/tune.py`."""

import argparse

from seqconv.cli.interruption import interruptible
from seqconv.cli.options import Group, command, refuse_beside_resume, settable
from seqconv.config.backends import start_keras
from seqconv.errors import ConfigError


@command(
    "tune",
    "Search for settings by Optuna. Trials are compared on the valid split; test is not scored.",
    Group(
        {
            "--config FILE": "a YAML file: all settings that the search leaves as they are",
            "--resume FOLDER": "go on with a search that was stopped or killed",
        },
        is_required=True,
    ),
    {
        "--space FILE": "a YAML file: keys of the config, each with a list of choices or a range",
        "--trials N": "how many trials, also with --resume (default: 30)",
        "--no-pruning": "train all trials to the end, also those that are worse than others",
        "--run-dir DIR": "where to write (default: runs/NAME-tuning-TIME)",
    },
    settable("training.epochs=10"),
)
def main(arguments: argparse.Namespace) -> None:
    """Search, or go on with a search."""
    if arguments.resume is not None:
        _resume(arguments)
        return
    if arguments.space is None:
        raise ConfigError("--space is missing: a YAML file with keys such as 'model.blocks.0.filters: [32, 64]'.")
    from seqconv.config import load_config
    from seqconv.data.labeled_manifest import read_training_rows
    from seqconv.experiments.tuning.space import read_space
    from seqconv.reports.folder import check_run_dir

    config = load_config(arguments.config, arguments.set)
    # Errors of the space, of a path or a column are reported before TensorFlow starts.
    read_space(arguments.space, config)
    check_run_dir(arguments.run_dir)
    read_training_rows(config.data_spec)
    start_keras(config.backend)
    from seqconv.experiments.tuning import tune

    trials = 30 if arguments.trials is None else arguments.trials
    with interruptible("no trial was begun; features that were extracted are kept"):
        tune(config, arguments.space, arguments.run_dir, trials=trials, prune=not arguments.no_pruning)


def _resume(arguments: argparse.Namespace) -> None:
    refuse_beside_resume(arguments, "a search", "--space", "--run-dir", "--no-pruning", "--set")
    from seqconv.experiments.tuning.folder import read_tuning

    start_keras(read_tuning(arguments.resume).config.backend)
    from seqconv.experiments.tuning import resume_tuning

    with interruptible("the search is as it was"):
        resume_tuning(arguments.resume, trials=arguments.trials)
