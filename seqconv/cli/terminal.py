"""What all commands share: errors as one message, and a quiet start."""

import contextlib
import functools
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TextIO

from seqconv.errors import ConfigError, SeqconvError

if TYPE_CHECKING:
    from seqconv.config.backends import Backend

BROKEN_PIPE = 141
"""What shells return for a program whose reader has gone."""


class Command(Protocol):
    """What every command is: arguments in, exit code out."""

    def __call__(self, argv: Sequence[str] | None = None) -> int: ...


def report_errors(command: Callable[[Sequence[str] | None], int]) -> Command:
    """Turn an error that the user can mend into one message and exit code 2: no traceback. Ctrl-C is 130, SIGTERM 143.

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


def start_keras(backend: "Backend | None" = None) -> None:
    """Import Keras, on `backend` where one is named, without the start-up messages of TensorFlow.

    `TF_CPP_MIN_LOG_LEVEL=0` in the environment shows them. TensorFlow also reads data for the other backends.

    Raises:
        ConfigError: the backend is not installed, or is none that Keras can train with.
    """
    from seqconv.config.backends import choose_backend

    choose_backend(backend)
    # Waiting threads of PyTorch spin otherwise: beside other programs, a step then takes up to twenty times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    is_quiet = "TF_CPP_MIN_LOG_LEVEL" not in os.environ
    if is_quiet:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with _stderr_kept_back() if is_quiet else contextlib.nullcontext():
        _import_keras()


def _import_keras() -> None:
    from seqconv.config.backends import BACKENDS, refuse_missing

    try:
        # Before TensorFlow: PyTorch crashes when it is imported after it.
        import_module("keras")
    except ImportError as error:
        if error.name not in BACKENDS:
            raise
        refuse_missing(error.name)
    except ValueError as error:
        if not str(error).startswith("Unable to import backend"):
            raise
        raise ConfigError(
            f"Keras does not start: {error}. Set KERAS_BACKEND, or 'backend' in ~/.keras/keras.json, to one of "
            f"{', '.join(BACKENDS)}."
        ) from None
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
