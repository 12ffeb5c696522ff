"""`seqconv train`, `python scripts/train.py`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from seqconv.commands.interruption import interruptible
from seqconv.commands.terminal import report_errors, start_keras


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="seqconv train", description="Train a model as a config file says, and score it on the test split."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--config", metavar="FILE", help="a YAML file; looked up as given, then in the project's configs/"
    )
    source.add_argument("--resume", metavar="RUN_DIR", help="go on with a run that was stopped or killed")
    parser.add_argument("--run-dir", metavar="DIR", help="where to write the run (default: runs/NAME-TIME)")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting, for example --set training.epochs=3 (may be repeated)",
    )
    parser.add_argument("--dry-run", action="store_true", help="stop after two steps, with an estimate of the time")
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    if arguments.resume is not None:
        return _resume(arguments)
    from seqconv.config import load_config

    config = load_config(arguments.config, arguments.overrides)
    start_keras(config.backend)
    from seqconv.training import dry_run, train

    with interruptible("no run was begun; features that were extracted are kept"):
        if arguments.dry_run:
            dry_run(config)
        else:
            train(config, arguments.run_dir)
    return 0


def _resume(arguments: argparse.Namespace) -> int:
    from seqconv.config import load_config
    from seqconv.errors import ConfigError

    given = {"--run-dir": arguments.run_dir is not None, "--dry-run": arguments.dry_run}
    for name, is_given in given.items():
        if is_given:
            raise ConfigError(f"{name} starts a run, --resume goes on with one: leave one of them out.")
    file = Path(arguments.resume, "config.yaml")
    # A folder that holds no run is refused by name, later.
    start_keras(load_config(file, arguments.overrides).backend if file.is_file() else None)
    from seqconv.training import resume

    with interruptible("the run is as it was"):
        resume(arguments.resume, arguments.overrides)
    return 0
