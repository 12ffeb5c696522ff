"""A process that extracts shards.

Pickled calls `(function, arguments)` come in on stdin, pickled answers `(True, result)` or `(False, exception)` go out
on stdout.
"""

import os
import pickle
import select
import signal
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

# Written once, when all imports are done: who ends before that has not been ended by a call.
READY = b"ready\n"
# Signals for all processes of a terminal or a job are the parent's affair, which then ends its workers.
PARENT_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_POLL_MS = 1000
BOOTSTRAP = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from seqconv.features.store.worker import serve_process; serve_process(int(sys.argv[2]), json.loads(sys.argv[3]))"
)


def serve_process(parent: int, plugins: Mapping[str, tuple[str, str]]) -> None:
    """Answer calls until the parent closes the pipe, which it also does by dying.

    Args:
        parent: process id of the parent. Where it died, a call that has begun is not finished.
        plugins: files that register parts, from which calls may take functions and settings.
    """
    if plugins:
        from seqconv.parts.plugins import PluginFinder

        sys.meta_path.append(PluginFinder(plugins))
    for number in PARENT_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        # The parent started this process with them blocked.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PARENT_SIGNALS)
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
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


def _end_with_parent(parent: int) -> None:
    """End this process, also in the middle of a call, when the parent has died."""
    if not hasattr(select, "poll"):
        return
    hang_up = select.poll()
    # No event but the closing of the pipe, which is always told. A child of the parent's may hold it open, too.
    hang_up.register(0, 0)
    while not hang_up.poll(_POLL_MS) and os.getppid() == parent:
        continue
    os._exit(1)


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
