"""Noise on features."""

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float32]


def add_noise(features: Features, deviation: Vector, amount: float, rng: np.random.Generator) -> Features:
    """Add independent normal noise to all features `(time, d)`, its deviation `amount * deviation`, `deviation` `(d,)`.

    On decibels it is a jitter of levels, and no sound; sounds are added to recordings by `audio_augment.background`.

    >>> add_noise(np.zeros((1, 2), np.float32), np.array([0, 1], np.float32), 0.5, np.random.default_rng(0)).shape
    (1, 2)
    """
    noise = rng.standard_normal(features.shape, np.float32)
    noise *= deviation * np.float32(amount)
    noise += features
    return noise
