"""The mel filters and the window of spectral features, with nothing but NumPy.

The numbers are those of librosa and scipy, bit for bit. Importing these two takes over a second, and each process that
extracts features would wait for it.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Slaney's mel scale: linear up to 1000 Hz, logarithmic above, 27 mels from there to 6400 Hz.
_HZ_PER_MEL = 200.0 / 3
_FIRST_LOG_HZ = 1000.0
_FIRST_LOG_MEL = _FIRST_LOG_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def mel_filters(
    sample_rate: int, n_fft: int, n_mels: int, fmin: float = 0.0, fmax: float | None = None
) -> npt.NDArray[np.float32]:
    """Return triangular filters of equal area, `(n_mels, n_fft // 2 + 1)`, as `librosa.filters.mel`.

    Source: Slaney, Auditory Toolbox, 1998.

    Args:
        sample_rate: Hz.
        n_fft: samples in a window.
        n_mels: filters.
        fmin, fmax: Hz; lower edge of the first and upper edge of the last filter. Default of the last: half the rate.

    >>> mel_filters(8000, 256, 40).shape
    (40, 129)
    """
    frequencies = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    edges = mel_edges(n_mels, fmin, sample_rate / 2 if fmax is None else fmax)
    distances = np.subtract.outer(edges, frequencies)
    gaps = np.diff(edges)[:, np.newaxis]
    rising, falling = -distances[:-2] / gaps[:-1], distances[2:] / gaps[1:]
    filters: npt.NDArray[np.float32] = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    filters *= (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis]
    return filters


def mel_edges(n_mels: int, fmin: float, fmax: float) -> Floats:
    """Return the frequencies in Hz, `(n_mels + 2,)`, at which the filters between `fmin` and `fmax` begin and end."""
    limits = hz_to_mel(np.array([fmin, fmax], np.float64))
    return mel_to_hz(np.linspace(limits[0], limits[1], n_mels + 2))


def hz_to_mel(frequencies: Floats) -> Floats:
    """Convert frequencies in Hz to mels, on Slaney's scale.

    >>> hz_to_mel(np.array([500.0, 1000.0, 6400.0])).round(3).tolist()
    [7.5, 15.0, 42.0]
    """
    mels = frequencies / _HZ_PER_MEL
    is_high = frequencies >= _FIRST_LOG_HZ
    mels[is_high] = _FIRST_LOG_MEL + np.log(frequencies[is_high] / _FIRST_LOG_HZ) / _LOG_STEP
    return mels


def mel_to_hz(mels: Floats) -> Floats:
    """Convert mels to frequencies in Hz, on Slaney's scale.

    >>> mel_to_hz(np.array([7.5, 15.0, 42.0])).round(3).tolist()
    [500.0, 1000.0, 6400.0]
    """
    frequencies = _HZ_PER_MEL * mels
    is_high = mels >= _FIRST_LOG_MEL
    frequencies[is_high] = _FIRST_LOG_HZ * np.exp(_LOG_STEP * (mels[is_high] - _FIRST_LOG_MEL))
    return frequencies


def hann_window(length: int) -> npt.NDArray[np.float32]:
    """Return a periodic Hann window, `(length,)`, as `scipy.signal.get_window("hann", length)`.

    >>> hann_window(4).tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    if length == 1:
        return np.ones(1, np.float32)
    angles = np.linspace(-np.pi, np.pi, length + 1)[:-1]
    return (0.5 + 0.5 * np.cos(angles)).astype(np.float32)
