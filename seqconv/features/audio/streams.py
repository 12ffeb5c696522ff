"""Compressed recordings (Ogg, FLAC, MP3) as their own pages and frames say: nothing is decoded."""

import mmap
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from seqconv.errors import AudioError
from seqconv.features.audio import flac, mpeg, ogg
from seqconv.features.audio.containers import HEAD_BYTES, find_container
from seqconv.features.audio.mpeg_headers import read_header
from seqconv.features.audio.splicing import Span, SplicedFile
from seqconv.features.audio.tags import skip_tags, skip_zeros

# In ns. A file that changes again within the resolution of its time would look the same.
_TICK = 2_000_000_000


class Stream(NamedTuple):
    """A file to decode: the one on disk, or `head` and `spans` of it; `num_samples` where the decoder may not know.

    `is_whole`: whether pages or frames were looked at, and none is damaged or missing. `container`: FFmpeg's name of
    a format that libsndfile does not read, or, of a whole file, of one of which it does not read all kinds.
    """

    is_whole: bool = False
    num_samples: int | None = None
    head: bytes = b""
    spans: tuple[Span, ...] = ()
    container: str | None = None

    def splice(self, path: Path) -> SplicedFile | None:
        """Open the file to decode; None: it is the one on disk."""
        return SplicedFile(path, self.head, self.spans) if self.head or self.spans else None


def scan_stream(path: Path, size: int, modified: int) -> Stream:
    """Scan the file at `path`, of `size` bytes and changed at `modified` ns; only Ogg, FLAC and MP3 say something.

    Windows and chunks open one recording many times: what was found is kept.

    Raises:
        AudioError: it is damaged, was cut off, or holds several recordings. It does not name the file.
        OSError: it cannot be read.
    """
    # By name: what is kept must not keep a copy of a file elsewhere, too.
    found = (_scan_file if is_settled(modified) else _scan_file.__wrapped__)(os.fspath(path), size, modified)
    if isinstance(found, str):
        raise AudioError(found)
    return found


def is_settled(modified: int) -> bool:
    """Whether a file that was changed at `modified` ns will have another time when it changes again."""
    return time.time_ns() - modified > _TICK


@lru_cache(maxsize=64)
def _scan_file(path: str, size: int, modified: int) -> Stream | str:
    """Return what is in the file, or what is wrong with it, which is kept, too."""
    with Path(path).open("rb") as file:
        head = file.read(HEAD_BYTES)
        container = find_container(head)
        if container is not None or size < 4 or head[:1] not in (b"O", b"f", b"I", b"\xff", b"\0"):
            return Stream(container=container)
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
            try:
                return _scan(data, size)
            except AudioError as error:
                return str(error)


def _scan(data: mmap.mmap, size: int) -> Stream:
    first = skip_zeros(data, skip_tags(data, 0, size), size)
    magic = data[first : first + 4]
    if magic == b"OggS":
        return Stream(is_whole=True, head=ogg.check_pages(data, first, size) or b"", container="ogg")
    if magic == b"fLaC":
        end = flac.scan_end(data, first, size)
        if end is None or end.head is None:
            return Stream(is_whole=end is not None)
        return Stream(True, end.num_samples, end.head, (Span(first + len(end.head), size),))
    if read_header(magic) is None:
        return Stream(container=find_container(data[first : first + HEAD_BYTES]))
    frames = mpeg.scan_frames(data, first, size)
    return Stream(True) if frames.is_told else Stream(True, frames.num_samples, frames.head, frames.spans)
