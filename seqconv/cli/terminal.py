"""The part that all commands share: errors and warnings as one message each."""

import contextlib
import functools
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from seqconv.errors import SeqconvError

BROKEN_PIPE = 141
"""Exit code that shells give a program whose reader has ended."""


def report_errors(command: Callable[[Sequence[str] | None], int]) -> Callable[..., int]:
    """Turn an error that the user can correct into one message and exit code 2. Ctrl-C gives 130, SIGTERM 143.

    A warning to the user is also one message, without the line of code that it comes from. What is returned takes the
    arguments, by default those of the command line, and returns the exit code.
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
            # The error of a run names the signal and says what is saved.
            print(str(stop) or "interrupted", file=sys.stderr)
            return 128 + getattr(stop, "signal", signal.SIGINT)
        except BrokenPipeError:
            # A reader such as `| head` has ended. Without this, Python would fail to write what is still buffered.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE

    return run


@contextlib.contextmanager
def _plain_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        show = warnings.showwarning

        def show_plainly(message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
            if category is UserWarning:
                print(f"warning: {message}", file=sys.stderr)
            else:
                show(message, category, *place, **options)

        warnings.showwarning = show_plainly
        yield
