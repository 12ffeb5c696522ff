"""`seqconv train`, `python scripts/train.py`."""

import argparse
from collections.abc import Sequence

from seqconv.commands.terminal import report_errors, start_keras


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="seqconv train", description="Train a model as a config file says, and score it on the test split."
    )
    parser.add_argument(
        "--config",
        required=True,
        metavar="FILE",
        help="a YAML file; looked up as given, then in the project's configs/",
    )
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
    from seqconv.config import load_config

    config = load_config(arguments.config, arguments.overrides)
    start_keras(config.backend)
    from seqconv.training import dry_run, train

    if arguments.dry_run:
        dry_run(config)
    else:
        train(config, arguments.run_dir)
    return 0
