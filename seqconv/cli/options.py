"""Options of the commands: one line each, and what makes a command of a function."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqconv.cli.terminal import report_errors
from seqconv.errors import ConfigError
from seqconv.files import is_address

if TYPE_CHECKING:
    from seqconv.config import Config

Work = Callable[[argparse.Namespace], int | None]
Options = Mapping[str, Any]
"""Help by option, such as `{"--trials N": "how many"}`, or a pair of help and further arguments of argparse.

The word after the flag is shown, and says what is read: `N` and `HZ` a whole number, `SECONDS` and `P` a number, `PATH`
a path, without a word a switch. With `...` after it, the option may be repeated. An option that sets a key of the
config has the key as its `dest`.
"""
CONFIG = "a YAML file; looked up as given, then in the project's configs/"
PLUGINS: Options = {"--plugin FILE ...": "Python file with parts of your own that the model needs (may be repeated)"}
# What is written to this machine, or loaded from it as a whole.
_LOCAL = ("config", "model", "output", "pictures", "run_dir", "space")


def _local_path(text: str) -> Path:
    if is_address(text):
        raise argparse.ArgumentTypeError(f"'{text}' is an address, but this must be on this machine")
    return Path(text)


_TYPES: dict[str, Callable[[str], Any]] = {"N": int, "HZ": int, "SECONDS": float, "P": float, "PATH": _local_path}


@dataclass(frozen=True)
class Group:
    """Options under a title of their own; without a title, options of which one at most may be given."""

    options: Options
    title: str = ""
    description: str | None = None
    is_required: bool = False


def command(name: str, description: str, *parts: Options | Group) -> Callable[[Work], Callable[..., int]]:
    """Make the command `seqconv NAME` of a function of its arguments: an error of the user is one message.

    The function may return an exit code; None is 0.
    """

    def make(function: Work) -> Callable[..., int]:
        def main(argv: Sequence[str] | None = None) -> int:
            """Run the command; return the exit code."""
            parser = argparse.ArgumentParser(prog=f"seqconv {name}", description=description)
            for part in parts:
                _add(parser, part)
            arguments = parser.parse_args(argv)
            _refuse_addresses(arguments)
            return function(arguments) or 0

        return report_errors(main)

    return make


def _refuse_addresses(arguments: argparse.Namespace) -> None:
    """Refuse addresses of what is written to this machine, or loaded from it as a whole.

    Raises:
        ConfigError: names the first of them.
    """
    for name in _LOCAL:
        value = getattr(arguments, name, None)
        if isinstance(value, str) and is_address(value):
            raise ConfigError(f"--{name.replace('_', '-')} {value}: an address, but this must be on this machine.")


def settable(example: str, text: str = "override a setting") -> Options:
    """Declare the option `--set`."""
    return {"--set KEY=VALUE ...": f"{text}, for example --set {example} (may be repeated)"}


def given(arguments: argparse.Namespace, *flags: str) -> list[str]:
    """Return those of the flags that are on the command line."""
    values = {flag: getattr(arguments, flag.removeprefix("--").replace("-", "_")) for flag in flags}
    return [flag for flag, value in values.items() if not (value is None or value is False or value == [])]


def refuse_beside_resume(arguments: argparse.Namespace, what: str, *flags: str) -> None:
    """Refuse flags that start something new, next to `--resume`.

    Raises:
        ConfigError: names the first of them.
    """
    for flag in given(arguments, *flags):
        raise ConfigError(f"{flag} starts {what}, --resume goes on with one: leave one of them out.")


def refuse_members(config: "Config", what: str) -> None:
    """Refuse the config of an average where one model is wanted.

    Raises:
        ConfigError: it has members.
    """
    if config.members:
        raise ConfigError(
            f"{what} is about one model, but the config averages {len(config.members)} (members). Write the keys of "
            "one of them without members, or give the config of a member that was trained: RUN/members/0/config.yaml."
        )


def overrides(arguments: argparse.Namespace) -> list[str | tuple[str, Any]]:
    """Collect overrides of a config: those of `--set`, and options that each set one key."""
    keys = {key: value for key, value in vars(arguments).items() if "." in key and value is not None}
    return [*arguments.set, *keys.items()]


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
