"""Spectra back to sound, so that one hears what a network is given."""

import numpy as np
import numpy.typing as npt

from seqconv.features.filters import hann_window

Array = npt.NDArray[np.float64]
_ROUNDS = 32


def invert_power(power: Array, n_fft: int, win_length: int, hop_length: int) -> npt.NDArray[np.float32]:
    """Find samples `(n,)` whose frames, centered, have about this power spectrum `(time, n_fft // 2 + 1)`.

    Phases are sought that fit (Griffin and Lim 1984, "Signal estimation from modified short-time Fourier transform").

    Args:
        power: of each frame.
        n_fft: samples in a frame.
        win_length: samples under the window.
        hop_length: samples from one frame to the next.
    """
    magnitudes = np.sqrt(power)
    spare = n_fft - win_length
    window = np.pad(hann_window(win_length).astype(np.float64), (spare // 2, spare - spare // 2))
    spectrum = magnitudes * np.exp(2j * np.pi * np.random.default_rng(0).random(magnitudes.shape))
    for _ in range(_ROUNDS):
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
