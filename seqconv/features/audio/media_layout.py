"""The layout of files that FFmpeg reads: where damage has left a hole, it goes on behind it in silence."""

import os
import struct
from collections.abc import Callable
from typing import IO

from seqconv.errors import AudioError
from seqconv.features.audio.tags import end_of_tag

_HEAD_BYTES = 8192
# A damaged file may hold any number of empty parts.
_MOST_PARTS = 20_000_000
# Older QuickTime counts the samples in place of the packets.
_MOST_PER_BYTE = 64
_BOXES = (b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"sidx", b"mfra", b"uuid", b"meta", b"styp")
# How another recording would begin, and from which byte on.
_BEGINNINGS = {
    "mov": (b"ftyp", 4), "matroska": (b"\x1aE\xdf\xa3", 0), "avi": (b"AVI ", 8), "asf": (b"\x30\x26\xb2\x75", 0),
}  # fmt: skip
# The object of a WMA that tells the size of the file.
_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_SEGMENT, _CLUSTER = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
# Bytes of a frame of AMR, by its type: of narrow band (up to 7), and of wide band.
_AMR_BYTES = (12, 13, 15, 17, 19, 20, 26, 31, 5, 6, 5, 5, 0, 0, 0, 0)
_AMR_WB_BYTES = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0)
_AC3_KILOBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


def check_layout(file: IO[bytes], container: str) -> int:
    """Check that the parts of a file follow each other, and that it ends with them; it stays at its beginning.

    Returns:
        the packets that it must have at least, 0 where nothing says it.

    Raises:
        AudioError: it was cut off, parts of it are missing, or another recording follows. It does not name the file.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if container in _CHAINS:
        _check_chain(file, size, head, *_CHAINS[container])
    stop, num_packets = _find_end(file, container, head, size)
    if stop > size:
        raise AudioError(f"has {size} bytes, but its header declares {stop} or more; it was cut off or is damaged")
    file.seek(stop)
    magic, (beginning, offset) = file.read(12), _BEGINNINGS.get(container, (b"", 0))
    file.seek(0)
    if stop and beginning and magic[offset:].startswith(beginning):
        raise AudioError(
            f"another recording begins at byte {stop} of {size}, and only one of them would be decoded. Convert both "
            "and join them, or cut the file there"
        )
    return num_packets


def _find_end(file: IO[bytes], container: str, head: bytes, size: int) -> tuple[int, int]:
    """Return where the first recording ends, and its packets at least; 0 if nothing says it."""
    if container == "matroska":
        return _end_of_elements(file, size)
    if container == "mov":
        return _end_of_boxes(file, size), 0
    if container == "mpegts":
        # Packets, with 4 bytes before each on discs and in cameras.
        packet = 188 if head.startswith(b"G") else 192
        return -(-size // packet) * packet, 0
    if container in ("avi", "wav"):
        declared = int.from_bytes(head[4:8], "little")
        # A pipe leaves 0 or the largest size.
        return (max(8 + declared, _end_of_chunks(file, size)) if 0 < declared < 0xFFFF_0000 else 0), 0
    if container == "asf":
        place = head.find(_FILE_PROPERTIES)
        return (int.from_bytes(head[place + 40 : place + 48], "little") if place >= 0 else 0), 0
    return 0, 0


def _end_of_chunks(file: IO[bytes], size: int) -> int:
    place = 12
    for _ in range(_MOST_PARTS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or not head[:4].isascii():
            return 0
        place += 8 + int.from_bytes(head[4:], "little")
        if place > size:
            return place
        place += place % 2
    return 0


def _end_of_boxes(file: IO[bytes], size: int) -> int:
    place = 0
    for _ in range(_MOST_PARTS):
        file.seek(place)
        head = file.read(16)
        if place and head[4:8] == b"ftyp":
            return place
        if len(head) < 8 or head[4:8] not in _BOXES:
            # What other programs put behind, or a box whose head was cut off.
            return size + 1 if 0 < len(head.rstrip(b"\0")) < 8 else 0
        own = int.from_bytes(head[:4], "big")
        own = int.from_bytes(head[8:16], "big") if own == 1 else own
        if own < 8 or place + own > size:
            # 0: to the end of the file.
            return place + own if own else 0
        if head[4:8] == b"moov":
            file.seek(place)
            _check_tables(file.read(own), size)
        place += own
    return 0


def _check_tables(moov: bytes, size: int) -> None:
    """Check that the tables of packets declare no more of them than a file of `size` bytes holds.

    FFmpeg takes memory for as many.

    Raises:
        AudioError: they do. It does not name the file.
    """
    for name in (b"stsz", b"stts"):
        place = moov.find(name)
        while place >= 0:
            first, second = struct.unpack(">II", moov[place + 8 : place + 16].ljust(8, b"\0"))
            if name == b"stsz":
                num_packets = second
            else:
                table = moov[place + 12 : place + 12 + 8 * first]
                num_packets = sum(count for count, _ in struct.iter_unpack(">II", table[: len(table) // 8 * 8]))
            if num_packets > size * _MOST_PER_BYTE:
                raise AudioError(f"its header declares {num_packets} packets, more than {size} bytes can hold")
            place = moov.find(name, place + 4)


def _end_of_elements(file: IO[bytes], size: int) -> tuple[int, int]:
    """Return where the segment of a Matroska file ends (RFC 9559), 0 if it was written live; and its blocks.

    Raises:
        AudioError: an element does not end where those around it say.
    """
    place, ends, end, num_blocks = 0, list[int](), 0, 0
    for _ in range(_MOST_PARTS):
        while ends and place == ends[-1]:
            ends.pop()
        if end and not ends:
            break
        if place >= size:
            break
        file.seek(place)
        head = file.read(12)
        name, length, is_open = _read_element(head)
        limit = ends[-1] if ends else size
        if not name or (place + length > limit and limit < size):
            raise AudioError(f"no whole element of Matroska begins at byte {place} of {size}; it is damaged")
        inside = place + len(name) + _width(head[len(name) :])
        if name == _SEGMENT:
            end = 0 if is_open else place + length
            ends += [] if is_open else [end]
        elif name == _CLUSTER and not is_open:
            ends.append(place + length)
        is_master = name in (_SEGMENT, _CLUSTER)
        if place + length > size and not is_open:
            return end or place + length, 0
        place = inside if is_master or is_open else place + length
        num_blocks += name in (b"\xa0", b"\xa3")
    return end, num_blocks


def _read_element(head: bytes) -> tuple[bytes, int, bool]:
    """Return the name of an element, its bytes with its head, and whether its end is open; no name: it is none."""
    name = head[: _width(head)]
    if not name or len(name) > 4:
        return b"", 0, False
    coded = head[len(name) : len(name) + _width(head[len(name) :])]
    if not coded or len(coded) > 8:
        return b"", 0, False
    most = (1 << 7 * len(coded)) - 1
    length = int.from_bytes(coded, "big") & most
    return name, len(name) + len(coded) + length, length == most


def _width(coded: bytes) -> int:
    """Return how many bytes a number of variable length has; 9 where none begins."""
    return 9 - coded[0].bit_length() if coded else 9


def _check_chain(file: IO[bytes], size: int, head: bytes, first: int, num_bytes: Callable[[bytes, bytes], int]) -> None:
    """Check that a frame or a tag begins wherever one ends, up to the end of the file."""
    # After "#!AMR\n", or "#!AMR-WB\n".
    place = head.find(b"\n") + 1 if head.startswith(b"#!AMR") else first
    for _ in range(_MOST_PARTS):
        file.seek(place)
        part = file.read(32)
        if not part or part.startswith(b"TAG"):
            return
        own = num_bytes(part, head) or end_of_tag(part, 0, size)
        if own < 1:
            raise AudioError(
                f"no frame begins at byte {place} of {size}; it is damaged, or something else was put there. Try "
                "ffmpeg -i OLD NEW.wav"
            )
        place += own
        if place > size:
            raise AudioError("ends within a frame; it was cut off. To keep the rest: ffmpeg -i OLD NEW.wav")


def _adts_bytes(part: bytes, head: bytes) -> int:
    is_frame = len(part) > 6 and part[0] == 0xFF and part[1] & 0xF6 == 0xF0
    return (part[3] & 3) << 11 | part[4] << 3 | part[5] >> 5 if is_frame else 0


def _amr_bytes(part: bytes, head: bytes) -> int:
    is_wide = head.startswith(b"#!AMR-WB\n")
    # Some recorders write zeros for nothing; the bits around the type are else 0 0 1.
    if part[0] & 0x83:
        return 0
    return 1 + (_AMR_WB_BYTES if is_wide else _AMR_BYTES)[part[0] >> 3 & 15]


def _ac3_bytes(part: bytes, head: bytes) -> int:
    if not part.startswith(b"\x0bw") or len(part) < 6:
        return 0
    if part[5] >> 3 > 10:
        # E-AC-3 counts words.
        return 2 * ((part[2] & 7) << 8 | part[3]) + 2
    rate, code = (48000, 44100, 32000, 0)[part[4] >> 6], part[4] & 63
    if not rate or code >= 2 * len(_AC3_KILOBITS):
        return 0
    return 2 * (_AC3_KILOBITS[code // 2] * 96_000 // rate + (code & 1 if rate == 44100 else 0))


def _flv_bytes(part: bytes, head: bytes) -> int:
    return 15 + int.from_bytes(part[1:4], "big") if part[0] & 0x1F in (8, 9, 18) and len(part) > 4 else 0


def _wavpack_bytes(part: bytes, head: bytes) -> int:
    return 8 + int.from_bytes(part[4:8], "little") if part.startswith(b"wvpk") else 0


# Where the first frame begins, and how many bytes one has.
_CHAINS: dict[str, tuple[int, Callable[[bytes, bytes], int]]] = {
    "aac": (0, _adts_bytes), "amr": (0, _amr_bytes), "ac3": (0, _ac3_bytes),
    "eac3": (0, _ac3_bytes), "flv": (13, _flv_bytes), "wv": (0, _wavpack_bytes),
}  # fmt: skip
