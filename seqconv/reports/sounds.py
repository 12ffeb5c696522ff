"""Sound of the recordings that a page shows, as data within the page."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqconv.errors import SeqconvError

MOST_BYTES = 200_000
"""A file up to this size goes into the page as it is; anything else is encoded again."""
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
    path = Path(path)
    kind = _TYPES.get(path.suffix.lower())
    is_whole = start is None and end is None
    try:
        if kind is not None and is_whole and path.stat().st_size <= MOST_BYTES:
            return _sound(path.read_bytes(), kind)
        return _encode_anew(path, start, end)
    except (SeqconvError, OSError):
        return None


def _encode_anew(path: Path, start: float | None, end: float | None) -> Sound:
    import soundfile

    from seqconv.features.audio.decoding import decode_audio
    from seqconv.features.audio.recordings import open_audio

    part = open_audio(path, start, end, MOST_RATE)
    seconds = (part.stop - part.first) / part.sample_rate
    first = part.first / part.sample_rate
    last = first + min(seconds, MOST_SECONDS)
    rate = min(part.sample_rate, MOST_RATE)
    samples, rate = decode_audio(
        path, start=first or None, end=last if seconds > MOST_SECONDS else end, sample_rate=rate
    )
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="OGG", subtype="VORBIS")
    note = f"The first {MOST_SECONDS:g} of {seconds:.0f} s." if seconds > MOST_SECONDS else ""
    return _sound(buffer.getvalue(), "audio/ogg", seconds, note)


def _sound(data: bytes, kind: str, *more: Any) -> Sound:
    return Sound(f"data:{kind};base64,{base64.b64encode(data).decode()}", len(data), *more)
