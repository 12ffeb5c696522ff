"""Recordings to samples: decoding, mixing down, cutting and resampling."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import AudioError

Samples = npt.NDArray[np.float32]

_BLOCK_FRAMES = 1 << 20
# Annotated ends are rounded (to 10 ms, to a video frame) and so lie a little behind the last sample.
_END_TOLERANCE = 0.05


def decode_audio(
    path: str | Path,
    *,
    start: float | None = None,
    end: float | None = None,
    sample_rate: int | None = None,
) -> tuple[Samples, int]:
    """Read one recording, or a part of it, as mono float32 samples.

    WAV, FLAC, Ogg and MP3 are decoded by soundfile; `.npy` holds raw samples, `(n,)` or `(n, channels)`, that have
    `sample_rate` already. Channels are averaged, other rates resampled by soxr.

    Args:
        path: the file.
        start, end: seconds from the beginning of the file; only this part is read. An end up to 50 ms behind the last
            sample counts as the last sample.
        sample_rate: Hz of the result; None keeps the rate of the file.

    Returns:
        `(samples, sample_rate)`: float32 of shape `(n,)` with n >= 1, and Hz.

    Raises:
        AudioError: the file is missing, empty or not audio, the part lies outside it, or a sample is not finite.

    >>> import tempfile, soundfile
    >>> path = Path(tempfile.mkdtemp()) / "stereo.wav"
    >>> soundfile.write(path, np.zeros((8000, 2)), 8000)
    >>> samples, sample_rate = decode_audio(path, start=0.25, end=0.75, sample_rate=16000)
    >>> samples.shape, sample_rate
    ((8000,), 16000)
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: {'a folder, not a recording' if path.is_dir() else 'no such file'}")
    if path.suffix.lower() == ".npy":
        samples, rate = _read_raw(path, start, end, sample_rate)
    else:
        samples, rate = _read_encoded(path, start, end)
    if not np.isfinite(samples).all():
        count = int(np.count_nonzero(~np.isfinite(samples)))
        raise AudioError(f"{path}: {count} of {len(samples)} samples are NaN or infinite")
    if sample_rate is not None and rate != sample_rate:
        samples, rate = resample(samples, rate, sample_rate), sample_rate
    return samples, rate


def resample(samples: Samples, source_rate: int, target_rate: int) -> Samples:
    """Samples `(n,)` at another rate in Hz, by soxr at high quality; never fewer than one sample.

    >>> resample(np.ones(441, np.float32), 44100, 16000).shape
    (160,)
    """
    if source_rate == target_rate:
        return samples
    import soxr

    resampled = soxr.resample(samples, source_rate, target_rate, quality="HQ")
    return resampled.astype(np.float32, copy=False) if len(resampled) else samples[:1]


def _read_encoded(path: Path, start: float | None, end: float | None) -> tuple[Samples, int]:
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            first, stop = _cut(path, start, end, num_samples=file.frames, sample_rate=file.samplerate)
            if first:
                file.seek(first)
            blocks = list(_read_blocks(file, stop - first))
            rate = int(file.samplerate)
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", str(error)).strip()
        raise AudioError(f"{path}: cannot be decoded ({reason})") from error
    if not blocks:
        raise AudioError(f"{path}: the file ends before its first sample; it is damaged or empty")
    return np.concatenate(blocks) if len(blocks) > 1 else blocks[0], rate


def _read_blocks(file: Any, count: int) -> Iterator[Samples]:
    """Mono blocks: a long recording with many channels never lies in memory whole."""
    while count > 0:
        block = file.read(min(count, _BLOCK_FRAMES), dtype="float32", always_2d=True)
        if not len(block):
            return
        count -= len(block)
        yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)


def _read_raw(path: Path, start: float | None, end: float | None, sample_rate: int | None) -> tuple[Samples, int]:
    if sample_rate is None:
        raise AudioError(f"{path}: raw samples do not tell their rate; give sample_rate (features.sample_rate) in Hz")
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise AudioError(f"{path}: not a plain .npy array ({error})") from error
    if values.ndim not in (1, 2) or values.dtype.kind not in "fiu":
        raise AudioError(
            f"{path}: holds {values.dtype} of shape {values.shape}, "
            "but raw samples are numbers of shape (n,) or (n, channels)"
        )
    first, stop = _cut(path, start, end, num_samples=len(values), sample_rate=sample_rate)
    values = values[first:stop]
    samples = np.array(values, dtype=np.float32)
    if values.dtype.kind in "iu":
        limits = np.iinfo(values.dtype)
        center = 0 if values.dtype.kind == "i" else (limits.max + 1) // 2
        samples = ((values.astype(np.float64) - center) / (limits.max + 1 - center)).astype(np.float32)
    return samples.mean(axis=1, dtype=np.float32) if samples.ndim == 2 else samples, sample_rate


def _cut(path: Path, start: float | None, end: float | None, *, num_samples: int, sample_rate: int) -> tuple[int, int]:
    """First sample and one behind the last."""
    if num_samples < 1:
        raise AudioError(f"{path}: holds no samples")
    duration = num_samples / sample_rate
    for name, value in (("start", start), ("end", end)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise AudioError(f"{path}: {name}={value} must be seconds from the beginning, zero or more")
    first = round((start or 0.0) * sample_rate)
    stop = num_samples if end is None else round(end * sample_rate)
    if first >= num_samples:
        raise AudioError(f"{path}: start={start:g} s lies behind the end of the recording at {duration:g} s")
    if end is not None and end > duration + _END_TOLERANCE:
        raise AudioError(f"{path}: end={end:g} s lies behind the end of the recording at {duration:g} s")
    if stop <= first:
        raise AudioError(f"{path}: nothing lies between start={start or 0:g} s and end={end:g} s")
    return first, min(stop, num_samples)
