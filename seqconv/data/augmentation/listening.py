"""Features back to sound, so that one hears what a network is given."""

import numpy as np
import numpy.typing as npt

from seqconv.features.filters import hann_window, mel_filters
from seqconv.features.settings import FeatureSettings
from seqconv.features.spectra import frequency_range

Array = npt.NDArray[np.float64]
Features = npt.NDArray[np.float32]
Samples = npt.NDArray[np.float32]

AUDIBLE_KINDS = ("log_mel", "log_spectrogram", "mfcc", "waveform")
_ROUNDS = 32


def to_sound(features: Features, settings: FeatureSettings, *, rounds: int = _ROUNDS) -> Samples:
    """Samples `(n,)` whose features are about `features` `(time, d)`: as a network hears, without phases.

    Spectra are inverted as far as they tell (mel bands by least squares), and phases sought that fit them (Griffin and
    Lim 1984, "Signal estimation from modified short-time Fourier transform"). `waveform` is the samples themselves.

    Args:
        features: of a kind in `AUDIBLE_KINDS`, not normalized by recording.
        settings: what they were extracted with.
        rounds: of the search.

    >>> to_sound(np.full((11, 64), -20, np.float32), FeatureSettings()).shape
    (1600,)
    """
    if settings.kind == "waveform":
        return features[:, : settings.hop_length].ravel()
    magnitudes = np.sqrt(_power(features[:, : features.shape[1] // (1 + settings.delta)], settings))
    window = np.pad(hann_window(settings.win_length or settings.n_fft).astype(np.float64), _margins(settings))
    spectrum = magnitudes * np.exp(2j * np.pi * np.random.default_rng(0).random(magnitudes.shape))
    for _ in range(rounds):
        found = _transform(_overlap(spectrum, window, settings), window, settings)
        spectrum = magnitudes * np.exp(1j * np.angle(found))
    half = settings.n_fft // 2
    samples = _overlap(spectrum, window, settings)
    return samples[half : half + (len(features) - 1) * settings.hop_length].astype(np.float32)


def _power(features: Features, settings: FeatureSettings) -> Array:
    """The power spectrum `(time, n_fft // 2 + 1)` that has these features, as far as they tell."""
    values = features.astype(np.float64)
    if settings.kind == "mfcc":
        import scipy.fft

        values = scipy.fft.idct(values, n=settings.n_mels, axis=1, type=2, norm="ortho")
    power = 10 ** (values / 10)
    bins = settings.n_fft // 2 + 1
    if settings.kind == "log_spectrogram":
        whole = np.zeros((len(power), bins))
        whole[:, frequency_range(settings)] = power
        return whole
    filters = mel_filters(
        settings.sample_rate, settings.n_fft, settings.n_mels, settings.fmin, settings.highest_frequency
    )
    spectrum: Array = np.maximum(power @ np.linalg.pinv(filters.astype(np.float64)).T, 0)
    return spectrum


def _margins(settings: FeatureSettings) -> tuple[int, int]:
    spare = settings.n_fft - (settings.win_length or settings.n_fft)
    return spare // 2, spare - spare // 2


def _overlap(spectrum: npt.NDArray[np.complex128], window: Array, settings: FeatureSettings) -> Array:
    """Samples from the frames of a spectrum, each weighed by its window."""
    frames, hop, n_fft = np.fft.irfft(spectrum, settings.n_fft, axis=1) * window, settings.hop_length, settings.n_fft
    total, weight = (np.zeros((len(frames) - 1) * hop + n_fft) for _ in range(2))
    for number, frame in enumerate(frames):
        place = slice(number * hop, number * hop + n_fft)
        total[place] += frame
        weight[place] += window**2
    samples: Array = total / np.maximum(weight, 1e-8 * window.max() ** 2)
    return samples


def _transform(samples: Array, window: Array, settings: FeatureSettings) -> npt.NDArray[np.complex128]:
    frames = np.lib.stride_tricks.sliding_window_view(samples, settings.n_fft)[:: settings.hop_length]
    spectrum: npt.NDArray[np.complex128] = np.fft.rfft(frames * window, axis=1)
    return spectrum
