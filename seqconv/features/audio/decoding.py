"""Conversion of recordings to samples: decoding, mixing down, cutting and resampling."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from seqconv.errors import AudioError
from seqconv.features.audio.mixing import Samples
from seqconv.features.audio.recordings import open_audio

# Raise it when the same recordings come to give other samples: stores are then extracted again.
# 2: what was cut off, damaged or joined is refused, and MP3s without their Info frame are whole.
DECODER_VERSION = 2
# A header may be damaged, or made to do damage: a second at 1 Hz would become 16,000 samples for each of its own.
_MOST_UPSAMPLING = 256
_MOST_DOWNSAMPLING = 1024
# Full scale is 1, or the largest integer; the square of more than this, summed over a window, overflows.
_LARGEST_SAMPLE = 1e12


def decode_audio(
    path: str | Path,
    *,
    start: float | None = None,
    end: float | None = None,
    sample_rate: int | None = None,
    channel: int | None = None,
) -> tuple[Samples, int]:
    """Read one recording, or a part of it, as mono float32 samples.

    WAV, FLAC, Ogg, MP3 and the like are decoded by soundfile; M4A, AAC, WMA, AMR, the sound of videos and others by
    PyAV (the extra `media`). `.npy` holds raw samples, `(n,)` or `(n, channels)`, that have `sample_rate` already.
    Channels are averaged, or one is chosen; other rates are resampled by soxr.

    Args:
        path: the file.
        start, end: seconds from the beginning of the file; only this part is read. An end up to 50 ms after the last
            sample counts as the last sample.
        sample_rate: Hz of the result; None keeps the rate of the file.
        channel: the number of one channel, from 0; None: the mean of all.

    Returns:
        `(samples, sample_rate)`: float32 of shape `(n,)` with n >= 1, and Hz.

    Raises:
        AudioError: the file is missing, empty, damaged, cut off or not audio, the part is outside it, a sample is not
            finite, or the channels cancel each other.

    >>> import tempfile, soundfile
    >>> path = Path(tempfile.mkdtemp()) / "stereo.wav"
    >>> soundfile.write(path, np.zeros((8000, 2)), 8000)
    >>> samples, sample_rate = decode_audio(path, start=0.25, end=0.75, sample_rate=16000)
    >>> samples.shape, sample_rate
    ((8000,), 16000)
    """
    part = open_audio(path, start, end, sample_rate, channel)
    samples = _check_values(path, _join(part.blocks()))
    rate = part.sample_rate if sample_rate is None else sample_rate
    try:
        return _join(resample_blocks([samples], part.sample_rate, rate)), rate
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from error


def read_blocks(
    path: str | Path,
    *,
    start: float | None = None,
    end: float | None = None,
    sample_rate: int | None = None,
    channel: int | None = None,
) -> Iterator[Samples]:
    """Yield the samples of `decode_audio`, block by block: memory does not grow with the recording.

    Args:
        path, start, end, sample_rate, channel: as for `decode_audio`.

    Raises:
        AudioError: as `decode_audio`, though damage is found only when its block is reached.

    >>> import tempfile, soundfile
    >>> path = Path(tempfile.mkdtemp()) / "tone.wav"
    >>> soundfile.write(path, np.zeros(44100), 44100)
    >>> sum(len(block) for block in read_blocks(path, sample_rate=8000))
    8000
    """
    part = open_audio(path, start, end, sample_rate, channel)
    blocks = (_check_values(path, block) for block in part.blocks())
    return resample_blocks(blocks, part.sample_rate, part.sample_rate if sample_rate is None else sample_rate)


def count_samples(
    path: str | Path,
    *,
    start: float | None = None,
    end: float | None = None,
    sample_rate: int | None = None,
    channel: int | None = None,
) -> int:
    """Return how many samples `decode_audio` will return; nothing is decoded, but for what PyAV reads, once.

    Raises:
        AudioError: as `decode_audio`, as far as header, pages and frames show it.
    """
    part = open_audio(path, start, end, sample_rate, channel)
    rate = part.sample_rate if sample_rate is None else sample_rate
    return max((2 * (part.stop - part.first) * rate + part.sample_rate) // (2 * part.sample_rate), 1)


def resample_blocks(blocks: Iterable[Samples], source_rate: int, target_rate: int) -> Iterator[Samples]:
    """Resample blocks `(n,)` to another rate in Hz, by soxr at high quality; never to no sample at all.

    However the samples are cut into blocks, the result is the same, bit for bit.

    >>> blocks = [np.ones(300, np.float32), np.ones(141, np.float32)]
    >>> sum(len(block) for block in resample_blocks(blocks, 44100, 16000))
    160
    """
    if source_rate == target_rate:
        yield from blocks
        return
    if not source_rate / _MOST_DOWNSAMPLING <= target_rate <= source_rate * _MOST_UPSAMPLING:
        raise AudioError(
            f"a rate of {source_rate} Hz cannot become one of {target_rate} Hz: at most {_MOST_UPSAMPLING} times as "
            f"much, or {_MOST_DOWNSAMPLING} times less. Is the header damaged?"
        )
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


def _join(blocks: Iterable[Samples]) -> Samples:
    joined = list(blocks)
    return joined[0] if len(joined) == 1 else np.concatenate(joined)


def _check_values(path: str | Path, samples: Samples) -> Samples:
    # One NaN makes minimum and maximum NaN, and every comparison with NaN is false.
    if samples.min(initial=0) >= -_LARGEST_SAMPLE and samples.max(initial=0) <= _LARGEST_SAMPLE:
        return samples
    count = int(np.count_nonzero(~np.isfinite(samples)))
    if count:
        raise AudioError(f"{path}: {count} of {len(samples)} samples are NaN or infinite")
    raise AudioError(f"{path}: has a sample of {np.abs(samples).max():.2g}, from which no features can be computed")
