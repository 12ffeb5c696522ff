"""Mean and variance of features over frames."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ManifestError

Vector = npt.NDArray[np.float64]


def feature_statistics(source: Any, indices: Iterable[int] | None = None) -> tuple[Vector, Vector]:
    """Mean and variance of each feature over all frames of the chosen sequences, one sequence in memory at a time.

    Each frame counts once, whatever the length of its sequence. Sequences are merged pairwise (Chan, Golub and LeVeque
    1983, "Algorithms for computing the sample variance"), which keeps the variance of a nearly constant feature exact.

    Args:
        source: anything with `len()` and `[i] -> (time, d)`: a store, `Sequences`, or a list of arrays.
        indices: which sequences, for example those of the training split; default all.

    Returns:
        `(mean, variance)`, float64 of shape `(d,)`; the variance is over the frames, not their estimate plus one.

    Raises:
        ManifestError: there is no frame.

    >>> feature_statistics([np.array([[1.0], [3.0]]), np.array([[5.0], [7.0]])])
    (array([4.]), array([5.]))
    """
    chosen = range(len(source)) if indices is None else indices
    count, mean, squares = frame_moments(source[index] for index in chosen)
    if not count:
        raise ManifestError("there is no training frame to take the mean and variance of; is the training split empty?")
    return mean, squares / count


def frame_moments(pieces: Iterable[npt.ArrayLike]) -> tuple[int, Vector, Vector]:
    """Number of frames, mean and sum of squared deviations of each feature, over arrays `(time, d)`, one at a time.

    >>> frame_moments([np.array([[1.0], [3.0]]), np.array([[5.0], [7.0]])])
    (4, array([4.]), array([20.]))
    """
    count = 0
    mean: Vector = np.zeros(0)
    squares: Vector = np.zeros(0)
    for piece in pieces:
        frames = np.asarray(piece, dtype=np.float64)
        if not len(frames):
            continue
        added_mean = frames.mean(axis=0)
        added_squares = ((frames - added_mean) ** 2).sum(axis=0)
        if not count:
            count, mean, squares = len(frames), added_mean, added_squares
            continue
        total = count + len(frames)
        difference = added_mean - mean
        mean = mean + difference * (len(frames) / total)
        squares = squares + added_squares + difference**2 * (count * len(frames) / total)
        count = total
    return count, mean, squares
