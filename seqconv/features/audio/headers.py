"""Sizes in the headers of uncompressed recordings: libsndfile takes the bytes that follow for all there was."""

import re
import struct
from typing import IO, NamedTuple

from seqconv.errors import AudioError
from seqconv.features.audio.counts import find_samples

# A damaged file may hold any number of empty chunks.
_MOST_CHUNKS = 1000
# What writers put down that cannot go back to their header, such as a pipe: near 2 or 4 GiB (sox in AIFF: 0x7F000000),
# less what they believe the header to take, or rounded to blocks. A recording of exactly such a size looks the same.
_OPEN_ENDS = ((0x7EFF_0000, 0x7F01_0000), (0x7FFF_0000, 0x8001_0000), (0xFFFF_0000, 0x1_0000_0000))
_OPEN_END_OF_64_BITS = 1 << 62
# Behind the samples: zeros up to a full sector; or chunks, whose names are words, and whose sizes fit. Of a last chunk
# that was cut off, the name must be a common one.
_MOST_PADDING = 4096
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_ ]{3}|\(c\) |\xa9...", re.DOTALL)
_COMMON = re.compile(
    rb"LIST|INFO|id3 |ID3|TAG|APETAGEX|cue |smpl|bext|iXML|fact|PEAK|JUNK|_PMX|NAME|AUTH|ANNO|COMT|free"
)


class DataSize(NamedTuple):
    """Bytes of samples: as many as the header declares, and as many as the file has from there on.

    `in_packets`: samples of each channel, where a table of packets declares them.
    """

    declared: int
    there: int
    in_packets: int | None = None


class _Layout(NamedTuple):
    """The order of chunks in a format: `prefix` bytes of the one named `data` come before the samples."""

    first: int
    order: str
    id_bytes: int
    size_bytes: int
    size_has_header: bool
    alignment: int
    data: bytes
    prefix: int

    @property
    def head(self) -> int:
        """Bytes of name and size of a chunk."""
        return self.id_bytes + self.size_bytes


_RIFF = _Layout(12, "<", 4, 4, False, 2, b"data", 0)
_LAYOUTS = {
    b"RIFF": _RIFF,
    b"RIFX": _RIFF._replace(order=">"),
    b"RF64": _RIFF,
    b"BW64": _RIFF,
    b"FORM": _Layout(12, ">", 4, 4, False, 2, b"SSND", 8),
    b"riff": _Layout(40, "<", 16, 8, True, 8, b"data", 0),
    b"caff": _Layout(8, ">", 4, 8, False, 1, b"data", 4),
}
_PACKETS = _LAYOUTS[b"caff"]._replace(data=b"pakt", prefix=0)
_AMIGA = _Layout(12, ">", 4, 4, False, 2, b"BODY", 0)


def read_data_size(file: IO[bytes], size: int) -> DataSize | None:
    """Return the bytes of samples in a file of `size` bytes: WAV, RF64, W64, AIFF, SVX, CAF, or one without chunks.

    Returns:
        None where no header says it: another format, no chunk of samples, or one whose end its writer left open (but
        for 0, which libsndfile takes as it stands).

    Raises:
        AudioError: what follows the samples cannot belong there. It does not name the file.

    >>> import io
    >>> header = b"RIFF" + struct.pack("<I", 136) + b"WAVE" + b"data" + struct.pack("<I", 100)
    >>> read_data_size(io.BytesIO(header + bytes(40)), len(header) + 40)[:2]
    (100, 40)
    """
    head = file.read(12)
    layout = _AMIGA if head[8:] in (b"8SVX", b"16SV") else _LAYOUTS.get(head[:4])
    place = find_samples(file, size) if layout is None else _find_data(file, layout)
    if place is None:
        return None
    start, declared = place
    if _is_open(declared) or size <= start:
        return None
    if 0 < declared < size - start:
        _check_rest(file, start + declared, size, layout)
    return DataSize(declared, size - start, _count_in_packets(file, layout))


def _count_in_packets(file: IO[bytes], layout: _Layout | None) -> int | None:
    """Return the samples of each channel that the table of packets of a CAF declares; None where there is none."""
    place = _find_data(file, _PACKETS) if layout is _LAYOUTS[b"caff"] else None
    if place is None:
        return None
    file.seek(place[0] + 8)
    return int.from_bytes(file.read(8), "big")


def _check_rest(file: IO[bytes], place: int, size: int, layout: _Layout | None) -> None:
    """Check that chunks, tags or some zeros follow the samples, which the header ends at `place`.

    Raises:
        AudioError: it is something else; more samples, perhaps, or another recording.
    """
    # A byte that makes the size even is missing in some files.
    starts = {place} if layout is None else {place, -(-place // layout.alignment) * layout.alignment}
    file.seek(place)
    rest = file.read(_MOST_PADDING + 1)
    is_padding = len(rest) <= _MOST_PADDING and not rest.strip(b"\0")
    if is_padding or any(_is_chunk(rest[start - place :], size - start, layout) for start in starts):
        return
    wrapped = " (a size of 32 bits holds no more than 4 GiB)" if size - place >= 1 << 32 else ""
    is_wav = layout is not None and layout.data == b"data" and layout.id_bytes == layout.size_bytes
    remedy = "ffmpeg -ignore_length 1 -i OLD.wav -rf64 auto NEW.wav" if is_wav else "write the file again"
    raise AudioError(
        f"its header ends the samples at byte {place}, but the file has {size}{wrapped}, and what follows is no part "
        "of it: either more samples, or another recording that was joined to this one. If they are more samples, "
        f"{remedy}; if not, cut the file there"
    )


def _is_chunk(rest: bytes, size: int, layout: _Layout | None) -> bool:
    """Whether `rest`, of which the file has `size` bytes, begins with a chunk or a tag, and with no more samples."""
    if layout is None or _COMMON.match(rest):
        return bool(_COMMON.match(rest))
    if len(rest) < layout.head or not _NAME.match(rest) or rest[:4] in (*_LAYOUTS, layout.data):
        return False
    return _read_size(rest, layout) + (0 if layout.size_has_header else layout.head) <= size


def _read_size(chunk: bytes, layout: _Layout) -> int:
    form = layout.order + ("I" if layout.size_bytes == 4 else "Q")
    size: int = struct.unpack(form, chunk[layout.id_bytes : layout.head])[0]
    return size


def _find_data(file: IO[bytes], layout: _Layout) -> tuple[int, int] | None:
    """Return the position at which the samples begin, and the bytes that their chunk declares."""
    start, large = layout.first, None
    head = layout.head
    for _ in range(_MOST_CHUNKS):
        file.seek(start)
        chunk = file.read(head)
        if len(chunk) < head:
            return None
        size = _read_size(chunk, layout)
        if chunk.startswith(layout.data):
            skipped = layout.prefix + (head if layout.size_has_header else 0)
            declared = large if large is not None and size == 0xFFFF_FFFF else max(size - skipped, 0)
            return start + head + layout.prefix, declared
        if chunk.startswith(b"ds64"):
            # The sizes that do not fit into 32 bits: of the file, of the samples.
            large = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))[1]
        step = size if layout.size_has_header else head + size
        start += max(-(-step // layout.alignment) * layout.alignment, head)
        if start >= _OPEN_END_OF_64_BITS:
            return None
    return None


def _is_open(declared: int) -> bool:
    is_near = any(low <= declared < high for low, high in _OPEN_ENDS)
    return is_near or declared >= _OPEN_END_OF_64_BITS
