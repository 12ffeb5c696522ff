"""What all commands share: errors as one message, and a quiet start."""

import functools
import os
import sys
from collections.abc import Callable, Sequence

from seqconv.errors import SeqconvError

Command = Callable[[Sequence[str] | None], int]


def report_errors(command: Command) -> Command:
    """Turn an error that the user can mend into one message and exit code 2, without a traceback."""

    @functools.wraps(command)
    def run(argv: Sequence[str] | None = None) -> int:
        try:
            return command(argv)
        except SeqconvError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2

    return run


def quiet_tensorflow() -> None:
    """Before TensorFlow is imported: keep its start-up messages off the terminal, unless the user asked for them."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
