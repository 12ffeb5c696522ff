"""`seqconv COMMAND`: passes the rest of the line to the command; no other command is imported."""

import argparse
from collections.abc import Sequence
from importlib import import_module

from seqconv.text import package_version

COMMANDS = {
    "init": "look at a folder of recordings and write a first config for it",
    "train": "train a model as a config file says, and score it on the test split",
    "evaluate": "score a saved model on the recordings of a manifest",
    "predict": "run a saved model on audio files",
    "report": "write the report of a run, or compare several",
    "compare": "compare runs: means over seeds and folds, paired differences, what differs in their configs",
    "tune": "search for settings by Optuna, on the valid split",
    "extract": "compute the features of a manifest and keep them in a store",
    "augment": "show what augmentation does to training sequences, in pictures and sounds",
    "plan": "show the lengths of a data set and what each way of batching would cost",
    "inspect": "look inside a model: shapes, filters, masks, what padding changes, what decided",
    "schema": "print the JSON schema of config files, with which editors complete and check them",
}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of `seqconv` itself; `seqconv COMMAND --help` shows the options of a command."""
    parser = argparse.ArgumentParser(
        prog="seqconv",
        description="Train convolutional networks on sequences of any length.",
        epilog="commands:\n" + "\n".join(f"  {name:<10}{text}" for name, text in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"seqconv {package_version()}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=", ".join(COMMANDS))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="seqconv COMMAND --help lists them")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code."""
    options = make_parser().parse_args(argv)
    command = import_module(f"seqconv.cli.commands.{options.command}")
    return int(command.main(options.arguments))
