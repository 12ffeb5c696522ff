"""Frames of MPEG audio (MP3): they are counted, since no header of the file needs to say how many there are."""

from typing import Any, NamedTuple

from seqconv.errors import AudioError
from seqconv.features.audio.mpeg_headers import Frame, read_header
from seqconv.features.audio.mpeg_tags import find_info, make_info
from seqconv.features.audio.splicing import Span
from seqconv.features.audio.tags import skip_tags, skip_zeros

_REMEDY = "ffmpeg -i OLD.mp3 NEW.wav"


class MpegStream(NamedTuple):
    """The frames of a file.

    `is_told`: whether an Info frame, the first, declares how many there are, so that a decoder knows it, and how many
    samples the encoder has put before and after the recording. Otherwise, `head` and `spans` of the file are a file
    that does, of `num_samples`.
    """

    num_samples: int
    is_told: bool
    head: bytes
    spans: tuple[Span, ...]


def scan_frames(data: Any, first: int, size: int) -> MpegStream:
    """Count the frames of a file of `size` bytes, the first of which begins at byte `first`.

    Raises:
        AudioError: there are other things between or behind them than tags, or it was cut off. It does not name the
            file.
    """
    start = read_header(data[first : first + 4])
    if start is None:
        raise AudioError("holds no frames of MPEG audio")
    infos = find_info(data, first, size)
    spans, declared, place, begin, count = list[Span](), list[int](), first, first, 0
    while place < size:
        frame = read_header(data[place : place + 4])
        own = frame if frame is not None and frame.kind == start.kind else None
        stop = place + own.num_bytes if own else skip_tags(data, place, size)
        if stop == place and skip_zeros(data, place, size) == size and sum(declared) == count:
            stop = size
        if stop > size or (stop == place and size - place < 4):
            raise AudioError(f"ends within a frame of MPEG audio; it was cut off. To keep the rest: {_REMEDY}")
        if stop == place:
            raise AudioError(_strange(place, size, start, frame))
        if own and place not in infos:
            count += 1
        else:
            declared += [infos[place].num_frames] if own else []
            spans.append(Span(begin, place))
            begin = stop
        place = stop
    spans = [span for span in [*spans, Span(begin, place)] if span.stop > span.start]
    wanted = sum(declared)
    if wanted > count:
        seconds = (number * start.num_samples / start.kind[2] for number in (count, wanted))
        raise AudioError(
            "ends after {:.6g} s, but its header declares {:.6g} s; it was cut off or is damaged".format(*seconds)
        )
    is_told = declared == [count] and first in infos and infos[first].is_sound
    head = make_info(data[first : first + 4], count, sum(span.stop - span.start for span in spans))
    return MpegStream(count * start.num_samples, is_told, head, tuple(spans))


def _strange(place: int, size: int, start: Frame, frame: Frame | None) -> str:
    where = f"byte {place} of {size}"
    if frame is None:
        return (
            f"no frame of MPEG audio begins at {where}; it is damaged, or something else was put there. Try {_REMEDY}"
        )
    return (
        f"from {where} on, it has another sample rate or number of channels ({frame.kind[2]} Hz, not {start.kind[2]}); "
        f"it is damaged, or joined from several recordings. Make one of them: {_REMEDY}"
    )
