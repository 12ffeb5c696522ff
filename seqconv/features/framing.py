"""Samples to frames: overlapping windows, cut from blocks as they come."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from seqconv.errors import AudioError
from seqconv.features.settings import SPECTRAL_KINDS, FeatureSettings
from seqconv.features.spectra import DELTA_REACH

Samples = npt.NDArray[np.float32]


def count_frames(num_samples: int, settings: FeatureSettings) -> int:
    """Frames of a recording of `num_samples` at the sample rate of the settings.

    >>> count_frames(16000, FeatureSettings(kind="log_mel"))
    101
    >>> count_frames(16000, FeatureSettings(kind="waveform"))
    98
    """
    if settings.kind in SPECTRAL_KINDS:
        padded = max(num_samples + 2 * (settings.n_fft // 2), settings.n_fft)
        return 1 + (padded - settings.n_fft) // settings.hop_length
    return 1 + -(-max(num_samples - settings.n_fft, 0) // settings.hop_length)


def samples_of_frames(num_frames: int, settings: FeatureSettings) -> int:
    """About the most samples that give `num_frames`: so few less that rounding to another rate gives no frame more.

    >>> settings = FeatureSettings(kind="log_mel", hop_length=160)
    >>> samples_of_frames(101, settings), count_frames(samples_of_frames(101, settings), settings)
    (16120, 101)
    """
    hop = settings.hop_length
    last = hop if settings.kind in SPECTRAL_KINDS else settings.n_fft
    return max((num_frames - 1) * hop + last - hop // 4, 1)


def feature_delay(settings: FeatureSettings) -> float:
    """Seconds from the time of a frame until everything that it is computed from has been recorded.

    >>> feature_delay(FeatureSettings(sample_rate=8000, n_fft=256, hop_length=80))
    0.016
    >>> feature_delay(FeatureSettings(sample_rate=8000, n_fft=256, hop_length=80, delta=1))
    0.056
    """
    if settings.kind == "precomputed":
        return 0.0
    window = settings.n_fft // 2 if settings.kind in SPECTRAL_KINDS else settings.n_fft
    later_frames = DELTA_REACH if settings.delta else 0
    return (window + later_frames * settings.hop_length) / settings.sample_rate


def frame_blocks(blocks: Iterable[Samples], settings: FeatureSettings, piece_frames: int) -> Iterator[Samples]:
    """Views `(time, n_fft)` on the samples, each of `piece_frames` frames but the last.

    `n_fft // 2` zeros stand before and behind the samples of a spectral kind, and zeros fill the last frame of any.

    Raises:
        AudioError: there are no samples.
    """
    n_fft, hop = settings.n_fft, settings.hop_length
    margin = n_fft // 2 if settings.kind in SPECTRAL_KINDS else 0
    buffer, num_samples, num_frames = np.zeros(margin, np.float32), 0, 0
    piece_samples = (piece_frames - 1) * hop + n_fft
    # With a hop beyond the window, samples between the frames are skipped, also those that have not come yet.
    skip = 0
    for block in blocks:
        num_samples += len(block)
        buffer = np.concatenate([buffer, block[skip:]])
        skip -= min(skip, len(block))
        while len(buffer) >= piece_samples:
            yield _frames(buffer[:piece_samples], n_fft, hop)
            num_frames += piece_frames
            skip = max(piece_frames * hop - len(buffer), 0)
            buffer = buffer[piece_frames * hop :]
    if not num_samples:
        raise AudioError("there are no samples to extract features from")
    rest = count_frames(num_samples, settings) - num_frames
    buffer = np.pad(buffer, (0, max((rest - 1) * hop + n_fft - len(buffer), 0)))
    for first in range(0, rest, piece_frames):
        count = min(piece_frames, rest - first)
        yield _frames(buffer[first * hop : (first + count - 1) * hop + n_fft], n_fft, hop)


def _frames(samples: Samples, n_fft: int, hop_length: int) -> Samples:
    frames: Samples = np.lib.stride_tricks.sliding_window_view(samples, n_fft)[::hop_length]
    return frames
