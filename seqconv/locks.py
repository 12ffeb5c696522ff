"""One process at a time, by a lock that ends with its owner."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def hold_lock(path: Path, *, when_busy: Callable[[], object]) -> Iterator[None]:
    """Hold the lock of the file `path`, which is made where it is not there.

    The operating system keeps the lock for the open file, so that it ends with its owner, however that ends. While
    another process holds it, `when_busy` is called; unless that raises, the lock is waited for.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, hold_lock(Path(folder, "lock"), when_busy=lambda: print("busy")):
    ...     with hold_lock(Path(folder, "other"), when_busy=lambda: print("busy")):
    ...         print("both")
    both
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _acquire(descriptor, wait=False):
            when_busy()
            _acquire(descriptor, wait=True)
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _acquire(descriptor: int, *, wait: bool) -> bool:
        while True:
            try:
                # LK_LOCK gives up after ten seconds.
                msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    return False
            else:
                return True

else:
    import fcntl

    def _acquire(descriptor: int, *, wait: bool) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
