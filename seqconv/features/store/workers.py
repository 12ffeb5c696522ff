"""Processes that work for this one.

`multiprocessing` starts a process either by importing the user's script again, which a script without a `__main__`
guard and a notebook do not survive, or by forking, which can deadlock once TensorFlow has started threads. These
workers are plain interpreters that talk over their stdin and stdout.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, cast

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
        worker = self._of_thread.__dict__.pop("worker", None) or self._start()
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
        command = [sys.executable, "-c", BOOTSTRAP, folders, str(os.getpid()), json.dumps(loaded_plugins())]
        with self._lock, _parent_only_signals():
            if self._is_dismissed:
                raise StoreError("the workers were dismissed")
            worker = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **_ONE_THREAD}, bufsize=-1
            )
            self._members.append(worker)
        if cast(IO[bytes], worker.stdout).read(len(READY)) != READY:
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
            # What was written to a worker that has ended cannot be flushed.
            with suppress(OSError), worker:
                continue


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
