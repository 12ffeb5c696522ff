"""Mel scales, and the filters that weight the bins of a spectrum by them, as librosa defines them, bit for bit."""

from typing import Literal

import numpy as np
import numpy.typing as npt

Filters = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]
MelScale = Literal["slaney", "htk"]

# Slaney's scale: linear up to 1000 Hz, logarithmic above, 27 mels from there to 6400 Hz.
_HZ_PER_MEL = 200.0 / 3
_FIRST_LOG_HZ = 1000.0
_FIRST_LOG_MEL = _FIRST_LOG_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0
# HTK's: logarithmic throughout, nearly linear below its corner.
_HTK_MELS_PER_DECADE = 2595.0
_HTK_CORNER_HZ = 700.0


def mel_filters(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    fmin: float = 0.0,
    fmax: float | None = None,
    mel_scale: MelScale = "slaney",
) -> Filters:
    """Return triangular filters of equal area, `(n_mels, n_fft // 2 + 1)`, as `librosa.filters.mel`.

    Sources: Slaney, Auditory Toolbox, 1998; Young et al., The HTK Book, 2006.

    Args:
        sample_rate: Hz.
        n_fft: samples in a window.
        n_mels: filters.
        fmin, fmax: Hz; lower edge of the first and upper edge of the last filter. Default of the last: half the rate.
        mel_scale: where the filters are; all of them have the same area on both scales.

    >>> mel_filters(8000, 256, 40).shape
    (40, 129)
    """
    frequencies = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    edges = mel_edges(n_mels, fmin, sample_rate / 2 if fmax is None else fmax, mel_scale)
    distances = np.subtract.outer(edges, frequencies)
    gaps = np.diff(edges)[:, np.newaxis]
    rising, falling = -distances[:-2] / gaps[:-1], distances[2:] / gaps[1:]
    filters: Filters = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    filters *= (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis]
    return filters


def mel_edges(n_mels: int, fmin: float, fmax: float, mel_scale: MelScale = "slaney") -> Array:
    """Return the frequencies in Hz, `(n_mels + 2,)`, at which the filters between `fmin` and `fmax` begin and end."""
    limits = hz_to_mel(np.array([fmin, fmax], np.float64), mel_scale)
    return mel_to_hz(np.linspace(limits[0], limits[1], n_mels + 2), mel_scale)


def hz_to_mel(frequencies: Array, mel_scale: MelScale = "slaney") -> Array:
    """Convert frequencies in Hz to mels.

    >>> hz_to_mel(np.array([500.0, 1000.0, 6400.0])).round(3).tolist()
    [7.5, 15.0, 42.0]
    >>> hz_to_mel(np.array([0.0, 6300.0]), "htk").tolist()
    [0.0, 2595.0]
    """
    if mel_scale == "htk":
        return np.asarray(_HTK_MELS_PER_DECADE * np.log10(1.0 + frequencies / _HTK_CORNER_HZ))
    mels = frequencies / _HZ_PER_MEL
    is_high = frequencies >= _FIRST_LOG_HZ
    mels[is_high] = _FIRST_LOG_MEL + np.log(frequencies[is_high] / _FIRST_LOG_HZ) / _LOG_STEP
    return mels


def mel_to_hz(mels: Array, mel_scale: MelScale = "slaney") -> Array:
    """Convert mels to frequencies in Hz.

    >>> mel_to_hz(np.array([7.5, 15.0, 42.0])).round(3).tolist()
    [500.0, 1000.0, 6400.0]
    >>> mel_to_hz(np.array([0.0, 2595.0]), "htk").tolist()
    [0.0, 6300.0]
    """
    if mel_scale == "htk":
        return np.asarray(_HTK_CORNER_HZ * (10.0 ** (mels / _HTK_MELS_PER_DECADE) - 1.0))
    frequencies = _HZ_PER_MEL * mels
    is_high = mels >= _FIRST_LOG_MEL
    frequencies[is_high] = _FIRST_LOG_HZ * np.exp(_LOG_STEP * (mels[is_high] - _FIRST_LOG_MEL))
    return frequencies
