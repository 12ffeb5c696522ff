"""The part that all commands share: errors and warnings as one message each."""

import contextlib
import functools
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from seqconv.config.standard_error import stderr_kept_back
from seqconv.errors import SeqconvError

BROKEN_PIPE = 141
"""Exit code that shells give a program whose reader has ended."""


def report_errors(command: Callable[[Sequence[str] | None], int]) -> Callable[..., int]:
    """Turn an error that the user can correct into one message and exit code 2. Ctrl-C gives 130, SIGTERM 143.

    A warning to the user is also one message, without the line of code that it comes from. What TensorFlow's C++ code
    writes to standard error is shown only if the command crashes or is killed. What is returned takes the arguments, by
    default those of the command line, and returns the exit code.
    """

    @functools.wraps(command)
    def run(argv: Sequence[str] | None = None) -> int:
        # A program that has started Keras itself, and then calls a command, keeps its standard error as it is.
        with contextlib.nullcontext() if "keras" in sys.modules else stderr_kept_back():
            return _exit_code(command, argv)

    return run


def _exit_code(command: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None) -> int:
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
