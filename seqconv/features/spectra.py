"""Spectral features of framed samples, as librosa defines them, and spectra back to sound.

Frames are cut and transformed with NumPy: `librosa.stft` makes numba compile for 14 seconds the first time on a
machine, importing librosa or scipy takes over a second, and each worker process would wait for it. Mel filters and
windows are theirs, bit for bit; tests hold every kind equal to librosa.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]

_LOWEST_POWER = 1e-10
_DELTA_WINDOW = 9
# Frames at each side that a derivative looks at.
DELTA_REACH = _DELTA_WINDOW // 2
_INVERSION_ROUNDS = 32
# Slaney's mel scale: linear up to 1000 Hz, logarithmic above, 27 mels from there to 6400 Hz.
_HZ_PER_MEL = 200.0 / 3
_FIRST_LOG_HZ = 1000.0
_FIRST_LOG_MEL = _FIRST_LOG_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def power_spectrum(frames: Frames, win_length: int) -> Frames:
    """Power of the windowed frames `(time, n_fft)`: `(time, n_fft // 2 + 1)`."""
    spectrum = np.fft.rfft(frames * _window(win_length, frames.shape[1]), axis=1)
    power: Frames = (spectrum.real**2 + spectrum.imag**2).astype(np.float32, copy=False)
    return power


def power_to_db(power: Frames) -> Frames:
    """Apply `librosa.power_to_db(power, ref=1.0, top_db=None)`: decibels that depend on no other frame."""
    return (10.0 * np.log10(np.maximum(power, np.float32(_LOWEST_POWER)))).astype(np.float32, copy=False)


# -100 dB, as exactly as float32 can hold it.
SILENCE = power_to_db(np.zeros(1, np.float32))[0]


def raise_level(level: Frames, decibels: float) -> Frames:
    """Raise (or lower) a level in decibels; digital silence stays what it is."""
    raised: Frames = np.maximum(level + np.float32(decibels), SILENCE)
    raised[level < SILENCE + np.float32(1e-4)] = SILENCE
    return raised


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
    """Apply `append_deltas` to consecutive pieces; each waits for the later frames that its last ones need.

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


def invert_power(power: Array, n_fft: int, win_length: int, hop_length: int) -> Frames:
    """Find samples `(n,)` that give, in centered frames, about this power spectrum `(time, n_fft // 2 + 1)`.

    The phases are estimated (Griffin and Lim 1984, "Signal estimation from modified short-time Fourier transform").

    Args:
        power: of each frame.
        n_fft: samples in a frame.
        win_length: samples under the window.
        hop_length: samples from one frame to the next.
    """
    magnitudes = np.sqrt(power)
    window = _window(win_length, n_fft).astype(np.float64)
    spectrum = magnitudes * np.exp(2j * np.pi * np.random.default_rng(0).random(magnitudes.shape))
    for _ in range(_INVERSION_ROUNDS):
        found = _transform(_overlap(spectrum, window, hop_length), window, hop_length)
        spectrum = magnitudes * np.exp(1j * np.angle(found))
    samples = _overlap(spectrum, window, hop_length)
    return samples[n_fft // 2 : n_fft // 2 + (len(power) - 1) * hop_length].astype(np.float32)


def _overlap(spectrum: npt.NDArray[np.complex128], window: Array, hop: int) -> Array:
    """Return samples from the frames of a spectrum, each weighted by its window."""
    n_fft = len(window)
    frames = np.fft.irfft(spectrum, n_fft, axis=1) * window
    total, weight = (np.zeros((len(frames) - 1) * hop + n_fft) for _ in range(2))
    for number, frame in enumerate(frames):
        place = slice(number * hop, number * hop + n_fft)
        total[place] += frame
        weight[place] += window**2
    samples: Array = total / np.maximum(weight, 1e-8 * window.max() ** 2)
    return samples


def _transform(samples: Array, window: Array, hop: int) -> npt.NDArray[np.complex128]:
    frames = np.lib.stride_tricks.sliding_window_view(samples, len(window))[::hop]
    spectrum: npt.NDArray[np.complex128] = np.fft.rfft(frames * window, axis=1)
    return spectrum


def mel_filters(sample_rate: int, n_fft: int, n_mels: int, fmin: float = 0.0, fmax: float | None = None) -> Frames:
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
    filters: Frames = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    filters *= (2.0 / (edges[2:] - edges[:-2]))[:, np.newaxis]
    return filters


def mel_edges(n_mels: int, fmin: float, fmax: float) -> Array:
    """Return the frequencies in Hz, `(n_mels + 2,)`, at which the filters between `fmin` and `fmax` begin and end."""
    limits = hz_to_mel(np.array([fmin, fmax], np.float64))
    return mel_to_hz(np.linspace(limits[0], limits[1], n_mels + 2))


def hz_to_mel(frequencies: Array) -> Array:
    """Convert frequencies in Hz to mels, on Slaney's scale.

    >>> hz_to_mel(np.array([500.0, 1000.0, 6400.0])).round(3).tolist()
    [7.5, 15.0, 42.0]
    """
    mels = frequencies / _HZ_PER_MEL
    is_high = frequencies >= _FIRST_LOG_HZ
    mels[is_high] = _FIRST_LOG_MEL + np.log(frequencies[is_high] / _FIRST_LOG_HZ) / _LOG_STEP
    return mels


def mel_to_hz(mels: Array) -> Array:
    """Convert mels to frequencies in Hz, on Slaney's scale.

    >>> mel_to_hz(np.array([7.5, 15.0, 42.0])).round(3).tolist()
    [500.0, 1000.0, 6400.0]
    """
    frequencies = _HZ_PER_MEL * mels
    is_high = mels >= _FIRST_LOG_MEL
    frequencies[is_high] = _FIRST_LOG_HZ * np.exp(_LOG_STEP * (mels[is_high] - _FIRST_LOG_MEL))
    return frequencies


def hann_window(length: int) -> Frames:
    """Return a periodic Hann window, `(length,)`, as `scipy.signal.get_window("hann", length)`.

    >>> hann_window(4).tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    if length == 1:
        return np.ones(1, np.float32)
    angles = np.linspace(-np.pi, np.pi, length + 1)[:-1]
    return (0.5 + 0.5 * np.cos(angles)).astype(np.float32)


@lru_cache(maxsize=8)
def _window(win_length: int, n_fft: int) -> Frames:
    window = hann_window(win_length)
    left = (n_fft - win_length) // 2
    return np.pad(window, (left, n_fft - win_length - left))
