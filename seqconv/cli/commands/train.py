"""`seqconv train`, `python scripts/train.py`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqconv.cli.interruption import interruptible
from seqconv.cli.terminal import report_errors, start_keras

if TYPE_CHECKING:
    from seqconv.config import Config


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="seqconv train", description="Train a model as a config file says, and score it on the test split."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--config", metavar="FILE", help="a YAML file; looked up as given, then in the project's configs/"
    )
    source.add_argument(
        "--resume", metavar="RUN_DIR", help="go on with a run, or with several, that was stopped or killed"
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
    several = parser.add_argument_group("several runs, in one folder with one summary; the options combine")
    several.add_argument(
        "--folds", metavar="FOLDS", help="all, or some such as 0,2: each is test in turn (see the section split)"
    )
    several.add_argument("--seeds", metavar="N", help="how many seeds, or a list such as 0,7")
    several.add_argument(
        "--sweep",
        dest="sweeps",
        action="append",
        default=[],
        metavar="KEY=A,B",
        help="values of a setting, for example training.learning_rate=3e-4,1e-3 (may be repeated: all combinations)",
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
    if _several(arguments):
        return _train_series(arguments, config)
    start_keras(config.backend)
    from seqconv.training import dry_run, train

    with interruptible("no run was begun; features that were extracted are kept"):
        if arguments.dry_run:
            dry_run(config)
        else:
            train(config, arguments.run_dir)
    return 0


def _several(arguments: argparse.Namespace) -> dict[str, bool]:
    """The options given that ask for several runs."""
    given = {"--folds": arguments.folds, "--seeds": arguments.seeds, "--sweep": arguments.sweeps or None}
    return {name: True for name, value in given.items() if value is not None}


def _train_series(arguments: argparse.Namespace, config: "Config") -> int:
    from seqconv.errors import ConfigError
    from seqconv.experiments.run_specs import make_members, read_grid

    if arguments.dry_run:
        raise ConfigError("--dry-run is for one run: leave out --folds, --seeds and --sweep.")
    grid = read_grid(config, arguments.folds, arguments.seeds, arguments.sweeps)
    # What is wrong with a setting is told before TensorFlow starts.
    make_members(config, grid)
    start_keras(config.backend)
    from seqconv.experiments import train_series

    with interruptible("no run was begun; features that were extracted are kept"):
        series = train_series(config, arguments.run_dir, folds=grid.folds, seeds=grid.seeds, sweeps=grid.sweeps)
    return int(bool(series.failures))


def _resume(arguments: argparse.Namespace) -> int:
    from seqconv.config import load_config
    from seqconv.errors import ConfigError

    given = {"--run-dir": arguments.run_dir is not None, "--dry-run": arguments.dry_run, **_several(arguments)}
    for name, is_given in given.items():
        if is_given:
            raise ConfigError(f"{name} starts a run, --resume goes on with one: leave one of them out.")
    from seqconv.experiments.folder import is_series, read_series

    if is_series(arguments.resume):
        start_keras(read_series(arguments.resume).config.backend)
        from seqconv.experiments import resume_series

        with interruptible("the runs are as they were"):
            return int(bool(resume_series(arguments.resume, arguments.overrides).failures))
    file = Path(arguments.resume, "config.yaml")
    # A folder that holds no run is refused by name, later.
    start_keras(load_config(file, arguments.overrides).backend if file.is_file() else None)
    from seqconv.training import resume

    with interruptible("the run is as it was"):
        resume(arguments.resume, arguments.overrides)
    return 0
