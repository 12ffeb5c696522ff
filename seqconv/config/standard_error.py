"""Standard error without what C++ code writes to it, which is shown only if something fails."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""Variable of the environment that TensorFlow's C++ code reads; with 0 all that it says is shown."""

_END = b"\0\n"
# A process of its own: nothing within a process that crashes or is killed could still show anything. It reads until it
# is told to stop, or nobody can write any more. With `-I -S` it starts in 10 ms, which nobody waits for.
_WATCHER = rf"""
import collections, sys
lines = collections.deque(maxlen=200)
for line in sys.stdin.buffer:
    if line == {_END!r}:
        break
    lines.append(line)
try:
    sys.stderr.buffer.write(b"".join(lines).rstrip(b"\n") + b"\n" if lines else b"")
    sys.stderr.flush()
except OSError:
    pass
"""
_is_kept_back = False


@contextlib.contextmanager
def stderr_kept_back() -> Iterator[None]:
    """Hold back what is written to standard error below Python; show its last lines if the block or the process fails.

    What Python writes to `sys.stderr` is shown at once. A block within a block does nothing, nor does one where
    `TF_CPP_MIN_LOG_LEVEL` is 0. `SystemExit` and Ctrl-C are no failures; a crash and a signal that kills are.
    """
    global _is_kept_back
    if _is_kept_back or os.environ.get(LEVEL) == "0":
        yield
        return
    _flush_stderr()
    shown = os.dup(2)
    watcher = _start_watcher()
    _is_kept_back, has_failed = True, True
    try:
        with _python_writes_to(shown):
            yield
        has_failed = False
    except (SystemExit, KeyboardInterrupt):
        has_failed = False
        raise
    finally:
        _is_kept_back = False
        if has_failed:
            os.write(2, b"\n" + _END)
        else:
            watcher.kill()
        os.dup2(shown, 2)
        watcher.wait()


def _start_watcher() -> "subprocess.Popen[bytes]":
    """Start the process that reads standard error from now on."""
    read_end, write_end = os.pipe()
    try:
        # Ctrl-C in a terminal is sent to all processes of its session, and is not for this one.
        command = [sys.executable, "-I", "-S", "-c", _WATCHER]
        watcher = subprocess.Popen(command, stdin=read_end, stdout=subprocess.DEVNULL, start_new_session=True)
        os.dup2(write_end, 2)
    finally:
        os.close(read_end)
        os.close(write_end)
    return watcher


@contextlib.contextmanager
def _python_writes_to(descriptor: int) -> Iterator[None]:
    """Let `sys.stderr` write to a descriptor, unless it has been replaced by something else than standard error."""
    kept: Any = sys.stderr
    if not _is_standard(kept):
        yield
        return
    # Left open: a handler of logging that was made in the block keeps it.
    stream = open(descriptor, "w", encoding=kept.encoding, errors=kept.errors, buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = stream
    try:
        yield
    finally:
        stream.flush()
        sys.stderr = kept


def _is_standard(stream: Any) -> bool:
    try:
        return bool(stream.fileno() == 2)
    except (AttributeError, OSError, ValueError):
        return False


def _flush_stderr() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()
