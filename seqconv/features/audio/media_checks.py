"""Checks of what FFmpeg decodes: which sound is meant, whether it has gaps, and whether it goes on to its end."""

from typing import Any

from seqconv.errors import AudioError

# Those that say, at each frame, when it is.
_TIMED = ("mov", "matroska", "ogg", "mpegts", "mpeg", "flv")
# Those that declare how long they are.
_DECLARING = ("mov", "matroska", "asf", "avi")
_PROTECTED = ("enca", "drms", "aavd")
# In s: times of Matroska are whole ms.
_LEAST_GAP = 0.002


def choose_stream(container: Any) -> Any:
    """Return the only sound of a file.

    Raises:
        AudioError: it has none, several, or one that cannot be decoded. It does not name the file.
    """
    sounds = list(container.streams.audio)
    if not sounds:
        others = ", ".join(f"{stream.type} {_codec(stream)}" for stream in container.streams) or "nothing"
        raise AudioError(f"holds no sound; it holds {others}")
    if len(sounds) > 1:
        listed = ", ".join(f"0:a:{number} {_describe(stream)}" for number, stream in enumerate(sounds))
        raise AudioError(
            f"holds {len(sounds)} sounds ({listed}), and which one is meant is not said. Take one: "
            "ffmpeg -i OLD -map 0:a:0 NEW.flac"
        )
    codec = sounds[0].codec_context
    if codec is None or _tag(codec) in _PROTECTED:
        raise AudioError("its sound cannot be decoded: it is protected (DRM), or of a kind that FFmpeg does not know")
    return sounds[0]


def _tag(codec: Any) -> str:
    try:
        return str(codec.codec_tag)
    except UnicodeDecodeError:
        # A number, in AVI and WAV.
        return ""


def _codec(stream: Any) -> str:
    return stream.codec_context.name if stream.codec_context is not None else "of an unknown codec"


def _describe(stream: Any) -> str:
    language = stream.metadata.get("language", "und")
    channels = getattr(stream.codec_context, "channels", 0)
    return f"{_codec(stream)}, {channels} channels" + ("" if language == "und" else f", {language}")


def check_step(container: str, before: Any, frame: Any, num_samples: int) -> None:
    """Check that a frame begins where the one `before` it ends, as far as the file says it.

    Raises:
        AudioError: there is a gap, or they overlap. It does not name the file.
    """
    if container not in _TIMED or before is None or before.pts is None or frame.pts is None:
        return
    between = float((frame.pts - before.pts) * frame.time_base) - before.samples / before.sample_rate
    if abs(between) > max(before.samples / before.sample_rate / 2, _LEAST_GAP):
        raise AudioError(
            f"{num_samples / frame.sample_rate:.6g} s of its sound are followed by a gap of {between:.6g} s; it is "
            "damaged, or what follows would be at another time. To fill gaps: ffmpeg -i OLD -af aresample=async=1 "
            "NEW.wav"
        )


def check_end(container: str, opened: Any, stream: Any, seconds: float, last: float) -> None:
    """Check that a file goes on for as long as its header declares: its sound, or whatever ends last.

    Raises:
        AudioError: it does not. It does not name the file.
    """
    if container not in _DECLARING:
        return
    declared = float(stream.duration * stream.time_base) if stream.duration and container == "mov" else 0.0
    ended = seconds
    if not declared and opened.duration:
        declared, ended = opened.duration / 1e6, max(last, seconds)
    if ended < declared - _slack(stream):
        raise AudioError(
            f"ends after {ended:.6g} s, but its header declares {declared:.6g} s; it was cut off or is damaged"
        )


def _slack(stream: Any) -> float:
    """Return the seconds that a header may declare too many: some frames of 1,152 samples, or their delay."""
    rate: int = stream.codec_context.sample_rate
    return 0.01 + 2 * 1152 / max(rate, 1)
