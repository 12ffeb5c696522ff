"""Recordings as other programs write, join and damage them, made of what libsndfile writes."""

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import strategies as st

from seqconv.errors import AudioError
from seqconv.features.audio.decoding import count_samples, decode_audio


def noise(num_samples: int, seed: int = 0, num_channels: int = 1) -> np.ndarray:
    """Brown noise `(n, channels)`: compressed, it takes bytes everywhere. Channels have different levels."""
    steps = np.random.default_rng(seed).normal(size=(num_samples, num_channels))
    samples = np.cumsum(steps, axis=0)
    samples -= np.linspace(samples[0], samples[-1], num_samples)
    return 0.5 * samples / np.abs(samples).max(axis=0) / np.arange(1, num_channels + 1)


def encode(samples: np.ndarray, rate: int, kind: str, subtype: str | None = None, **options: object) -> bytes:
    """Return the bytes of a file of this format."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype, **options)
    return file.getvalue()


def without_length(flac: bytes) -> bytes:
    """A FLAC as it is written into a pipe: its header does not say how many samples there are."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


def without_info(mp3: bytes) -> bytes:
    """An MP3 without its first frame, which tells the length."""
    assert max(mp3[:64].find(name) for name in (b"Xing", b"Info")) > 0
    place = 4
    while mp3[place : place + 2] != mp3[:2]:
        place += 1
    return mp3[place:]


def artwork(num_bytes: int) -> bytes:
    """An ID3 tag with a picture, in which many bytes look like the beginning of a frame."""
    size = bytes(num_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + size + (b"\xff\xfb\x90\xc0picture" * num_bytes)[:num_bytes]


def ape_tag() -> bytes:
    """An APE tag with header and footer, and no items but zeros."""
    end = struct.pack("<II", 2000, 64)
    head, foot = (b"APETAGEX" + end + struct.pack("<II", 0, flags) + bytes(8) for flags in (0xA0000000, 0x80000000))
    return head + bytes(32) + foot


def pages(ogg: bytes) -> list[bytes]:
    """The pages of an Ogg file."""
    found = []
    while ogg:
        parts = 27 + ogg[26]
        size = parts + sum(ogg[27:parts])
        found.append(ogg[:size])
        ogg = ogg[size:]
    return found


def short_opus(opus: bytes, ends: str) -> bytes:
    """A short Opus recording with all its sound in one page.

    `ends`: "marked" on that page, "unmarked", "apart" on a page without sound, or "open": unmarked, and the page is not
    said to end before its last packet does.
    """
    head, comments, *sound = pages(opus)
    last = sound[-1]
    (granule,), serial = struct.unpack("<q", last[6:14]), last[14:18]
    parts = b"".join(page[27 : 27 + page[26]] for page in sound)
    body = b"".join(page[27 + page[26] :] for page in sound)
    # libsndfile writes packets of 20 ms.
    if ends == "open":
        granule = 960 * sum(part < 255 for part in parts)
    only = _page(4 if ends == "marked" else 0, granule, serial, 2, parts, body)
    return head + comments + only + (_page(4, granule, serial, 3, b"", b"") if ends == "apart" else b"")


def _page(flags: int, granule: int, serial: bytes, number: int, parts: bytes, body: bytes) -> bytes:
    head = b"OggS" + struct.pack("<BBq", 0, flags, granule) + serial + struct.pack("<I", number)
    rest = bytes([len(parts)]) + parts + body
    checksum = 0
    # Bit by bit, as RFC 3533 has it.
    for value in head + bytes(4) + rest:
        checksum ^= value << 24
        for _ in range(8):
            checksum = checksum << 1 ^ (0x04C11DB7 if checksum >> 31 else 0)
            checksum &= 0xFFFFFFFF
    return head + struct.pack("<I", checksum) + rest


def refuses(path, data: bytes, reason: str) -> None:
    """Every way of asking refuses a file with these bytes, and names it once."""
    path.write_bytes(data)
    for ask in (decode_audio, count_samples):
        with pytest.raises(AudioError, match=reason) as caught:
            ask(path)
        assert str(caught.value).count(str(path)) == 1


DAMAGES, MASKS = ("cut", "drop", "zeros", "flip"), st.integers(1, 255)


def check_damage(
    path, whole: bytes, data: st.DataObject, *, header: int = 0, stop: int | None = None, damages=DAMAGES, masks=MASKS
) -> None:
    """Cut a file anywhere, or change it behind its header: as many samples as before are decoded, or an AudioError.

    `stop`: where that ends which is changed; default: the end. `masks`: the bits of a byte that flip.
    """
    path.write_bytes(whole)
    expected = count_samples(path)
    damage = data.draw(st.sampled_from(damages))
    first = 0 if damage == "cut" else min(header, len(whole) - 2)
    last = len(whole) if damage == "cut" or stop is None else stop
    place = data.draw(st.integers(first, last - 1))
    length = min(data.draw(st.integers(1, 400)), last - place)
    head, part, rest = whole[:place], whole[place : place + length], whole[place + length :]
    mask = data.draw(masks)
    changed = {"cut": b"", "drop": b"", "zeros": bytes(len(part)), "flip": bytes([part[0] ^ mask]) + part[1:]}[damage]
    path.write_bytes(head + changed + (b"" if damage == "cut" else rest))
    try:
        samples, _ = decode_audio(path)
    except AudioError:
        return
    assert len(samples) == expected == count_samples(path)
