"""Pages of Ogg files: each has a checksum and a number, and the last one says that it is (RFC 3533)."""

import struct
import zlib
from typing import Any, NamedTuple

from seqconv.errors import AudioError
from seqconv.features.audio import opus

_HEAD = struct.Struct("<4sBBqIIIB")
_BEGINS, _ENDS = 2, 4
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


class _Page(NamedTuple):
    flags: int
    granule: int
    stream: int
    number: int
    place: int
    body: int
    stop: int


def check_pages(data: Any, first: int, size: int) -> bytes | None:
    """Check that the file `data` of `size` bytes holds one whole recording, whose pages begin at `first`.

    libsndfile passes over damaged pages, takes the last one that is there for the end, and reads no second recording.

    Returns:
        None; or what to decode in place of the file, a short Opus recording whose end is not marked at its only page.

    Raises:
        AudioError: pages are damaged or missing, the end is, or another recording follows. It does not name the file.
    """
    begun: dict[int, int] = {}
    ended: set[int] = set()
    place, found = first, list[_Page]()
    while place < size:
        page = _read_page(data, place, size)
        if page is None:
            if begun.keys() == ended and data.find(b"OggS", place, size) < 0:
                # Something else was put behind the recording, which is whole.
                break
            raise AudioError(f"no whole Ogg page begins at byte {place} of {size}; it was cut off or is damaged")
        if page.flags & _BEGINS and (ended or page.stream in begun):
            raise AudioError(
                f"another recording begins at byte {place} of {size} (a chained Ogg file), and only the first would be "
                "decoded. Make one of them: ffmpeg -i OLD.ogg NEW.wav"
            )
        expected = 0 if page.flags & _BEGINS else begun.get(page.stream, -2) + 1
        if page.number != expected or page.stream in ended:
            raise AudioError(f"an Ogg page is missing before byte {place}; the file is damaged")
        begun[page.stream] = page.number
        if page.flags & _ENDS:
            ended.add(page.stream)
        place = page.stop
        found = [*found[:4], page]
    if _is_unmarked(data, found):
        page = found[2]
        before: bytes = data[first : page.place]
        return before + _sealed(data[page.place : page.stop], page.flags | _ENDS)
    if begun.keys() != ended:
        raise AudioError(
            "its last Ogg page is not marked as the end; it was cut off. To keep the rest: ffmpeg -i OLD.ogg NEW.wav"
        )
    return None


def _is_unmarked(data: Any, pages: list[_Page]) -> bool:
    """Whether these are the pages of a short Opus recording: head, comments, sound, and maybe an empty one."""
    is_short = len(pages) == 3 or (len(pages) == 4 and pages[3].body == pages[3].stop)
    if not is_short or data[pages[0].body : pages[0].body + 8] != b"OpusHead" or pages[2].flags & _ENDS:
        return False
    page = pages[2]
    parts = data[page.place + _HEAD.size : page.body]
    return opus.ends_within(parts, data[page.body : page.stop], page.granule)


def _sealed(page: bytes, flags: int) -> bytes:
    """Return a page with other flags, and their checksum."""
    page = page[:5] + bytes([flags]) + page[6:22] + bytes(4) + page[26:]
    return page[:22] + struct.pack("<I", _checksum(page)) + page[26:]


def _read_page(data: Any, place: int, size: int) -> _Page | None:
    head = data[place : place + _HEAD.size]
    if len(head) < _HEAD.size or not head.startswith(b"OggS"):
        return None
    _, _, flags, granule, stream, number, checksum, num_parts = _HEAD.unpack(head)
    body = place + _HEAD.size + num_parts
    stop = body + sum(data[place + _HEAD.size : body])
    if stop > size:
        return None
    # The checksum counts as zero.
    page = data[place : place + 22] + bytes(4) + data[place + 26 : stop]
    return _Page(flags, granule, stream, number, place, body, stop) if _checksum(page) == checksum else None


def _checksum(page: bytes) -> int:
    """Compute the checksum of Ogg: that of zlib, with the bits of each byte, and of the sum, in reverse.

    >>> hex(_checksum(b"123456789"))
    '0x89a1897f'
    """
    reverse = zlib.crc32(page.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(reverse.to_bytes(4, "little").translate(_REVERSED), "big")
