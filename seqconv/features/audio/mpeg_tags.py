"""Frames without sound that tell the length of an MP3: Info or Xing, of LAME and others, and VBRI."""

import struct
from typing import Any, NamedTuple

from seqconv.features.audio.mpeg_headers import Frame, read_header

# What libmpg123 leaves out at the beginning of a file with an Info frame, besides what that one says: the delay of
# every decoder of layer III.
_DECODER_DELAY = 529
_VBRI_PLACE = 36
# What an Info frame has behind its name and flags, by flag: number of frames, of bytes, places to seek, quality.
_FIELDS = {1: 4, 2: 4, 4: 100, 8: 4}
# From there on: who wrote it (these are believed, as by FFmpeg); what the encoder added at both ends, 12 bits each; the
# checksum of all before.
_WRITERS = (b"LAME", b"Lavf", b"Lavc")
_ADDED, _CHECKSUM = 21, 34
_INFO_BYTES = 64


class InfoFrame(NamedTuple):
    """A frame that tells the length.

    `num_frames`: as declared, without itself; 0 where it does not say. `is_sound`: whether libmpg123 reads it, it says
    what the encoder has added, and it is not damaged.
    """

    num_frames: int
    is_sound: bool


def find_info(data: Any, first: int, size: int) -> dict[int, InfoFrame]:
    """Return the frames that tell the length, by their places."""
    found = {}
    for name in (b"Xing", b"Info", b"VBRI"):
        place = data.find(name, first, size)
        while place >= 0:
            for side in (_VBRI_PLACE,) if name == b"VBRI" else (36, 21, 13):
                start = max(place - side, 0)
                frame = read_header(data[start : start + 4])
                if frame is not None and frame.kind[1] == 3 and side in (frame.side, _VBRI_PLACE):
                    found[start] = _read_info(data[start : start + frame.num_bytes], side)
            place = data.find(name, place + 4, size)
    return found


def _read_info(frame: bytes, side: int) -> InfoFrame:
    info = frame[side:].ljust(36, b"\0")
    if info.startswith(b"VBRI"):
        return InfoFrame(int.from_bytes(info[14:18], "big"), is_sound=False)
    num_frames = int.from_bytes(info[8:12], "big") if info[7] & 1 else 0
    # FFmpeg computes its checksum in another way.
    place = side + 8 + sum(size for flag, size in _FIELDS.items() if info[7] & flag)
    writer, end = frame[place : place + 4], place + _CHECKSUM
    is_whole = writer != b"LAME" or _checksum(frame[:end]) == int.from_bytes(frame[end : end + 2], "big")
    return InfoFrame(num_frames, is_whole and writer in _WRITERS and not any(frame[4:side]))


def make_info(header: bytes, num_frames: int, num_bytes: int) -> bytes:
    """Make an Info frame for so many frames and bytes, the first of which has this header, and a silent frame.

    It declares the silent frame to be what the encoder has added, so that libmpg123 leaves out this one, and not the
    first samples of the recording. Layers I and II have none: their files are of constant rate.
    """
    start = read_header(header)
    if start is None or start.kind[1] != 3:
        return b""
    own, frame = _large_enough(header, start)
    size = num_bytes + 2 * frame.num_bytes
    info = own + bytes(frame.side - 4) + b"Info" + struct.pack(">III", 3, num_frames + 1, size)
    place = len(info)
    info = (info + b"LAME").ljust(place + _ADDED, b"\0") + (start.num_samples - _DECODER_DELAY << 12).to_bytes(3, "big")
    info = info.ljust(place + _CHECKSUM, b"\0")
    info += _checksum(info).to_bytes(2, "big")
    return info.ljust(frame.num_bytes, b"\0") + own.ljust(frame.num_bytes, b"\0")


def _large_enough(header: bytes, start: Frame) -> tuple[bytes, Frame]:
    """Return a header without a checksum, of the lowest bitrate at which the frame holds what it has to."""
    for bitrate in range(1, 15):
        own = bytes([0xFF, header[1] | 1, bitrate << 4 | header[2] & 0x0C, header[3]])
        frame = read_header(own)
        if frame is not None and frame.num_bytes >= frame.side + _INFO_BYTES:
            return own, frame
    return header, start


def _checksum(data: bytes) -> int:
    """Compute CRC-16/ARC.

    >>> hex(_checksum(b"123456789"))
    '0xbb3d'
    """
    rest = 0
    for value in data:
        rest ^= value
        for _ in range(8):
            rest = rest >> 1 ^ (0xA001 if rest & 1 else 0)
    return rest
