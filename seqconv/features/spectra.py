"""Spectral features of framed samples, as librosa defines them.

Frames are cut and transformed with NumPy: `librosa.stft` makes numba compile for 14 seconds the first time on a
machine, and each worker process would wait for it. Tests hold every kind equal to librosa.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from seqconv.errors import ConfigError
from seqconv.features.filters import hann_window, mel_filters
from seqconv.features.settings import FeatureSettings

Frames = npt.NDArray[np.float32]

_LOWEST_POWER = 1e-10
_DELTA_WINDOW = 9
# Frames at each side that a derivative looks at.
DELTA_REACH = _DELTA_WINDOW // 2


def spectral_features(frames: Frames, settings: FeatureSettings) -> Frames:
    """Features of each frame by itself: `(time, n_fft)` samples to `(time, d)`, without deltas."""
    power = power_spectrum(frames, settings)
    if settings.kind == "log_spectrogram":
        return power_to_db(power[:, frequency_range(settings)])
    if settings.kind == "chroma":
        return _chroma(power, settings)
    log_mel = power_to_db(power @ _mel_filters(settings))
    if settings.kind == "log_mel":
        return log_mel
    import scipy.fft

    cepstrum = scipy.fft.dct(log_mel, axis=1, type=2, norm="ortho")
    return np.ascontiguousarray(cepstrum[:, : settings.n_mfcc], dtype=np.float32)


def power_spectrum(frames: Frames, settings: FeatureSettings) -> Frames:
    """Power of the windowed frames, `(time, n_fft // 2 + 1)`."""
    window = _window(settings.win_length or settings.n_fft, settings.n_fft)
    spectrum = np.fft.rfft(frames * window, axis=1)
    power: Frames = (spectrum.real**2 + spectrum.imag**2).astype(np.float32, copy=False)
    return power


def power_to_db(power: Frames) -> Frames:
    """`librosa.power_to_db(power, ref=1.0, top_db=None)`: decibels that depend on no other frame."""
    return (10.0 * np.log10(np.maximum(power, np.float32(_LOWEST_POWER)))).astype(np.float32, copy=False)


def append_deltas(features: Frames, order: int) -> Frames:
    """Append the derivatives up to `order`: `(time, d)` to `(time, d * (1 + order))`.

    As `librosa.feature.delta(mode="nearest")`: the edge frames are repeated, so that one frame is enough.

    >>> append_deltas(np.ones((1, 3), np.float32), 2).shape
    (1, 9)
    """
    if not order:
        return features
    from scipy.signal import savgol_filter

    derivatives = [
        savgol_filter(features, _DELTA_WINDOW, deriv=degree, polyorder=degree, axis=0, mode="nearest")
        for degree in range(1, order + 1)
    ]
    return np.concatenate([features, *derivatives], axis=1).astype(np.float32, copy=False)


def append_deltas_to_pieces(pieces: Iterable[Frames], order: int) -> Iterator[Frames]:
    """`append_deltas` of consecutive pieces: each is held back until the frames that its last ones reach are there.

    >>> pieces = [np.ones((3, 2), np.float32), np.ones((9, 2), np.float32)]
    >>> [len(piece) for piece in append_deltas_to_pieces(pieces, 1)]
    [8, 4]
    """
    if not order:
        yield from pieces
        return
    # The last frames that came, and how many of them are done and only stay to be looked at.
    recent, done = None, 0
    for piece in pieces:
        recent = piece if recent is None else np.concatenate([recent, piece])
        ready = len(recent) - DELTA_REACH
        if ready > done:
            yield append_deltas(recent, order)[done:ready]
            first = max(ready - DELTA_REACH, 0)
            recent, done = recent[first:], ready - first
    if recent is not None:
        yield append_deltas(recent, order)[done:]


def frequency_range(settings: FeatureSettings) -> slice:
    """The bins of the spectrum from fmin to fmax, both included."""
    frequencies = np.fft.rfftfreq(settings.n_fft, 1 / settings.sample_rate)
    first = int(np.searchsorted(frequencies, settings.fmin, side="left"))
    stop = int(np.searchsorted(frequencies, settings.highest_frequency, side="right"))
    if stop <= first:
        raise ConfigError(
            f"features: no bin of the spectrum lies between fmin={settings.fmin:g} Hz and "
            f"fmax={settings.highest_frequency:g} Hz; bins are {frequencies[1]:g} Hz apart. "
            "Raise n_fft or widen the range"
        )
    return slice(first, stop)


def _chroma(power: Frames, settings: FeatureSettings) -> Frames:
    """Energy of each pitch class over the strongest one of the same frame; zero in a silent frame."""
    bins = frequency_range(settings)
    chroma = power[:, bins] @ _chroma_filters(settings)[bins]
    strongest = chroma.max(axis=1, keepdims=True)
    audible = strongest > np.finfo(np.float32).tiny
    relative: Frames = np.divide(chroma, strongest, out=np.zeros_like(chroma), where=audible)
    return relative


@lru_cache(maxsize=8)
def _window(win_length: int, n_fft: int) -> Frames:
    window = hann_window(win_length)
    left = (n_fft - win_length) // 2
    return np.pad(window, (left, n_fft - win_length - left))


@lru_cache(maxsize=8)
def _mel_filters(settings: FeatureSettings) -> Frames:
    filters = mel_filters(
        settings.sample_rate, settings.n_fft, settings.n_mels, settings.fmin, settings.highest_frequency
    )
    empty = int(np.count_nonzero(filters.max(axis=1) == 0))
    if empty:
        raise ConfigError(
            f"features: {empty} of n_mels={settings.n_mels} mel bands hold no bin of the spectrum and would be "
            f"constant. Lower n_mels or raise n_fft={settings.n_fft}"
        )
    return np.ascontiguousarray(filters.T, dtype=np.float32)


@lru_cache(maxsize=8)
def _chroma_filters(settings: FeatureSettings) -> Frames:
    import librosa.filters

    # tuning is fixed: librosa would estimate it from the whole recording.
    filters = librosa.filters.chroma(
        sr=settings.sample_rate, n_fft=settings.n_fft, n_chroma=settings.n_chroma, tuning=0.0
    )
    return np.ascontiguousarray(filters.T, dtype=np.float32)
