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
from typing import Any

from seqconv.errors import StoreError
from seqconv.store.worker import BOOTSTRAP

# One process per core is the parallelism; threads inside them would fight for the same cores.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def available_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_in_workers(
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    *,
    num_workers: int,
    describe: Callable[[tuple[Any, ...]], str],
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield each call's arguments and result as they come, from `num_workers` processes.

    Args:
        function: importable and picklable.
        calls: arguments of each call.
        num_workers: processes, at most one per call.
        describe: names a call in the error about a worker that died with it.

    Raises:
        StoreError: a worker died. Any exception that the function raised is raised here.
    """
    waiting: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
    results: queue.SimpleQueue[tuple[tuple[Any, ...], bool, Any]] = queue.SimpleQueue()
    for call in calls:
        waiting.put(call)
    workers = [_start_worker() for _ in range(min(num_workers, len(calls)))]
    threads = [
        threading.Thread(target=_drive, args=(worker, function, waiting, results), daemon=True) for worker in workers
    ]
    try:
        for thread in threads:
            thread.start()
        for _ in calls:
            call, succeeded, result = results.get()
            if isinstance(result, _Died):
                raise StoreError(
                    f"a worker process ended ({result.how}) while it extracted {describe(call)}. "
                    "Find the recording by extracting with num_workers=0; if memory ran out, use fewer workers"
                )
            if not succeeded:
                raise result
            yield call, result
    finally:
        for worker in workers:
            worker.kill()
        for thread in threads:
            thread.join()
        for worker in workers:
            worker.communicate()


class _Died:
    def __init__(self, status: int) -> None:
        try:
            self.how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
        except ValueError:
            self.how = f"exit code {status}"


def _start_worker() -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", BOOTSTRAP, json.dumps([str(folder) for folder in sys.path]), str(os.getpid())]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **_ONE_THREAD}, bufsize=-1
    )


def _drive(
    worker: "subprocess.Popen[bytes]",
    function: Callable[..., Any],
    waiting: "queue.SimpleQueue[tuple[Any, ...]]",
    results: "queue.SimpleQueue[tuple[tuple[Any, ...], bool, Any]]",
) -> None:
    """Feed one worker, call by call, until none waits or it dies."""
    stdin, stdout = worker.stdin, worker.stdout
    if stdin is None or stdout is None:
        return
    while True:
        try:
            call = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            stdin.write(pickle.dumps((function, call)))
            stdin.flush()
            succeeded, result = pickle.load(stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            worker.kill()
            results.put((call, False, _Died(worker.wait())))
            return
        except Exception as error:
            # Whatever it is, the caller waits for an answer to this call.
            succeeded, result = False, error
        results.put((call, succeeded, result))
