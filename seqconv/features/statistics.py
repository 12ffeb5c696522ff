"""Mean and variance of features over frames, and normalization by those of a recording."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ManifestError
from seqconv.features.kinds import FeatureKind, Features
from seqconv.sources import join_arrays

Vector = npt.NDArray[np.float64]
SMALLEST_DEVIATION = 1e-5


class FrameMoments:
    """Number of frames, mean and sum of squared deviations of each feature, over arrays `(time, d)`.

    Arrays are merged pairwise (Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance"), which
    keeps the variance of a nearly constant feature exact.

    >>> moments = FrameMoments([np.array([[1.0], [3.0]]), np.array([[5.0], [7.0]])])
    >>> moments.count, moments.mean, moments.squares
    (4, array([4.]), array([20.]))
    """

    def __init__(self, pieces: Iterable[npt.ArrayLike] = ()) -> None:
        self.count = 0
        self.mean: Vector = np.zeros(0)
        self.squares: Vector = np.zeros(0)
        for piece in pieces:
            self.add(piece)

    def add(self, piece: npt.ArrayLike) -> None:
        """Add the frames of an array."""
        frames = np.asarray(piece, dtype=np.float64)
        if not len(frames):
            return
        mean = frames.mean(axis=0)
        squares = ((frames - mean) ** 2).sum(axis=0)
        if not self.count:
            self.count, self.mean, self.squares = len(frames), mean, squares
            return
        total = self.count + len(frames)
        difference = mean - self.mean
        self.mean = self.mean + difference * (len(frames) / total)
        self.squares = self.squares + squares + difference**2 * (self.count * len(frames) / total)
        self.count = total

    def statistics(self) -> tuple[Vector, Vector]:
        """Return mean and variance over the frames (not their estimate plus one), `(d,)` both.

        Raises:
            ManifestError: there is no frame.
        """
        if not self.count:
            raise ManifestError(
                "there is no training frame to take the mean and variance of; is the training split empty?"
            )
        return self.mean, self.squares / self.count


def feature_statistics(source: Any, indices: Iterable[int] | None = None) -> tuple[Vector, Vector]:
    """Mean and variance of each feature over all frames of the chosen sequences, some of them in memory at a time.

    Each frame counts once, whatever the length of its sequence.

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
    blocks = join_arrays(np.asarray(source[index]) for index in chosen)
    return FrameMoments(block.frames for block in blocks).statistics()


def finish_features(features: Features, settings: FeatureKind) -> Features:
    """Apply what needs the whole recording: zero mean and unit variance over time when `normalize` is "recording"."""
    if settings.normalize != "recording":
        return np.ascontiguousarray(features)
    mean = features.mean(axis=0, dtype=np.float64)
    deviation = features.std(axis=0, dtype=np.float64)
    normalized: Features = ((features - mean) / np.maximum(deviation, SMALLEST_DEVIATION)).astype(np.float32)
    return normalized
