"""Sound of the recordings that a page shows, as data within the page."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqconv.errors import SeqconvError
from seqconv.features.audio.decoding import decode_audio
from seqconv.features.audio.recordings import open_audio
from seqconv.features.audio.regions import part_of
from seqconv.features.kinds import RecordedKind
from seqconv.files import fetch, suffix_of

MOST_BYTES = 200_000
"""A file up to this size goes into the page as it is; anything else is encoded again."""
MOST_SOUND = 3_000_000
"""Bytes of sound in one page or output of a notebook; what comes first gets it."""
MOST_SECONDS = 30.0
MOST_RATE = 16_000
_TYPES = {".ogg": "audio/ogg", ".oga": "audio/ogg", ".opus": "audio/ogg", ".flac": "audio/flac", ".mp3": "audio/mpeg",
          ".wav": "audio/wav"}  # fmt: skip


@dataclass(frozen=True)
class Sound:
    """Sound for an audio player. `seconds`: the whole recording's duration; the page may have its beginning only."""

    url: str
    num_bytes: int
    seconds: float | None = None
    note: str = ""


def embed_sound(path: str | Path, start: float | None = None, end: float | None = None) -> Sound | None:
    """Return the sound of a recording, or of a region of it; None if it is no audio (or no longer exists)."""
    kind = _TYPES.get(suffix_of(path))
    is_whole = start is None and end is None
    try:
        here = fetch(path)
        if kind is not None and is_whole and here.stat().st_size <= MOST_BYTES:
            return _sound(here.read_bytes(), kind)
        return _encode(here, start, end)
    except (SeqconvError, OSError):
        return None


def embed_sounds(ids: Sequence[str], data: Any, settings: Any) -> list[Sound | None]:
    """Return the sound of each of these sequences, as far as there is room on the page.

    Args:
        ids: of the sequences.
        data: holds `ids` and `metadata` of more sequences; None if unknown.
        settings: of their features; only those of recordings have sound.
    """
    metadata, left, sounds = getattr(data, "metadata", None), MOST_SOUND, list[Sound | None]()
    if metadata is None or not isinstance(settings, RecordedKind) or "path" not in metadata:
        return [None for _ in ids]
    rows = metadata.set_axis(data.ids)
    for name in ids:
        sound = _sound_of(rows.loc[name]) if name in rows.index else None
        if sound is not None and sound.num_bytes > left:
            sound = None
        left -= 0 if sound is None else sound.num_bytes
        sounds.append(sound)
    return sounds


def _sound_of(row: Any) -> Sound | None:
    return embed_sound(row["path"], *part_of(row))


def _encode(path: Path, start: float | None, end: float | None) -> Sound:
    import soundfile

    part = open_audio(path, start, end, MOST_RATE)
    seconds, first = (part.stop - part.first) / part.sample_rate, part.first / part.sample_rate
    is_long = seconds > MOST_SECONDS
    samples, rate = decode_audio(
        path,
        start=first or None,
        end=first + MOST_SECONDS if is_long else end,
        sample_rate=min(part.sample_rate, MOST_RATE),
    )
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="OGG", subtype="VORBIS")
    note = f"The first {MOST_SECONDS:g} of {seconds:.0f} s." if is_long else ""
    return _sound(buffer.getvalue(), "audio/ogg", seconds, note)


def _sound(data: bytes, kind: str, *more: Any) -> Sound:
    return Sound(f"data:{kind};base64,{base64.b64encode(data).decode()}", len(data), *more)
