"""Options of the commands: one line each, and what makes a command of a function."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seqconv.cli.terminal import Command, report_errors
from seqconv.errors import ConfigError

Options = Mapping[str, Any]
"""Help by option, such as `{"--trials N": "how many"}`, or a pair of help and further arguments of argparse.

The word after the flag is shown, and says what is read: `N` and `HZ` a whole number, `SECONDS` and `P` a number,
without a word a switch. With `...` after it, the option may be repeated.
"""
CONFIG = "a YAML file; looked up as given, then in the project's configs/"
PLUGINS: Options = {"--plugin FILE ...": "Python file with parts of your own that the model needs (may be repeated)"}
_TYPES: dict[str, Callable[[str], Any]] = {"N": int, "HZ": int, "SECONDS": float, "P": float}


@dataclass(frozen=True)
class Group:
    """Options under a title of their own; without a title, options of which one at most may be given."""

    options: Options
    title: str = ""
    description: str | None = None
    is_required: bool = False


def command(name: str, description: str, *parts: Options | Group) -> Callable[[Callable[..., int]], Command]:
    """Make the command `seqconv NAME` of a function of its arguments: errors that a user can mend are one message."""

    def make(function: Callable[..., int]) -> Command:
        def main(argv: Sequence[str] | None = None) -> int:
            """Run the command; return the exit code."""
            parser = argparse.ArgumentParser(prog=f"seqconv {name}", description=description)
            for part in parts:
                _add(parser, part)
            return function(parser.parse_args(argv))

        return report_errors(main)

    return make


def settable(example: str, text: str = "override a setting") -> Options:
    """Declare the option `--set`."""
    return {"--set KEY=VALUE ...": f"{text}, for example --set {example} (may be repeated)"}


def given(arguments: argparse.Namespace, *flags: str) -> list[str]:
    """Those of the flags that are on the command line."""
    values = {flag: getattr(arguments, _attribute(flag)) for flag in flags}
    return [flag for flag, value in values.items() if not (value is None or value is False or value == [])]


def refuse_beside_resume(arguments: argparse.Namespace, what: str, *flags: str) -> None:
    """Refuse flags that start something where `--resume` goes on with it.

    Raises:
        ConfigError: names the first of them.
    """
    for flag in given(arguments, *flags):
        raise ConfigError(f"{flag} starts {what}, --resume goes on with one: leave one of them out.")


def overrides(arguments: argparse.Namespace, keys: Mapping[str, str]) -> list[str | tuple[str, Any]]:
    """Collect overrides of a config: those of `--set`, and flags that each set one key."""
    flags = {key: getattr(arguments, _attribute(flag)) for flag, key in keys.items()}
    return [*arguments.set, *((key, value) for key, value in flags.items() if value is not None)]


def _add(parser: argparse.ArgumentParser, part: Options | Group) -> None:
    target: Any = parser
    if isinstance(part, Group):
        target = parser.add_argument_group(part.title, part.description)
        if not part.title:
            target = parser.add_mutually_exclusive_group(required=part.is_required)
    for name, value in (part.options if isinstance(part, Group) else part).items():
        text, more = value if isinstance(value, tuple) else (value, {})
        flag, _, word = name.partition(" ")
        if not word:
            more = {"action": "store_true", **more}
        else:
            word, is_repeated = word.removesuffix(" ..."), word.endswith(" ...")
            more = {"metavar": word, "type": _TYPES.get(word, str), **more}
            if "choices" in more:
                del more["metavar"]
            if is_repeated:
                more |= {"action": "append", "default": []}
        target.add_argument(flag, help=text, **more)


def _attribute(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")
