"""Compressed recordings (Ogg, FLAC, MP3) as their own pages and frames say: nothing is decoded."""

import mmap
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple

from seqconv.errors import AudioError
from seqconv.features.audio import flac, mpeg, ogg
from seqconv.features.audio.containers import HEAD_BYTES, find_container, find_encoding
from seqconv.features.audio.headers import read_data_size
from seqconv.features.audio.mpeg_headers import read_header
from seqconv.features.audio.splicing import Span, SplicedFile
from seqconv.features.audio.tags import skip_tags, skip_zeros

# In ns. A file that changes again within the resolution of its time would look the same.
_TICK = 2_000_000_000


class Stream(NamedTuple):
    """A file to decode: the one on disk, or `head` and `spans` of it; `num_samples` where the decoder may not know.

    `is_whole`: whether pages or frames were looked at, and none is damaged or missing. `container`: FFmpeg's name of
    the format, if libsndfile does not read it (`is_for_ffmpeg`) or may not.
    """

    is_whole: bool = False
    num_samples: int | None = None
    head: bytes = b""
    spans: tuple[Span, ...] = ()
    container: str | None = None
    is_for_ffmpeg: bool = False

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
        is_wav = head.startswith(b"RIFF") and head[8:12] + head[20:22] in (b"WAVE\x50\0", b"WAVE\x55\0")
        is_stream = size >= 4 and head[:1] in (b"O", b"f", b"I", b"\xff", b"\0")
        if container is not None or not (is_wav or is_stream):
            return Stream(container=container or find_encoding(head), is_for_ffmpeg=container is not None)
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as data:
            try:
                return _scan_wav(file, data, size) if is_wav else _scan(data, size)
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
        container = find_container(data[first : first + HEAD_BYTES])
        return Stream(container=container, is_for_ffmpeg=container is not None)
    frames = mpeg.scan_frames(data, first, size)
    return Stream(True) if frames.is_told else Stream(True, frames.num_samples, frames.head, frames.spans)


def _scan_wav(file: IO[bytes], data: mmap.mmap, size: int) -> Stream:
    """Scan the MP3 in a WAV, of which libsndfile only estimates the length."""
    file.seek(0)
    found = read_data_size(file, size)
    if found is None:
        return Stream()
    if found.there < found.declared:
        raise AudioError(
            f"has {found.there} bytes of samples, but its header declares {found.declared}; it was cut off"
        )
    first = size - found.there
    stop = first + found.declared
    frames = mpeg.scan_frames(data, first, stop)
    if frames.is_told:
        return Stream(True, spans=(Span(first, stop),))
    return Stream(True, frames.num_samples, frames.head, frames.spans)
