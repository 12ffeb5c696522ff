"""The part that all commands share: errors as one message, and a quiet start."""

import contextlib
import functools
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TextIO

from seqconv.errors import SeqconvError

BROKEN_PIPE = 141
"""Exit code that shells give a program whose reader has ended."""


class Command(Protocol):
    """The interface of every command: arguments in, exit code out."""

    def __call__(self, argv: Sequence[str] | None = None) -> int: ...


def report_errors(command: Callable[[Sequence[str] | None], int]) -> Command:
    """Turn an error that the user can correct into one message and exit code 2. Ctrl-C gives 130, SIGTERM 143.

    Warnings to the user are one message, too, without the line of code that they come from.
    """

    @functools.wraps(command)
    def run(argv: Sequence[str] | None = None) -> int:
        try:
            with _plain_warnings():
                return command(argv)
        except SeqconvError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt as stop:
            # A run that was stopped says which signal did it and what is saved.
            print(str(stop) or "interrupted", file=sys.stderr)
            return 128 + getattr(stop, "signal", signal.SIGINT)
        except BrokenPipeError:
            # `| head` has read enough. What is still buffered has nowhere to go: without this, Python would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE

    return run


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_plainly(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if category is UserWarning:
                print(f"warning: {message}", file=sys.stderr)
            else:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = show_plainly
        yield
