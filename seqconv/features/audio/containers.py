"""Recordings that libsndfile does not read: their suffixes, and how their content begins."""

from collections import Counter
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import TypeVar

_AnyPath = TypeVar("_AnyPath", bound=PurePath)

MEDIA_SUFFIXES = (
    *(".m4a", ".m4b", ".m4r", ".m4p", ".aac", ".mp4", ".m4v", ".3gp", ".3g2", ".mov", ".qt"),
    *(".wma", ".wmv", ".asf", ".amr", ".awb", ".ac3", ".eac3", ".ec3", ".dts", ".ape", ".wv", ".mpc", ".tta", ".tak"),
    *(".mka", ".mkv", ".webm", ".weba", ".avi", ".flv", ".mpg", ".mpeg", ".vob", ".mts", ".m2ts", ".ra", ".rm"),
    *(".ogv", ".spx", ".dsf"),
)
MEDIA_REMEDY = "pip install 'seqconv[media]'"
# The name of FFmpeg's demuxer, by place and bytes; others that begin alike come later.
_BEGINNINGS = (
    *(("mov", 4, name) for name in (b"ftyp", b"moov", b"mdat", b"wide", b"pnot", b"free", b"skip")),
    ("matroska", 0, b"\x1aE\xdf\xa3"),
    ("asf", 0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    ("amr", 0, b"#!AMR"),
    ("avi", 8, b"AVI "),
    ("flv", 0, b"FLV\x01"),
    ("rm", 0, b".RMF"),
    ("wv", 0, b"wvpk"),
    ("ape", 0, b"MAC "),
    ("mpc8", 0, b"MPCK"),
    ("mpc", 0, b"MP+"),
    ("tta", 0, b"TTA1"),
    ("tak", 0, b"tBaK"),
    ("dsf", 0, b"DSD "),
    ("dts", 0, b"\x7f\xfe\x80\x01"),
    ("mpeg", 0, b"\0\0\x01\xba"),
    # Packets of 188 bytes; cameras and discs put 4 before each.
    *(("mpegts", place, b"G") for place in (0, 4)),
)
_TS_PACKET = 188
# Encodings that libsndfile does not read in formats that it does: in CAF by name, in WAV by number.
_CAF_ENCODINGS = (b"aac ", b"aach", b"aacl", b"alac", b"ima4", b"opus", b".mp3", b"samr", b"MAC3", b"MAC6", b"QDM2")
_WAV_ENCODINGS = (
    0x20,
    0x22,
    0x28,
    0x42,
    0x45,
    0x83,
    0xFF,
    0x160,
    0x161,
    0x162,
    0x163,
    0x1600,
    0x1610,
    0x2000,
    0x2001,
    0x28F,
)
_MOST_FORMAT = 4096
# Frames of AAC; in those of AC-3, the sixth byte has the version.
_ADTS = (b"\xff\xf1", b"\xff\xf9", b"\xff\xf0", b"\xff\xf8")
HEAD_BYTES = 3 * (_TS_PACKET + 4)


def find_container(head: bytes) -> str | None:
    """Return FFmpeg's name of the format that begins with these bytes, tags left out; None if it is another.

    >>> find_container(bytes(4) + b"ftypM4A "), find_container(b"RIFF....WAVE")
    ('mov', None)
    """
    for name, place, magic in _BEGINNINGS:
        if head[place : place + len(magic)] == magic and (name != "mpegts" or _is_stream(head, place)):
            return name
    if head[:2] == b"\x0bw" and len(head) > 5:
        return "ac3" if head[5] >> 3 <= 10 else "eac3"
    return "aac" if head[:2] in _ADTS else None


def find_encoding(head: bytes) -> str | None:
    """Return FFmpeg's name of a CAF or WAV in an encoding that libsndfile does not know; None if it is another.

    >>> find_encoding(b"caff\\0\\1\\0\\0desc" + bytes(16) + b"aac ")
    'caf'
    """
    if head.startswith(b"caff") and head[28:32] in _CAF_ENCODINGS:
        return "caf"
    # What is not PCM says more than 16 bytes about itself, and never much more.
    is_wav = head.startswith(b"RIFF") and head[8:16] == b"WAVEfmt "
    is_wav = is_wav and 16 < int.from_bytes(head[16:20], "little") < _MOST_FORMAT
    return "wav" if is_wav and int.from_bytes(head[20:22], "little") in _WAV_ENCODINGS else None


def _is_stream(head: bytes, place: int) -> bool:
    places = [place + number * (_TS_PACKET + place) for number in range(3)]
    return all(head[each : each + 1] == b"G" for each in places)


def is_media_installed() -> bool:
    """Whether PyAV is there, which reads these formats."""
    return find_spec("av") is not None


def is_media(path: Path) -> bool:
    """Whether the content of a file is of one of these formats; not of one that cannot be read at all."""
    try:
        with path.open("rb") as file:
            return find_container(file.read(HEAD_BYTES)) is not None
    except OSError:
        return False


def find_unreadable(paths: Iterable[_AnyPath]) -> list[_AnyPath]:
    """Return the paths with a suffix of these formats, if there is nothing to read them with."""
    if is_media_installed():
        return []
    return [path for path in paths if path.suffix.lower() in MEDIA_SUFFIXES]


def describe_unreadable(paths: Iterable[PurePath]) -> str:
    """Describe how many files of which suffix cannot be read, and what reads them.

    >>> describe_unreadable([PurePath("a.m4a"), PurePath("b.M4A"), PurePath("c.mp4")])
    "2 .m4a, 1 .mp4: libsndfile does not read these formats. PyAV does: pip install 'seqconv[media]'"
    """
    counts = Counter(path.suffix.lower() for path in paths)
    kinds = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common())
    what = "these formats" if len(counts) > 1 else "this format"
    return f"{kinds}: libsndfile does not read {what}. PyAV does: {MEDIA_REMEDY}"
