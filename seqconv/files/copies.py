"""Copies of files at addresses, for readers that want a file of this machine: audio decoders, mapped arrays, tables.

A copy is the same bytes as the original, so that it gives the same samples, and the same errors where it is cut off.
It is removed when nobody uses it any more; those of processes that were killed are removed by the next one.
"""

import atexit
import os
import re
import shutil
import tempfile
import weakref
from contextlib import ExitStack, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, NoReturn
from uuid import uuid4

from seqconv.errors import StorageError
from seqconv.files import local, remote
from seqconv.files.addresses import TarMember, is_address, suffix_of, tar_member
from seqconv.files.connections import reach
from seqconv.files.remote import Status, read_parts

_PREFIX = "seqconv-copies-"
# Windows and chunks open one recording many times in a row.
_KEPT = 4
_PIECE_BYTES = 1 << 24
_SUFFIX = re.compile(r"\.\w{1,10}")


class LocalCopy(type(Path())):  # type: ignore[misc]
    """A path of a copy on this machine, which in messages is called by the address of the original.

    The copy exists as long as this object does.
    """

    address: str
    status: Status

    @classmethod
    def of(cls, address: str, status: Status, path: Path) -> "LocalCopy":
        """Take over the file at `path`, which is a copy of what is at `address`, where it had this status."""
        copy: LocalCopy = cls(path)
        copy.address, copy.status = address, status
        weakref.finalize(copy, _remove, path, os.getpid())
        return copy

    def __fspath__(self) -> str:
        return str(super().__str__())

    def __str__(self) -> str:
        return getattr(self, "address", None) or self.__fspath__()


def fetch(path: str | Path) -> Path:
    """Return the path of a file that can be opened here: the file itself, or a copy of what is at an address.

    Raises:
        FileNotFoundError: there is nothing at the address.
        StorageError: it cannot be reached, or there is no room for the copy.

    >>> fetch("folder/a.wav").name
    'a.wav'
    """
    if not is_address(path):
        return path if isinstance(path, Path) else Path(path)
    return _copy(path, status_of(path))


def status_of(path: str | Path) -> Status:
    """Return size and version of a file; of a copy, those that the original had when it was copied.

    Raises:
        FileNotFoundError: there is none, or a folder or a pipe.
        OSError: it cannot be reached; for an address, a StorageError that names it and the remedy.
    """
    return path.status if isinstance(path, LocalCopy) else remote.status_of(path)


def find_file(path: str | Path) -> Path | None:
    """Return what `fetch` returns for a regular file; None if there is none.

    Raises:
        StorageError: as for `fetch`.
    """
    try:
        here = fetch(path)
    except FileNotFoundError:
        return None
    return here if isinstance(here, LocalCopy) or local.is_file(here) else None


@lru_cache(maxsize=_KEPT)
def _copy(address: str, status: Status) -> LocalCopy:
    suffix = suffix_of(address)
    # A name of our own: that of the original may be one which no file can have here, or which leads elsewhere.
    path = _folder() / uuid4().hex / f"copy{suffix if _SUFFIX.fullmatch(suffix) else ''}"
    path.parent.mkdir(parents=True)
    copy = LocalCopy.of(address, status, path)
    member = tar_member(address)
    if member is None:
        reach(address, lambda system, place: system.get_file(place, os.fspath(path)))
    else:
        read_parts(member.shard, lambda shard: _copy_part(shard, member, path), reads_on=False)
    size = path.stat().st_size
    if status.size not in (-1, size):
        raise StorageError(
            f"{address}: {size} bytes came, but it has {status.size}: it was cut off on the way, or has changed. Try "
            "again"
        )
    return copy


def _copy_part(shard: IO[bytes], member: TarMember, path: Path) -> None:
    shard.seek(member.start)
    left = member.stop - member.start
    with path.open("wb") as file:
        while left and (piece := shard.read(min(left, _PIECE_BYTES))):
            file.write(piece)
            left -= len(piece)


def _remove(path: Path, owner: int) -> None:
    # A process that was forked from the owner has the same objects, but not the right to remove their files.
    if os.getpid() == owner:
        shutil.rmtree(path.parent, ignore_errors=True)


@cache
def _folder() -> Path:
    """Return the folder of the copies of this process; those of processes that have ended are removed."""
    base = Path(tempfile.gettempdir())
    for lock in base.glob(f"{_PREFIX}*.lock"):
        with suppress(OSError, _InUseError), local.hold_lock(lock, when_busy=_refuse, is_temporary=True):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    folder = base / f"{_PREFIX}{uuid4().hex}"
    held = ExitStack()
    held.enter_context(local.hold_lock(folder.with_suffix(".lock"), when_busy=_refuse, is_temporary=True))
    folder.mkdir(mode=0o700)
    held.callback(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(_close, held, os.getpid())
    return folder


def _close(held: ExitStack, owner: int) -> None:
    if os.getpid() == owner:
        held.close()


class _InUseError(Exception):
    """The owner of copies still works."""


def _refuse() -> NoReturn:
    raise _InUseError
