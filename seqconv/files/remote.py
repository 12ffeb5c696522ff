"""Files here or at an address: whether they are there, their size and version, and what a folder holds."""

import errno
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from time import time_ns
from typing import IO, Any, NamedTuple

from seqconv.errors import SeqconvError, StorageError
from seqconv.files import local
from seqconv.files.addresses import folder_of, is_address, is_web, tar_member
from seqconv.files.connections import Result, reach

# What an address says of the version of its content, the surest first.
_VERSIONS = (
    *("ETag", "etag", "md5Hash", "content_md5", "Content-MD5", "blob_id", "checksum", "generation", "mtime"),
    *("LastModified", "last_modified", "Last-Modified", "modified", "updated", "created"),
)
# Of a web server or a store, many files are asked for at once; of a folder with more, its list.
_AT_ONCE = 32
_FEWEST_TO_LIST = 50
_BLOCK_BYTES = 1 << 20


class Status(NamedTuple):
    """Size in bytes, -1 if unknown, and a number that changes with the content: for a local file, the time of its last
    change in ns."""

    size: int
    version: int


def status_of(path: str | Path) -> Status:
    """Return size and version of a file.

    Raises:
        FileNotFoundError: there is none, or a folder or a pipe.
        OSError: it cannot be reached; for an address, a StorageError that names it and the remedy.
    """
    if not is_address(path):
        status = local.as_path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(errno.ENOENT, "not a regular file", str(path))
        return Status(status.st_size, status.st_mtime_ns)
    if member := tar_member(path):
        return Status(member.stop - member.start, status_of(member.shard).version)
    return reach(path, lambda system, place: _as_status(path, system.info(place)))


def is_file(path: str | Path) -> bool:
    """Whether there is a file; a name that no file can have, too long for instance, is none.

    Raises:
        StorageError: an address cannot be reached.

    >>> is_file("x" * 10_000)
    False
    """
    if not is_address(path):
        return local.is_file(path)
    try:
        return bool(status_of(path))
    except FileNotFoundError:
        return False


def look_up(paths: Iterable[str]) -> dict[str, Status | None]:
    """Return the status of each of these files, None if there is none; those at addresses are asked for together.

    Raises:
        StorageError: an address cannot be reached.
    """
    found: dict[str, Status | None] = {}
    folders: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        if is_address(path):
            folders.setdefault(folder_of(path), []).append(path)
        else:
            found[path] = _status_or_none(path)
    singly: list[str] = []
    for folder, addresses in folders.items():
        if tar_member(addresses[0]):
            found |= _look_up_members(folder, addresses)
        elif len(addresses) < _FEWEST_TO_LIST or is_web(folder):
            singly += addresses
        else:
            try:
                found |= _look_up_listed(folder, addresses)
            except StorageError:
                # Who may read files may not be allowed to list them.
                singly += addresses
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return found | dict(zip(singly, pool.map(_status_or_none, singly), strict=True))


def _look_up_members(shard: str, addresses: list[str]) -> dict[str, Status | None]:
    status = _status_or_none(shard)
    members = [(address, member) for address in addresses if (member := tar_member(address))]
    return {address: status and Status(each.stop - each.start, status.version) for address, each in members}


def _look_up_listed(folder: str, addresses: list[str]) -> dict[str, Status | None]:
    try:
        listed = reach(folder, lambda system, place: system.ls(place, detail=True))
    except FileNotFoundError:
        listed = []
    by_name = {info["name"].rpartition("/")[2]: info for info in listed if info.get("type", "file") == "file"}
    infos = [(address, by_name.get(address.rpartition("/")[2])) for address in addresses]
    return {address: None if info is None else _as_status(address, info) for address, info in infos}


def _status_or_none(path: str) -> Status | None:
    try:
        return status_of(path)
    except StorageError:
        raise
    except (OSError, ValueError):
        # A name with a zero byte is a ValueError.
        return None


def _as_status(address: str, info: dict[str, Any]) -> Status:
    if info.get("type", "file") != "file":
        raise FileNotFoundError(f"{address}: a folder, not a file")
    said = next((f"{name}={info[name]}" for name in _VERSIONS if info.get(name)), None)
    # Where nothing is said of the version, the content has to be looked at each time.
    version = time_ns() if said is None else int.from_bytes(blake2b(said.encode(), digest_size=7).digest(), "big")
    size = info.get("size")
    return Status(-1 if size is None else int(size), version)


def list_files(folder: str) -> list[PurePosixPath]:
    """Return all files below the folder at an address, sorted, as seen from it.

    Raises:
        StorageError: it cannot be reached, or is one of the web, where folders cannot be listed.
    """
    if is_web(folder):
        raise StorageError(
            f"{folder}: folders of the web cannot be listed. Give a table of the recordings (a column 'path' with "
            "addresses, or with paths as seen from the table)"
        )

    def find(system: Any, place: str) -> list[PurePosixPath]:
        names = [name.removeprefix(place).lstrip("/") for name in system.find(place)]
        return sorted(PurePosixPath(name) for name in names if name)

    return reach(folder, find)


def read_parts(path: str, read: Callable[[IO[bytes]], Result], *, reads_on: bool = True) -> Result:
    """Return what `read(file)` returns for a file; of one at an address, only what is read is fetched.

    Args:
        path: a path or an address.
        read: reads and seeks in the open file.
        reads_on: whether most reads begin where the one before ended.

    Raises:
        FileNotFoundError: there is none.
        StorageError: an address cannot be reached, or its server gives no parts of files.
    """
    if not is_address(path):
        with Path(path).open("rb") as file:
            return read(file)

    def read_there(system: Any, place: str) -> Result:
        options = {} if reads_on else {"cache_type": "none"}
        with system.open(place, "rb", block_size=_BLOCK_BYTES, **options) as file:
            try:
                return read(file)
            except ValueError as error:
                if isinstance(error, SeqconvError):
                    raise
                raise StorageError(
                    f"{path}: its server gives no parts of files ({error}). Copy the file to this machine"
                ) from error

    return reach(path, read_there)
