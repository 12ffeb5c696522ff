"""Gain and noise on features."""

import numpy as np
import numpy.typing as npt

from seqconv.features.settings import FeatureSettings
from seqconv.features.spectra import power_to_db

Features = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float32]

# -100 dB, as far as float32 tells.
SILENCE = power_to_db(np.zeros(1, np.float32))[0]
_ROUNDING = np.float32(1e-4)
_DECIBELS = ("log_mel", "log_spectrogram")


def add_gain(features: Features, decibels: float, settings: FeatureSettings) -> Features:
    """The features `(time, d)` that a recording would have at another level.

    `log_mel` and `log_spectrogram` are decibels: the gain is added, and digital silence stays what it is. Of `mfcc` the
    first coefficient is `sqrt(n_mels)` times the mean level. Their derivatives stay. Samples of `waveform` and numbers
    that were computed elsewhere (`precomputed`) are multiplied by `10 ** (decibels / 20)`.

    >>> add_gain(np.array([[-20.0, -100.0]], np.float32), 6.0, FeatureSettings(n_mels=2))
    array([[ -14.     , -100.00001]], dtype=float32)
    """
    if settings.kind == "mfcc":
        changed = features.copy()
        changed[:, 0] += np.float32(decibels * settings.n_mels**0.5)
        return changed
    if settings.kind not in _DECIBELS:
        return features * np.float32(10 ** (decibels / 20))
    changed = features.copy()
    level = changed[:, : features.shape[1] // (1 + settings.delta)]
    is_silent = level < SILENCE + _ROUNDING
    level += np.float32(decibels)
    np.maximum(level, SILENCE, out=level)
    np.copyto(level, SILENCE, where=is_silent)
    return changed


def add_noise(features: Features, deviation: Vector, amount: float, rng: np.random.Generator) -> Features:
    """Independent normal noise on all features `(time, d)`, its deviation `amount * deviation`, `deviation` `(d,)`.

    On decibels it is a jitter of levels, and no sound; sounds are added to recordings by `audio_augment.background`.

    >>> add_noise(np.zeros((1, 2), np.float32), np.array([0, 1], np.float32), 0.5, np.random.default_rng(0)).shape
    (1, 2)
    """
    noise = rng.standard_normal(features.shape, np.float32)
    noise *= deviation * np.float32(amount)
    noise += features
    return noise
