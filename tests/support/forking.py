"""Processes of their own that need not import TensorFlow: forked from one that has imported it and done nothing else.

For tests of what happens when a process is killed, runs out of disk or is interrupted. `multiprocessing`'s fork server
is a fresh interpreter, which no test has touched.
"""

import multiprocessing
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

from support.waiting import PATIENCE

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["keras", "tensorflow", "pandas", "sklearn.metrics", "librosa", "seqconv.training"])


class Child:
    """A process that runs `python ARGUMENTS`, with `-m NAME` or `-c CODE` first; what it prints goes to a file."""

    def __init__(self, log: Path, *arguments: object, more: dict[str, str] | None = None):
        kept = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
        environment = {**kept, "TF_CPP_MIN_LOG_LEVEL": "3", **(more or {})}
        words = list(map(str, arguments))
        log.write_bytes(b"")
        self._process = _CONTEXT.Process(target=_run, args=(words, str(log), environment, str(Path.cwd())))
        self._process.start()

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        self._process.join(PATIENCE)
        code = self._process.exitcode
        assert code is not None, "this process never ended"
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self._process.pid or 0, number)


def _run(words: list[str], log: str, environment: dict[str, str], folder: str) -> None:
    """Be `python WORDS`, in the forked process."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    with open(log, "ab", buffering=0) as file:  # noqa: PTH123
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kind, what, *rest = words
    if kind == "-m":
        sys.argv = [what, *rest]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
        return
    namespace: dict[str, Any] = {"__name__": "__main__"}
    sys.argv = [kind, *rest]
    exec(compile(what, "<string>", "exec"), namespace)
