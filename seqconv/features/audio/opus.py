"""Opus in Ogg (RFC 7845): a recording of a single page whose end is not marked, which libsndfile refuses."""

from collections.abc import Iterator

# Samples of a frame at 48 kHz, by the number in the first byte of a packet: SILK, hybrid, CELT (RFC 6716, table 2).
_FRAMES = (*(480, 960, 1920, 2880) * 3, *(480, 960) * 2, *(120, 240, 480, 960) * 4)


def ends_within(parts: bytes, body: bytes, granule: int) -> bool:
    """Whether the first page of sound ends before its last packet does, as only the last page of a recording may.

    Args:
        parts: lengths of the parts of packets.
        body: the packets.
        granule: samples at 48 kHz up to the end, from the head of the page.

    >>> ends_within(bytes([2, 2]), b"\\x98x\\x98x", 1900), ends_within(bytes([2, 2]), b"\\x98x\\x98x", 1920)
    (True, False)
    """
    return 0 < granule < sum(map(_count_samples, _packets(parts, body)))


def _packets(parts: bytes, body: bytes) -> Iterator[bytes]:
    start = stop = 0
    for part in parts:
        stop += part
        if part < 255:
            yield body[start:stop]
            start = stop


def _count_samples(packet: bytes) -> int:
    if len(packet) < 2:
        return 0
    code = packet[0] & 3
    return _FRAMES[packet[0] >> 3] * (1 if code == 0 else packet[1] & 0x3F if code == 3 else 2)
