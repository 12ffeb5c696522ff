"""What all commands share: errors as one message, and a quiet start."""

import contextlib
import functools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from seqconv.errors import SeqconvError

INTERRUPTED = 130
"""What shells return for a program that Ctrl-C has ended."""

BROKEN_PIPE = 141
"""What shells return for a program whose reader has gone."""


class Command(Protocol):
    """What every command is: arguments in, exit code out."""

    def __call__(self, argv: Sequence[str] | None = None) -> int: ...


def report_errors(command: Callable[[Sequence[str] | None], int]) -> Command:
    """Turn an error that the user can mend into one message and exit code 2, and Ctrl-C into 130: no traceback."""

    @functools.wraps(command)
    def run(argv: Sequence[str] | None = None) -> int:
        try:
            return command(argv)
        except SeqconvError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return INTERRUPTED
        except BrokenPipeError:
            # `| head` has read enough. What is still buffered has nowhere to go: without this, Python would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN_PIPE

    return run


def quiet_tensorflow() -> None:
    """Import TensorFlow without its start-up messages; `TF_CPP_MIN_LOG_LEVEL=0` in the environment shows them."""
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with _stderr_kept_back():
        import tensorflow as tf

        # Looks for devices, which has messages of its own.
        tf.config.list_physical_devices()


@contextlib.contextmanager
def _stderr_kept_back() -> Iterator[None]:
    """Hold back what C++ code writes to standard error, and show it after all when something fails."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
