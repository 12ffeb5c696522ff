"""Files of this machine: written whole or not at all, locked by one process at a time, archives of unknown origin."""

import json
import os
import re
import secrets
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from seqconv.errors import StorageError

# As Keras does: a member this large that packs better than any measurements do is made to fill the memory.
_LARGE_MEMBER = 256 << 20
_MOST_EXPANSION = 100

_TEMPORARY = re.compile(r"\..+-[0-9a-f]{8}(\.\w+)?")


def as_path(path: str | Path) -> Path:
    """Return the path itself, or a text as a path."""
    # On Python 3.11, Path(path) of one takes 1.6 microseconds, nearly as long as stat (1.9): of each file of a store.
    return path if isinstance(path, Path) else Path(path)


def is_file(path: str | Path) -> bool:
    """Whether there is a file of this machine at a path."""
    try:
        return as_path(path).is_file()
    except OSError:
        return False


def expand_user(path: str | Path) -> Path:
    """Replace `~` by the user's home; a `~name` of an unknown user stays as it is.

    >>> expand_user("~nobody-of-this-name/a.wav").as_posix()
    '~nobody-of-this-name/a.wav'
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def undecodable_line(path: Path) -> int:
    """Return the number, from 1, of the first line that is not UTF-8; 0 if all are.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "latin.txt")
    ...     _ = path.write_bytes("one\\ntwo\\nfünf".encode("latin-1"))
    ...     undecodable_line(path)
    3
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 0


def write_text(text: str, path: Path) -> None:
    """Write `text` to `path` in one step, as UTF-8; missing folders are made."""
    write_pieces([text], path)


def write_pieces(pieces: Iterable[str], path: Path) -> None:
    """Write a text that comes in pieces and is never whole in memory, like `write_text`."""

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)

    with as_storage_error(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, write)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file next to `path`, then rename it to `path`.

    The temporary file has the suffix of `path`, from which many writers take the format. When `write` raises, the file
    that was there stays, and the temporary file is removed.

    Raises:
        StorageError: the disk is full, or nobody may write there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "notes.txt")
    ...     write_atomically(path, lambda temporary: temporary.write_text("whole"))
    ...     path.read_text()
    'whole'
    """
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        with as_storage_error(path):
            write(temporary)
            commit_file(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def as_storage_error(path: Path) -> Iterator[None]:
    """Turn an error of the operating system while `path` is written into a StorageError that names path and reason."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        reason = os.strerror(error.errno)
        raise StorageError(
            f"{path} cannot be written: {reason}. Nothing was replaced; make room, or write elsewhere"
        ) from error


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of killed writers; no process may be writing into the folder."""
    for path in folder.glob(".*-*"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink(missing_ok=True)


def commit_file(temporary: Path, path: Path) -> None:
    """Rename a finished file to `path`, in the same folder: first its content goes to the disk, then its name."""
    sync_file(temporary)
    temporary.replace(path)
    _sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Make the content of a finished file durable."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable, if a folder can be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_bomb(info: zipfile.ZipInfo) -> bool:
    """Whether a member would unpack to far more than numbers from a measurement or a training can.

    >>> info = zipfile.ZipInfo("weights.h5")
    >>> info.compress_size, info.file_size = 1 << 20, 1 << 30
    >>> is_bomb(info)
    True
    """
    return info.file_size > max(_LARGE_MEMBER, _MOST_EXPANSION * info.compress_size)


@contextmanager
def hold_lock(path: Path, *, when_busy: Callable[[], object], is_temporary: bool = False) -> Iterator[None]:
    """Hold the lock of the file `path`, which is made if it does not exist, and removed again if `is_temporary`.

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
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
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


def read_json_member(path: Path, name: str, *, largest: int) -> Any:
    """Return the JSON in a member of an archive of unknown origin; None if there is none of at most `largest` bytes."""
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(name)
            return json.loads(archive.read(info)) if info.file_size <= largest else None
    except (
        *(ValueError, KeyError, OSError, RecursionError),
        *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError),
    ):
        return None
