"""Spectral features of framed samples, as librosa defines them, and spectra back to sound.

Frames are cut and transformed with NumPy: `librosa.stft` makes numba compile for 14 seconds the first time on a
machine, and each worker process would import it for over a second. Windows are librosa's, bit for bit; tests hold every
kind equal to librosa.

Spectra are computed in float64 and kept in float32: a transform in float32 is off by as much for the quietest bin as
for the loudest one of its frame. A frame has the same features in whatever block it is, bit for bit.
"""

import threading
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]

_LOWEST_POWER = 1e-10
# Samples of windows that are transformed at once: their spectra stay in the cache of a core.
_BLOCK_SAMPLES = 1 << 17
_OF_THREAD = threading.local()
_DELTA_WINDOW = 9
# Frames at each side that a derivative looks at.
DELTA_REACH = _DELTA_WINDOW // 2
_INVERSION_ROUNDS = 32


def power_spectrum(frames: Frames, win_length: int) -> Frames:
    """Return the power of the windowed frames `(time, n_fft)`: `(time, n_fft // 2 + 1)`."""
    spectrum = np.empty((len(frames), frames.shape[1] // 2 + 1), np.float32)
    for place, power in _power_blocks(frames, win_length):
        spectrum[place] = power.T
    return spectrum


def band_power(frames: Frames, win_length: int, filters: Any) -> Frames:
    """Return the power of the windowed frames `(time, n_fft)` in bands, `(time, bands)`.

    Args:
        frames: samples.
        win_length: samples under the window.
        filters: weights of the bins, a sparse matrix `(bands, n_fft // 2 + 1)` in rows; a product with it, unlike one
            of dense matrices, adds each frame by itself in the same order.
    """
    bands = np.empty((len(frames), filters.shape[0]), np.float32)
    for place, power in _power_blocks(frames, win_length):
        bands[place] = (filters @ power).T
    return bands


def _power_blocks(frames: Frames, win_length: int) -> Iterator[tuple[slice, Frames]]:
    """Yield the places of some frames and their power `(n_fft // 2 + 1, frames)`, which the next one overwrites."""
    num_frames, n_fft = frames.shape
    window = _window(win_length, n_fft)
    workspace = _workspace_of(n_fft)
    for first in range(0, num_frames, len(workspace.windowed)):
        place = slice(first, min(first + len(workspace.windowed), num_frames))
        count = place.stop - first
        windowed, total = workspace.windowed[:count], workspace.total[:count]
        # Of another type than NumPy declares: the transform in float64 is rounded to it.
        spectrum: Any = workspace.spectrum[:count]
        np.multiply(frames[place], window, out=windowed)
        np.fft.rfft(windowed, axis=1, out=spectrum)
        squares = spectrum.view(np.float32)
        np.multiply(squares, squares, out=squares)
        np.add(squares[:, ::2], squares[:, 1::2], out=total)
        power = workspace.power[: total.size].reshape(total.shape[::-1])
        power[:] = total.T
        yield place, power


class _Workspace(NamedTuple):
    """Arrays for a block of frames, used again: new memory for each block would take longer than the transform."""

    windowed: Array
    spectrum: npt.NDArray[np.complex64]
    total: Frames
    power: Frames


def _workspace_of(n_fft: int) -> _Workspace:
    """Return the workspace of this thread."""
    found: _Workspace | None = getattr(_OF_THREAD, "workspace", None)
    if found is None or found.windowed.shape[1] != n_fft:
        most, bins = max(_BLOCK_SAMPLES // n_fft, 1), n_fft // 2 + 1
        found = _Workspace(
            np.empty((most, n_fft)),
            np.empty((most, bins), np.complex64),
            np.empty((most, bins), np.float32),
            np.empty(most * bins, np.float32),
        )
        _OF_THREAD.workspace = found
    return found


def power_to_db(power: Frames) -> Frames:
    """Apply `librosa.power_to_db(power, ref=1.0, top_db=None)`: decibels that depend on no other frame."""
    level: Frames = np.maximum(power, np.float32(_LOWEST_POWER))
    np.log10(level, out=level)
    level *= np.float32(10)
    return level


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
    window = _window(win_length, n_fft)
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


def hann_window(length: int) -> Array:
    """Return a periodic Hann window, `(length,)`, as `scipy.signal.get_window("hann", length)`.

    >>> hann_window(4).tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    if length == 1:
        return np.ones(1)
    return 0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, length + 1)[:-1])


@lru_cache(maxsize=8)
def _window(win_length: int, n_fft: int) -> Array:
    window = hann_window(win_length)
    left = (n_fft - win_length) // 2
    return np.pad(window, (left, n_fft - win_length - left))
