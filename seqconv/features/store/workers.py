"""Processes that work for this one.

`multiprocessing` starts a process either by importing the user's script again, which a script without a `__main__`
guard and a notebook do not survive, or by forking, which can deadlock once TensorFlow has started threads. These
workers are plain interpreters. Pickled calls `(function, arguments)` go to their stdin; pickled answers
`(True, result)` or `(False, exception)` come from their stdout.
"""

import gc
import json
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from seqconv.errors import StoreError
from seqconv.parts.plugins import PluginFinder, loaded_plugins

# One process per core is the parallelism; threads inside them would fight for the same cores.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
# Written once, when all imports are done: a process that ends before that was not ended by a call.
_READY = b"ready\n"
# Signals for all processes of a terminal or a job are handled by the parent, which then ends its workers.
_PARENT_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_POLL_MS = 1000
_BOOTSTRAP = (
    # What is imported stays: to look for garbage in it again and again takes a tenth of the time.
    "import gc, json, sys; gc.disable(); sys.path[:] = json.loads(sys.argv[1]); "
    "from seqconv.features.store.workers import serve_process; serve_process(int(sys.argv[2]), json.loads(sys.argv[3]))"
)


def available_cores() -> int:
    """Count the CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class WorkerDeath:
    """The result of a call when its process died: the signal's name, or the exit code."""

    how: str

    @classmethod
    def of(cls, status: int) -> "WorkerDeath":
        """Read the status that a process left: negative for a signal."""
        try:
            return cls(signal.Signals(-status).name if status < 0 else f"exit code {status}")
        except ValueError:
            return cls(f"signal {-status}")


def map_in_workers(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], *, num_workers: int
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield each call's arguments and result as they come, from `num_workers` processes.

    A process that ends with a call is replaced by a new one, and the result of that call is a `WorkerDeath`.

    Args:
        function: importable and picklable.
        calls: arguments of each call.
        num_workers: processes, at most one per call.

    Raises:
        StoreError: a process ended before it could work. Any exception that the function raised is raised here.
    """
    team = _Team()
    with ThreadPoolExecutor(max(min(num_workers, len(calls)), 1)) as threads:
        try:
            futures = {threads.submit(team.ask, function, call): call for call in calls}
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            team.dismiss()


class _Team:
    """The processes of one map, one for each thread that asks; no new one starts after they are dismissed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._members: list[subprocess.Popen[bytes]] = []
        self._is_dismissed = False
        self._of_thread = threading.local()

    def ask(self, function: Callable[..., Any], call: tuple[Any, ...]) -> Any:
        """Return the result of a call, from the process of this thread, or how that process died."""
        message = pickle.dumps((function, call))
        worker = getattr(self._of_thread, "worker", None) or self._start()
        self._of_thread.worker = None
        calls, answers = cast(IO[bytes], worker.stdin), cast(IO[bytes], worker.stdout)
        try:
            calls.write(message)
            calls.flush()
            succeeded, result = pickle.load(answers)
        except (OSError, EOFError, pickle.UnpicklingError):
            worker.kill()
            return WorkerDeath.of(worker.wait())
        self._of_thread.worker = worker
        if not succeeded:
            raise result
        return result

    def _start(self) -> "subprocess.Popen[bytes]":
        folders = json.dumps([str(folder) for folder in sys.path])
        command = [sys.executable, "-c", _BOOTSTRAP, folders, str(os.getpid()), json.dumps(loaded_plugins())]
        with self._lock, _parent_only_signals():
            if self._is_dismissed:
                raise StoreError("the workers were dismissed")
            worker = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # That of Python: what is below it may be held back.
                stderr=_descriptor_of(sys.stderr),
                env={**os.environ, **_ONE_THREAD},
                bufsize=-1,
            )
            self._members.append(worker)
        if cast(IO[bytes], worker.stdout).read(len(_READY)) != _READY:
            worker.kill()
            how = WorkerDeath.of(worker.wait()).how
            raise StoreError(
                f"a worker process could not start ({how}); what it printed says why. With num_workers=0 "
                "(data.num_workers) this process does the work"
            )
        return worker

    def dismiss(self) -> None:
        """End all processes, also in the middle of a call."""
        with self._lock:
            self._is_dismissed = True
        for worker in self._members:
            worker.kill()
        for worker in self._members:
            # Leaving it closes its pipes and waits for its end. What was written to it can no longer be flushed.
            with suppress(OSError), worker:
                pass


@contextmanager
def _parent_only_signals() -> Iterator[None]:
    """Block these signals in processes started here, so that they can ignore them; the main thread still gets them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _PARENT_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve_process(parent: int, plugins: Mapping[str, tuple[str, str]]) -> None:
    """Answer calls until the parent closes the pipe, which it also does by dying.

    Args:
        parent: process id of the parent. Where it died, a call that has begun is not finished.
        plugins: files that register parts, from which calls may take functions and settings.
    """
    if plugins:
        sys.meta_path.append(PluginFinder(plugins))
    for number in _PARENT_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        # The parent started this process with them blocked.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PARENT_SIGNALS)
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
    gc.freeze()
    gc.enable()
    answers.write(_READY)
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
    # Waits only for the closing of the pipe, which needs no flag. Another child of the parent may keep it open.
    hang_up.register(0, 0)
    while not hang_up.poll(_POLL_MS) and os.getppid() == parent:
        continue
    os._exit(1)


def _descriptor_of(stream: Any) -> int | None:
    """Return the descriptor to which a stream writes; None if it has none, as in a notebook."""
    try:
        return int(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return None


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
