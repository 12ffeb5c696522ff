"""`seqconv tune`, `python scripts/tune.py`."""

import argparse
from collections.abc import Sequence

from seqconv.cli.interruption import interruptible
from seqconv.cli.terminal import report_errors, start_keras
from seqconv.errors import ConfigError


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="seqconv tune",
        description="Search for settings by Optuna. Trials are compared on the valid split; test is not scored.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config", metavar="FILE", help="a YAML file, the config whose settings are varied")
    source.add_argument("--resume", metavar="FOLDER", help="go on with a search that was stopped or killed")
    parser.add_argument(
        "--space", metavar="FILE", help="a YAML file: keys of the config, each with a list of choices or a range"
    )
    parser.add_argument("--trials", type=int, metavar="N", help="how many trials, also with --resume (default: 30)")
    parser.add_argument("--no-pruning", action="store_true", help="do not end trials that are worse than others")
    parser.add_argument("--run-dir", metavar="DIR", help="where to write (default: runs/NAME-tuning-TIME)")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting, for example --set training.epochs=10 (may be repeated)",
    )
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    if arguments.resume is not None:
        return _resume(arguments)
    if arguments.space is None:
        raise ConfigError("--space is missing: a YAML file with keys such as 'model.blocks.0.filters: [32, 64]'.")
    from seqconv.config import load_config
    from seqconv.experiments.tuning.space import read_space

    config = load_config(arguments.config, arguments.overrides)
    # What is wrong with the space is told before TensorFlow starts.
    read_space(arguments.space, config)
    start_keras(config.backend)
    from seqconv.experiments.tuning import tune

    trials = 30 if arguments.trials is None else arguments.trials
    with interruptible("no trial was begun; features that were extracted are kept"):
        tune(config, arguments.space, arguments.run_dir, trials=trials, prune=not arguments.no_pruning)
    return 0


def _resume(arguments: argparse.Namespace) -> int:
    given = {
        "--space": arguments.space is not None,
        "--run-dir": arguments.run_dir is not None,
        "--no-pruning": arguments.no_pruning,
        "--set": bool(arguments.overrides),
    }
    for name, is_given in given.items():
        if is_given:
            raise ConfigError(f"{name} starts a search, --resume goes on with one: leave one of them out.")
    from seqconv.experiments.tuning.folder import read_tuning

    start_keras(read_tuning(arguments.resume).config.backend)
    from seqconv.experiments.tuning import resume_tuning

    with interruptible("the search is as it was"):
        resume_tuning(arguments.resume, trials=arguments.trials)
    return 0
