"""Readers of `.npy` and `.npz` files of unknown origin: nothing is unpickled, and no header makes us allocate
memory."""

import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from seqconv.files import is_bomb

# What a damaged file makes NumPy and zipfile raise besides ValueError and OSError.
_DAMAGE = (
    AttributeError, EOFError, IndexError, KeyError, MemoryError, NotImplementedError, OverflowError, RuntimeError,
    SyntaxError, TypeError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def load_npy(path: str | Path, *, mapped: bool = False) -> npt.NDArray[Any]:
    """Load the array in a `.npy` file, in memory or mapped read-only.

    Raises:
        ValueError: it is no plain array: of another format, damaged, shorter than its header says, or made of Python
            objects. The message is the reason, without the path.
        OSError: the file cannot be read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.npy"
    >>> np.save(path, np.arange(3))
    >>> load_npy(path)
    array([0, 1, 2])
    """
    with _damage_as_value_error():
        with Path(path).open("rb") as file:
            _check_header(file, os.fstat(file.fileno()).st_size)
        values: npt.NDArray[Any] = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
        return values


def load_npz(path: str | Path, key: str | None = None) -> npt.NDArray[Any]:
    """Load the array `key` of an `.npz` archive, or its only one.

    Raises:
        LookupError: there is no such array, or there are several and no `key`; `args` are the names.
        ValueError, OSError: as for `load_npy`.
    """
    with _damage_as_value_error():
        archive = zipfile.ZipFile(path)
    with archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if key not in members and (key is not None or len(members) != 1):
            raise LookupError(*members)
        return _read_member(archive, members[next(iter(members)) if key is None else key])


def load_arrays(path: str | Path) -> dict[str, npt.NDArray[Any]]:
    """Load all arrays of an `.npz` archive, by name.

    Raises:
        ValueError, OSError: as for `load_npy`.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.npz"
    >>> np.savez(path, first=np.arange(3))
    >>> load_arrays(path)
    {'first': array([0, 1, 2])}
    """
    with _damage_as_value_error():
        archive = zipfile.ZipFile(path)
    with archive:
        return {info.filename.removesuffix(".npy"): _read_member(archive, info) for info in archive.infolist()}


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[Any]:
    if is_bomb(info):
        raise ValueError(f"'{info.filename}' unpacks from {info.compress_size} to {info.file_size} bytes")
    with _damage_as_value_error():
        with archive.open(info) as member:
            _check_header(member, info.file_size)
        with archive.open(info) as member:
            values: npt.NDArray[Any] = npy_format.read_array(member, allow_pickle=False)
            return values


def _check_header(file: IO[bytes], size: int) -> None:
    version = npy_format.read_magic(file)
    read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, and unpickling them could run any code")
    declared, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if min(shape, default=1) < 0 or declared > there:
        raise ValueError(f"its header declares {dtype} of shape {shape}, {declared} bytes, but only {there} follow")


@contextmanager
def _damage_as_value_error() -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(f"it is damaged ({error})") from error
