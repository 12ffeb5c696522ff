"""Headers of frames of MPEG audio (MP3, and its layers I and II): ISO/IEC 11172-3 and 13818-3."""

from functools import lru_cache
from typing import NamedTuple

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_V1 = {
    1: (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_V2 = {
    1: (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


class Frame(NamedTuple):
    """A frame: what all frames of a file share, its samples, and its bytes.

    `kind`: version, layer, Hz, and whether it is mono. `side`: bytes of header and side information.
    """

    kind: tuple[int, int, int, bool]
    num_samples: int
    num_bytes: int
    side: int


@lru_cache(maxsize=4096)
def read_header(header: bytes) -> Frame | None:
    """Read the 4 bytes of a header; None if they are none, or of a free bitrate.

    >>> read_header(bytes([0xFF, 0xFB, 0x90, 0xC0]))
    Frame(kind=(3, 3, 44100, True), num_samples=1152, num_bytes=417, side=21)
    """
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bitrate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    is_first, is_mono = version == 3, header[3] >> 6 == 3
    hertz = _RATES[version][rate]
    num_samples = {1: 384, 2: 1152, 3: 1152 if is_first else 576}[layer]
    kilobits = (_V1 if is_first else _V2)[layer][bitrate - 1]
    padding = header[2] >> 1 & 1
    # In layer I, a slot has four bytes.
    slot = 4 if layer == 1 else 1
    num_bytes = (num_samples * 125 // slot * kilobits // hertz + padding) * slot
    side = (17 if is_mono else 32) if is_first else (9 if is_mono else 17)
    return Frame((version, layer, hertz, is_mono), num_samples, num_bytes, 4 + side)
