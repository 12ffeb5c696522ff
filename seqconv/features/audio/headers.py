"""Sizes in the headers of uncompressed recordings: libsndfile takes the bytes that follow for all there was."""

import struct
from typing import IO, NamedTuple

# A damaged file may hold any number of empty chunks.
_MOST_CHUNKS = 1000
# What writers put down that cannot go back to their header, such as a pipe: near 2 or 4 GiB (sox in AIFF: 0x7F000000),
# less what they believe the header to take, or rounded to blocks. A recording of exactly such a size looks the same.
_OPEN_ENDS = ((0x7EFF_0000, 0x7F01_0000), (0x7FFF_0000, 0x8001_0000), (0xFFFF_0000, 0x1_0000_0000))
_OPEN_END_OF_64_BITS = 1 << 62


class DataSize(NamedTuple):
    """Bytes of samples: as many as the header declares, and as many as the file really has."""

    declared: int
    there: int


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
_SUN = {b".snd": ">", b"dns.": "<"}


def read_data_size(file: IO[bytes], size: int) -> DataSize | None:
    """Return the bytes of samples in a file of `size` bytes: WAV, RF64, W64, AIFF, AU or CAF.

    Returns:
        None where no header says it: another format, no chunk of samples, or one whose end its writer left open (but
        for 0, which libsndfile takes as it stands).

    >>> import io
    >>> header = b"RIFF" + struct.pack("<I", 136) + b"WAVE" + b"data" + struct.pack("<I", 100)
    >>> read_data_size(io.BytesIO(header + bytes(40)), len(header) + 40)
    DataSize(declared=100, there=40)
    """
    magic = file.read(4)
    place = _find_data(file, _LAYOUTS[magic]) if magic in _LAYOUTS else None
    if magic in _SUN:
        place = struct.unpack(_SUN[magic] + "II", file.read(8).ljust(8, b"\0"))
    if place is None:
        return None
    start, declared = place
    return None if _is_open(declared) or size <= start else DataSize(declared, size - start)


def _find_data(file: IO[bytes], layout: _Layout) -> tuple[int, int] | None:
    """Return the position at which the samples begin, and the bytes that their chunk declares."""
    start, large = layout.first, None
    head = layout.id_bytes + layout.size_bytes
    for _ in range(_MOST_CHUNKS):
        file.seek(start)
        chunk = file.read(head)
        if len(chunk) < head:
            return None
        (size,) = struct.unpack(layout.order + ("I" if layout.size_bytes == 4 else "Q"), chunk[layout.id_bytes :])
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
