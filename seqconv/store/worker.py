"""A process that extracts shards.

Pickled calls `(function, arguments)` come in on stdin, pickled answers `(True, result)` or `(False, exception)` go out
on stdout.
"""

import os
import pickle
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

# Written once, when all imports are done: who ends before that has not been ended by a call.
READY = b"ready\n"
BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from seqconv.store.worker import serve_process; serve_process(int(sys.argv[2]))"
)


def serve_process(parent: int) -> None:
    """Answer calls until the parent closes the pipe, which it also does by dying.

    Args:
        parent: process id of the parent. Where it died, calls that still wait in the pipe are not begun.
    """
    # The parent ends its workers when it is interrupted; a second traceback for each of them helps nobody.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGALRM"):
        # How a call limits its own time, also inside of a library; the parent may have ignored it.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # When memory runs out, Linux ends a worker and not the process that the user started.
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    calls = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    # What a library prints must not get between the answers.
    os.dup2(2, 1)
    answers.write(READY)
    answers.flush()
    while True:
        try:
            function, arguments = pickle.load(calls)
            if os.getppid() != parent:
                return
            answers.write(pickle.dumps(_answer(function, arguments)))
            answers.flush()
        except (EOFError, BrokenPipeError):
            return


def _answer(function: Any, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, function(*arguments)
    except Exception as error:
        error.add_note("In a worker process:\n" + traceback.format_exc())
        return False, _picklable(error)


def _picklable(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        print("".join(traceback.format_exception(error)), file=sys.stderr)
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
