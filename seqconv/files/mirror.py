"""Copies of a folder at an address, each whole or not there: its files first, then the list that names them.

Until the folder is finished, a file is stored under its digest below `unfinished/`, so that no file of the list is ever
written over; at the end, all have their own names.
"""

import hashlib
import json
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from seqconv.errors import StorageError
from seqconv.files.addresses import is_address, is_web, tar_member
from seqconv.files.connections import reach

LIST = "files.json"
"""The list of the files of a copy: a copy without it, or with files that differ from it, is not whole."""
FORMAT_VERSION = 1
_PARTS = "unfinished"


@dataclass(frozen=True)
class ListedFile:
    """A file of a copy: its place below the address, its size in bytes, and the hash of its content."""

    at: str
    size: int
    digest: str


def check_target(address: str) -> None:
    """Check that folders can be copied to an address.

    Raises:
        ValueError: it is no address, or one that is only read.
    """
    if not is_address(address):
        raise ValueError("expected an address such as s3://bucket/runs/a; runs are written to this machine anyway")
    if is_web(address) or tar_member(address):
        raise ValueError("can be read, but not written to. Name a store, such as s3://bucket/runs/a")


def read_list(address: str) -> dict[str, ListedFile] | None:
    """Return the files of the copy at an address by their names in the folder; None if there is no copy.

    Raises:
        StorageError: it cannot be reached, or its list cannot be read.
    """
    try:
        text = reach(f"{address}/{LIST}", lambda system, place: system.cat_file(place))
    except FileNotFoundError:
        return None
    try:
        content = json.loads(text)
        if content["format_version"] != FORMAT_VERSION:
            raise StorageError(f"{address}: its list has format {content['format_version']}. Use a newer seqconv")
        listed = {name: ListedFile(**entry) for name, entry in content["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"{address}: '{LIST}' is no list of a copy that seqconv has written ({error})") from error
    for name in (*listed, *(each.at for each in listed.values())):
        _check_name(name, address)
    return listed


def _check_name(name: str, address: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or set("\\:\0") & set(name):
        raise StorageError(f"{address}: its list names '{name}', which is no place within the folder")


class FolderMirror:
    """A copy of a folder at an address; `listed` are its files as they are there now, by their names."""

    def __init__(self, folder: Path, address: str) -> None:
        self._folder, self.address = folder, address.rstrip("/")
        self.listed = read_list(self.address) or {}

    def update(self, *, is_finished: bool) -> None:
        """Copy what has changed; files and folders whose names begin with a dot are left out.

        Raises:
            StorageError: the address cannot be reached, or not be written to.
        """
        there = {entry.at: entry for entry in self.listed.values()}
        wanted: dict[str, ListedFile] = {}
        for path in sorted(self._folder.rglob("*")):
            name = path.relative_to(self._folder)
            if path.is_file() and not any(part.startswith(".") for part in name.parts):
                entry = _describe(path, None if not is_finished else name.as_posix())
                if there.get(entry.at) != entry:
                    entry = self._upload(path, entry, is_finished)
                wanted[name.as_posix()] = entry
        if wanted == self.listed:
            return
        self._write_list(wanted)
        kept = {entry.at for entry in wanted.values()}
        for at in there.keys() - kept:
            reach(f"{self.address}/{at}", _remove)

    def claim(self) -> None:
        """Write an empty list, which shows whether the address can be written to."""
        self._write_list({})

    def _upload(self, path: Path, entry: ListedFile, is_finished: bool) -> ListedFile:
        while True:
            reach(f"{self.address}/{entry.at}", lambda system, place: system.put_file(str(path), place))
            now = _describe(path, entry.at if is_finished else None)
            # A log that was written to meanwhile may be there with more than was hashed.
            if now == entry:
                return entry
            entry = now

    def _write_list(self, listed: dict[str, ListedFile]) -> None:
        files = {name: vars(entry) for name, entry in listed.items()}
        text = json.dumps({"format_version": FORMAT_VERSION, "files": files}, indent=1) + "\n"
        reach(f"{self.address}/{LIST}", lambda system, place: system.pipe_file(place, text.encode()))
        self.listed = listed


def _describe(path: Path, at: str | None) -> ListedFile:
    digest = hash_file(path)
    return ListedFile(at or f"{_PARTS}/{digest}-{path.name}", path.stat().st_size, digest)


def _remove(system: Any, place: str) -> None:
    # Another process may have removed it, too.
    if system.exists(place):
        system.rm_file(place)


def hash_file(path: Path) -> str:
    """Return the hash of the content of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def download(address: str, folder: Path) -> None:
    """Make a folder out of its copy at an address; it has its name when all of it is there.

    Raises:
        FileNotFoundError: there is no copy.
        StorageError: the address cannot be reached, or a file there is not the one that the list names.
    """
    address = address.rstrip("/")
    listed = read_list(address)
    if not listed:
        raise FileNotFoundError(f"{address}: holds no copy of a folder ('{LIST}' is missing, or lists no file)")
    partial = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        for name, entry in listed.items():
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            _fetch_listed(f"{address}/{entry.at}", entry, path)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fetch_listed(place: str, entry: ListedFile, path: Path) -> None:
    try:
        reach(place, lambda system, inner: system.get_file(inner, str(path)))
    except FileNotFoundError as error:
        raise StorageError(f"{place}: is missing, though the list of the copy names it") from error
    if (path.stat().st_size, hash_file(path)) != (entry.size, entry.digest):
        raise StorageError(f"{place}: is not the file that the list of the copy names; it is being written. Try again")
