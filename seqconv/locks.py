"""One process at a time, by a lock that ends with its owner."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def hold_lock(path: Path, *, when_busy: Callable[[], object], is_temporary: bool = False) -> Iterator[None]:
    """Hold the lock of the file `path`, which is made where it is not there, and removed again if `is_temporary`.

    The operating system keeps the lock for the open file, so that it ends with its owner, however that ends. While
    another process holds it, `when_busy` is called; unless that raises, the lock is waited for.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, hold_lock(Path(folder, "lock"), when_busy=lambda: print("busy")):
    ...     with hold_lock(Path(folder, "other"), when_busy=lambda: print("busy")):
    ...         print("both")
    both
    """
    descriptor = _open_locked(path, when_busy)
    try:
        yield
    finally:
        if is_temporary:
            # Windows removes no file that is open.
            with suppress(OSError):
                path.unlink()
        os.close(descriptor)


def _open_locked(path: Path, when_busy: Callable[[], object]) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _acquire(descriptor, wait=False):
                when_busy()
                _acquire(descriptor, wait=True)
            # Its owner before may have removed the file after we had opened it: then this is the lock of no file.
            if _is_same(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


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
