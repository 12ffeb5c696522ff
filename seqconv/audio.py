"""Recordings to samples: decoding, mixing down, cutting and resampling."""

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

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
    part = _open_part(path, start, end, sample_rate)
    blocks = list(part.blocks())
    samples = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    if not np.isfinite(samples).all():
        count = int(np.count_nonzero(~np.isfinite(samples)))
        raise AudioError(f"{path}: {count} of {len(samples)} samples are NaN or infinite")
    rate = part.sample_rate if sample_rate is None else sample_rate
    return resample(samples, part.sample_rate, rate), rate


def read_blocks(
    path: str | Path,
    *,
    start: float | None = None,
    end: float | None = None,
    sample_rate: int | None = None,
) -> Iterator[Samples]:
    """The samples of `decode_audio`, block by block: a recording of hours takes no more memory than one of a minute.

    Args:
        path, start, end, sample_rate: as for `decode_audio`.

    Raises:
        AudioError: as `decode_audio`, though damage is found only when its block is reached.

    >>> import tempfile, soundfile
    >>> path = Path(tempfile.mkdtemp()) / "tone.wav"
    >>> soundfile.write(path, np.zeros(44100), 44100)
    >>> sum(len(block) for block in read_blocks(path, sample_rate=8000))
    8000
    """
    part = _open_part(path, start, end, sample_rate)
    blocks = (_check_finite(path, block) for block in part.blocks())
    return resample_blocks(blocks, part.sample_rate, part.sample_rate if sample_rate is None else sample_rate)


def count_samples(
    path: str | Path,
    *,
    start: float | None = None,
    end: float | None = None,
    sample_rate: int | None = None,
) -> int:
    """Samples that `decode_audio` will return, as the header of the file says; nothing is decoded.

    Raises:
        AudioError: as `decode_audio`, as far as the header shows it.
    """
    part = _open_part(path, start, end, sample_rate)
    rate = part.sample_rate if sample_rate is None else sample_rate
    return max((2 * (part.stop - part.first) * rate + part.sample_rate) // (2 * part.sample_rate), 1)


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


def resample_blocks(blocks: Iterable[Samples], source_rate: int, target_rate: int) -> Iterator[Samples]:
    """`resample`, block by block: together the blocks are, bit for bit, what the whole would become.

    >>> blocks = [np.ones(300, np.float32), np.ones(141, np.float32)]
    >>> sum(len(block) for block in resample_blocks(blocks, 44100, 16000))
    160
    """
    if source_rate == target_rate:
        yield from blocks
        return
    import soxr

    stream = soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality="HQ")
    first, is_empty = np.zeros(0, np.float32), True
    for block in blocks:
        first = first if len(first) else block[:1]
        resampled = stream.resample_chunk(np.ascontiguousarray(block))
        if len(resampled):
            is_empty = False
            yield resampled
    rest = stream.resample_chunk(np.zeros(0, np.float32), last=True)
    if is_empty and not len(rest):
        rest = first
    if len(rest):
        yield rest


class _Part(NamedTuple):
    """A file, cut: samples `first` to `stop` at the rate of the file, and how to read them, once."""

    first: int
    stop: int
    sample_rate: int
    blocks: Callable[[], Iterator[Samples]]


def _open_part(path: str | Path, start: float | None, end: float | None, sample_rate: int | None) -> _Part:
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path}: {'a folder, not a recording' if path.is_dir() else 'no such file'}")
    if path.suffix.lower() == ".npy":
        return _open_raw(path, start, end, sample_rate)
    return _open_encoded(path, start, end)


def _open_encoded(path: Path, start: float | None, end: float | None) -> _Part:
    import soundfile

    try:
        file = soundfile.SoundFile(path)
    except soundfile.SoundFileError as error:
        raise _cannot_decode(path, error) from error
    rate = int(file.samplerate)
    try:
        first, stop = _cut(path, start, end, num_samples=file.frames, sample_rate=rate)
    except AudioError:
        file.close()
        raise
    # Opening again would cost as much as decoding a second of Vorbis. A part that is never read is closed as it goes.
    return _Part(first, stop, rate, lambda: _decode_blocks(path, file, first, stop))


def _decode_blocks(path: Path, file: Any, first: int, stop: int) -> Iterator[Samples]:
    """Mono blocks: a long recording with many channels never lies in memory whole."""
    import soundfile

    is_empty = True
    try:
        with file:
            if first:
                file.seek(first)
            while first < stop:
                block = file.read(min(stop - first, _BLOCK_FRAMES), dtype="float32", always_2d=True)
                if not len(block):
                    break
                first, is_empty = first + len(block), False
                yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
    except soundfile.SoundFileError as error:
        raise _cannot_decode(path, error) from error
    if is_empty:
        raise AudioError(f"{path}: the file ends before its first sample; it is damaged or empty")


def _cannot_decode(path: Path, error: Exception) -> AudioError:
    reason = getattr(error, "error_string", str(error)).strip()
    return AudioError(f"{path}: cannot be decoded ({reason})")


def _open_raw(path: Path, start: float | None, end: float | None, sample_rate: int | None) -> _Part:
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
    return _Part(first, stop, sample_rate, lambda: _raw_blocks(path, first, stop))


def _raw_blocks(path: Path, first: int, stop: int) -> Iterator[Samples]:
    for begin in range(first, stop, _BLOCK_FRAMES):
        # Mapped anew for each block: pages that were read count as memory of the process until they are unmapped.
        block = np.load(path, mmap_mode="r", allow_pickle=False)[begin : min(begin + _BLOCK_FRAMES, stop)]
        samples = np.array(block, dtype=np.float32)
        if block.dtype.kind in "iu":
            limits = np.iinfo(block.dtype)
            center = 0 if block.dtype.kind == "i" else (limits.max + 1) // 2
            samples = ((block.astype(np.float64) - center) / (limits.max + 1 - center)).astype(np.float32)
        yield samples.mean(axis=1, dtype=np.float32) if samples.ndim == 2 else samples


def _check_finite(path: str | Path, block: Samples) -> Samples:
    if not np.isfinite(block).all():
        raise AudioError(f"{path}: {int(np.count_nonzero(~np.isfinite(block)))} samples are NaN or infinite")
    return block


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
