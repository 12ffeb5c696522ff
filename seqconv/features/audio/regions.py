"""Regions of files of samples, and what is wrong with them in words that name the file."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from seqconv.errors import AudioError
from seqconv.features.audio.mixing import Samples
from seqconv.features.foreign import what_is_no_recording

BLOCK_FRAMES = 1 << 20
"""Frames of one channel, or as many values of several channels, that are decoded at once."""
# Annotated ends are rounded (to 10 ms, to a video frame) and so are a little after the last sample.
_END_TOLERANCE = 0.05


class AudioRegion(NamedTuple):
    """A region of a file: samples `first` to `stop` at the rate of the file, and how to read them, once, as mono."""

    first: int
    stop: int
    sample_rate: int
    num_channels: int
    blocks: Callable[[], Iterator[Samples]]


def part_of(row: Mapping[Any, Any]) -> tuple[float | None, float | None]:
    """Return where a row of a manifest starts and ends in its file, in seconds; None where the file does.

    >>> part_of({"path": "a.wav", "start": 0.5, "end": float("nan")})
    (0.5, None)
    """
    return seconds_in(row.get("start")), seconds_in(row.get("end"))


def seconds_in(cell: Any) -> float | None:
    """Return the number in a cell of a manifest; None if it is empty."""
    import pandas as pd

    return None if pd.isna(cell) or cell == "" else float(cell)


def cut_region(
    path: Path, start: float | None, end: float | None, *, num_samples: int, sample_rate: int
) -> tuple[int, int]:
    """Return the first sample from `start` to `end`, in seconds, and the one after the last.

    Raises:
        AudioError: there is no such part of a recording of `num_samples`.
    """
    if num_samples < 1:
        raise AudioError(f"{path}: holds no samples")
    duration = num_samples / sample_rate
    for name, value in (("start", start), ("end", end)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise AudioError(f"{path}: {name}={value} must be seconds from the beginning, zero or more")
    first = round((start or 0.0) * sample_rate)
    stop = num_samples if end is None else round(end * sample_rate)
    if first >= num_samples:
        raise AudioError(f"{path}: start={start:g} s is after the end of the recording at {duration:g} s")
    if end is not None and end > duration + _END_TOLERANCE:
        raise AudioError(f"{path}: end={end:g} s is after the end of the recording at {duration:g} s")
    if stop <= first:
        raise AudioError(f"{path}: nothing is between start={start or 0:g} s and end={end:g} s")
    return first, min(stop, num_samples)


@contextmanager
def as_audio_error(path: Path) -> Iterator[None]:
    """Turn what soundfile, the operating system and those who do not know the path raise into an AudioError with it."""
    import soundfile

    try:
        yield
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from error
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", str(error)).strip()
        hint = what_is_no_recording(path)
        raise AudioError(f"{path}: cannot be decoded ({reason}){'.' if hint else ''}{hint}") from error
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror or error})") from error
