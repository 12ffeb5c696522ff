"""The end of FLAC files: the last frame says where it is (RFC 9639), while the header need not know its number."""

import struct
from typing import Any, NamedTuple

from seqconv.errors import AudioError

_BLOCK = {1: 192, 2: 576, 3: 1152, 4: 2304, 5: 4608, **{code: 256 << (code - 8) for code in range(8, 16)}}
_JOINED = b"fLaC\0\0\0\x22"


class FlacStream(NamedTuple):
    """`num_samples`: up to the end of the last frame. `head`: a header that declares them; None where it does."""

    num_samples: int
    head: bytes | None


def _table(polynomial: int, bits: int) -> tuple[int, ...]:
    values = []
    for value in range(256):
        rest = value << bits - 8
        for _ in range(8):
            rest = rest << 1 ^ (polynomial if rest >> bits - 1 & 1 else 0)
        values.append(rest & (1 << bits) - 1)
    return tuple(values)


_CRC8, _CRC16 = _table(0x107, 8), _table(0x18005, 16)


def scan_end(data: Any, first: int, size: int) -> FlacStream | None:
    """Find the end of a FLAC file that begins at byte `first` and has `size` bytes; None if it has no frames.

    Raises:
        AudioError: it was cut off, or another recording follows. It does not name the file.
    """
    head = data[first : first + 42]
    if len(head) < 42 or head[4] & 0x7F:
        return None
    declared = int.from_bytes(head[21:26], "big") & 0xF_FFFF_FFFF
    rate = int.from_bytes(head[18:21], "big") >> 4
    place = data.find(_JOINED, first + 4, size)
    if place >= 0:
        raise AudioError(
            f"another FLAC recording begins at byte {place} of {size}, and only the first would be decoded. Make one "
            "of them: ffmpeg -i OLD.flac NEW.wav; or cut the file there"
        )
    start = _end_of_metadata(data, first + 4, size)
    last = None if start is None else _find_last_frame(data, start, size, int.from_bytes(head[10:12], "big"))
    if last is None:
        return None
    place, stop = last
    if declared == 0 and not _is_whole(data, place, size):
        raise AudioError("ends within its last frame; it was cut off or is damaged")
    if declared and stop != declared:
        seconds = (number / max(rate, 1) for number in (stop, declared))
        raise AudioError(
            "ends after {:.6g} s, but its header declares {:.6g} s; it was cut off or is damaged".format(*seconds)
        )
    number = int.from_bytes(head[18:26], "big") | stop
    return FlacStream(stop, None if declared else head[:18] + number.to_bytes(8, "big") + head[26:])


def _end_of_metadata(data: Any, place: int, size: int) -> int | None:
    while place + 4 <= size:
        (head,) = struct.unpack(">I", data[place : place + 4])
        place += 4 + (head & 0xFF_FFFF)
        if head >> 31:
            return place if place + 6 <= size else None
    return None


def _find_last_frame(data: Any, start: int, size: int, block_size: int) -> tuple[int, int] | None:
    """Return the place of the last frame's header, and the samples up to the end of that frame."""
    sync = data[start : start + 2]
    if sync not in (b"\xff\xf8", b"\xff\xf9"):
        return None
    # All frames of a file have the rate, and the width of samples, of its first.
    rate, width = data[start + 2] & 0x0F, data[start + 3] & 0x0F
    place = size
    while place > start:
        place = data.rfind(sync, start, place)
        if place < 0:
            return None
        head = data[place : place + 16]
        if len(head) > 5 and (head[2] & 0x0F, head[3] & 0x0F) == (rate, width):
            stop = _samples_to_end(head, block_size)
            if stop is not None:
                return place, stop
    return None


def _samples_to_end(head: bytes, block_size: int) -> int | None:
    """Return the samples up to the end of the frame with this header; None if it is no header of a frame."""
    length = 1 if head[4] < 0x80 else 8 - (head[4] ^ 0xFF).bit_length()
    if 0x80 <= head[4] < 0xC0 or length > 7:
        return None
    number = head[4] if length == 1 else head[4] & (1 << 7 - length) - 1
    for value in head[5 : 4 + length]:
        if value >> 6 != 2:
            return None
        number = number << 6 | value & 0x3F
    place, code = 4 + length, head[2] >> 4
    own = _BLOCK.get(code, 0)
    if code in (6, 7):
        own = int.from_bytes(head[place : place + code - 5], "big") + 1
        place += code - 5
    place += {12: 1, 13: 2, 14: 2}.get(head[2] & 0x0F, 0)
    if not own or place >= len(head) or _crc(_CRC8, head[:place]) != head[place]:
        return None
    return number + own if head[1] & 1 else number * block_size + own


def _is_whole(data: Any, place: int, size: int) -> bool:
    """Whether a frame reaches to the end of the file, or to a tag of 128 bytes there."""
    for stop in (size, size - 128) if data[max(size - 128, 0) : size].startswith(b"TAG") else (size,):
        rest = 0
        for value in data[place:stop]:
            rest = (rest << 8 ^ _CRC16[rest >> 8 ^ value]) & 0xFFFF
        if rest == 0:
            return True
    return False


def _crc(table: tuple[int, ...], data: bytes) -> int:
    rest = 0
    for value in data:
        rest = table[rest ^ value]
    return rest
