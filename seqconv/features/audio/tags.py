"""Tags that programs put before, behind and between the frames of recordings: ID3, APE, Lyrics3."""

from typing import Any

_ZEROS = bytes(4096)


def skip_tags(data: Any, place: int, size: int) -> int:
    """Return the place behind all tags that begin at `place` of a file of `size` bytes; `place` itself if none does.

    >>> data = b"ID3" + bytes([4, 0, 0, 0, 0, 0, 2]) + b"xx" + b"TAG" + bytes(125) + b"fLaC"
    >>> data[skip_tags(data, 0, len(data)) :]
    b'fLaC'
    """
    while place < size:
        stop: int = min(end_of_tag(data, place, size), size)
        if stop <= place:
            return place
        place = stop
    return size


def end_of_tag(data: Any, place: int, size: int) -> int:
    """Return the place behind the tag that begins at `place`; `place` itself if none does."""
    head: bytes = data[place : place + 32]
    if head.startswith(b"ID3") and len(head) >= 10 and max(head[6:10]) < 128:
        number = sum(value << 7 * (3 - index) for index, value in enumerate(head[6:10]))
        return place + 10 + number + (10 if head[5] & 16 else 0)
    if head.startswith(b"TAG+"):
        return place + 227
    if head.startswith(b"TAG"):
        return place + 128
    if head.startswith(b"APETAGEX") and len(head) == 32:
        # A header and a footer look alike; the size counts the footer, not the header.
        is_header = int.from_bytes(head[20:24], "little") & 1 << 29
        return place + 32 + (int.from_bytes(head[12:16], "little") if is_header else 0)
    if head.startswith(b"LYRICSBEGIN"):
        stop: int = max(data.find(name, place, size) for name in (b"LYRICS200", b"LYRICSEND"))
        return stop + 9 if stop >= 0 else place
    return place


def skip_zeros(data: Any, place: int, size: int) -> int:
    """Return the first place from `place` on that holds no zero, or else `size`."""
    while place < size and data[place : place + len(_ZEROS)] == _ZEROS[: size - place]:
        place = min(place + len(_ZEROS), size)
    rest = data[place : place + len(_ZEROS)]
    return int(place + len(rest) - len(rest.lstrip(b"\0")))
