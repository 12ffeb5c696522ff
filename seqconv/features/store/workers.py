"""Processes that work for this one.

`multiprocessing` starts a process either by importing the user's script again, which a script without a `__main__`
guard and a notebook do not survive, or by forking, which can deadlock once TensorFlow has started threads. These
workers are plain interpreters that talk over their stdin and stdout.
"""

import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from seqconv.errors import StoreError
from seqconv.features.store.worker import BOOTSTRAP, PARENT_SIGNALS, READY
from seqconv.parts.plugins import loaded_plugins

# One process per core is the parallelism; threads inside them would fight for the same cores.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def available_cores() -> int:
    """Count the CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class WorkerDeath:
    """The result of a call whose process died: the signal's name, or the exit code."""

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
    waiting: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
    results: queue.SimpleQueue[tuple[tuple[Any, ...], bool, Any]] = queue.SimpleQueue()
    for call in calls:
        waiting.put(call)
    team = _Team()
    threads = [
        threading.Thread(target=_drive, args=(team, function, waiting, results), daemon=True)
        for _ in range(min(num_workers, len(calls)))
    ]
    try:
        for thread in threads:
            thread.start()
        for _ in calls:
            call, succeeded, result = results.get()
            if not succeeded:
                raise result
            yield call, result
    finally:
        team.dismiss()
        for thread in threads:
            thread.join()


class _Team:
    """The processes of one map; no new one starts after they are dismissed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._members: list[subprocess.Popen[bytes]] = []
        self._is_dismissed = False

    def start(self) -> "subprocess.Popen[bytes] | None":
        folders = json.dumps([str(folder) for folder in sys.path])
        command = [sys.executable, "-c", BOOTSTRAP, folders, str(os.getpid()), json.dumps(loaded_plugins())]
        with self._lock, _parent_only_signals():
            if self._is_dismissed:
                return None
            member = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **_ONE_THREAD}, bufsize=-1
            )
            self._members.append(member)
        return member

    def dismiss(self) -> None:
        with self._lock:
            self._is_dismissed = True
            members = self._members
        for member in members:
            member.kill()
        for member in members:
            _close(member)


@contextmanager
def _parent_only_signals() -> Iterator[None]:
    """Block these signals in processes started here, so that they can ignore them; the main thread still gets them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, PARENT_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _drive(
    team: _Team,
    function: Callable[..., Any],
    waiting: "queue.SimpleQueue[tuple[Any, ...]]",
    results: "queue.SimpleQueue[tuple[tuple[Any, ...], bool, Any]]",
) -> None:
    """Give calls to one worker, one by one, until none waits."""
    worker = None
    while True:
        try:
            call = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            worker = worker or _start_worker(team)
            if worker is None:
                return
            succeeded, result = _ask(worker, function, call)
        except Exception as error:
            # Whatever it is, the caller waits for an answer to this call.
            succeeded, result = False, error
        if isinstance(result, WorkerDeath):
            worker = None
        results.put((call, succeeded, result))


def _start_worker(team: _Team) -> "subprocess.Popen[bytes] | None":
    worker = team.start()
    if worker is None or worker.stdout is None:
        return None
    if worker.stdout.read(len(READY)) != READY:
        worker.kill()
        how = WorkerDeath.of(worker.wait()).how
        raise StoreError(
            f"a worker process could not start ({how}); what it printed says why. With num_workers=0 "
            "(data.num_workers) this process does the work"
        )
    return worker


def _ask(worker: "subprocess.Popen[bytes]", function: Callable[..., Any], call: tuple[Any, ...]) -> tuple[bool, Any]:
    if worker.stdin is None or worker.stdout is None:
        return True, WorkerDeath("closed")
    message = pickle.dumps((function, call))
    try:
        worker.stdin.write(message)
        worker.stdin.flush()
        answer: tuple[bool, Any] = pickle.load(worker.stdout)
    except (OSError, EOFError, pickle.UnpicklingError):
        worker.kill()
        return True, WorkerDeath.of(worker.wait())
    return answer


def _close(worker: "subprocess.Popen[bytes]") -> None:
    worker.wait()
    for stream in (worker.stdin, worker.stdout):
        try:
            if stream is not None:
                stream.close()
        except OSError:
            # What was written to a worker that ended cannot be flushed.
            continue
