"""Scores of frames, or of sequences, resampled by sequence: sums over frames are computed once, which is cheap."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from seqconv.metrics.checks import FloatArray, IntArray
from seqconv.metrics.classification import cross_entropy
from seqconv.metrics.means import mean_of_finite, ratio
from seqconv.metrics.multilabel import binary_cross_entropy, resampled_precision

SequenceScorer = Callable[[IntArray], dict[str, float]]


def class_frame_scorer(
    classes: IntArray, probabilities: FloatArray, predicted: IntArray, owners: IntArray, count: int
) -> SequenceScorer:
    """Make a function from indices of sequences to the headline scores over all their frames, each counted once.

    Frames of one recording are alike, so a bootstrap must draw sequences; it also serves scores by length or slice.

    Args:
        classes: true class of each frame `(n,)`.
        probabilities: `(n, C)`.
        predicted: class that is given `(n,)`.
        owners: which sequence each frame is of `(n,)`, from 0.
        count: how many sequences there are; some may have no frame.

    Returns:
        NaN for what the frames of those sequences leave undefined.

    >>> classes, owners = np.array([0, 0, 1]), np.array([0, 0, 1])
    >>> scorer = class_frame_scorer(classes, np.eye(2)[[0, 1, 1]], np.array([0, 1, 1]), owners, 2)
    >>> scorer(np.array([0]))["accuracy"], scorer(np.array([0, 1, 1]))["accuracy"]
    (0.5, 0.75)
    """
    from scipy.sparse import csr_array

    every = np.ones(len(classes))
    hits, support, given = (
        csr_array((values, (of, owners)), shape=(probabilities.shape[1], count))
        for values, of in ((every * (classes == predicted), classes), (every, classes), (every, predicted))
    )
    losses = np.bincount(owners, cross_entropy(classes, probabilities), minlength=count)

    def scores(indices: IntArray) -> dict[str, float]:
        copies = _copies(indices, count)
        correct, wanted, got = hits @ copies, support @ copies, given @ copies
        return {
            "accuracy": float(ratio(correct.sum(), wanted.sum())),
            "balanced_accuracy": mean_of_finite(ratio(correct, wanted)),
            "macro_f1": mean_of_finite(ratio(2 * correct, wanted + got)),
            # A product of vectors would start the threads of BLAS for each draw.
            "loss": float(ratio((copies * losses).sum(), wanted.sum())),
        }

    return scores


def label_frame_scorer(
    targets: FloatArray, probabilities: FloatArray, chosen: npt.NDArray[np.bool_], owners: IntArray, count: int
) -> SequenceScorer:
    """Make the function of `class_frame_scorer` for labels: 0/1 rows `(n, C)`, NaN where missing, and those given."""
    is_known = ~np.isnan(targets)
    wanted, given = np.where(is_known, targets, 0), chosen & is_known
    hits, either = (_sums(of, owners, count) for of in (wanted * given, wanted + given))
    is_scored = is_known.any(axis=1)
    entropies = binary_cross_entropy(targets, probabilities)
    losses = np.bincount(owners[is_scored], entropies[is_scored], minlength=count)
    frames = _copies(owners[is_scored], count)
    precision = resampled_precision(targets, probabilities)

    def scores(indices: IntArray) -> dict[str, float]:
        copies = _copies(indices, count)
        correct, total = copies @ hits, copies @ either
        return {
            "map": precision(copies[owners]),
            "macro_f1": mean_of_finite(ratio(2 * correct, total)),
            "micro_f1": float(ratio(2 * correct.sum(), total.sum())),
            # A product of two vectors would start BLAS's threads for each draw.
            "loss": float(ratio((copies * losses).sum(), (copies * frames).sum())),
        }

    return scores


def number_frame_scorer(targets: FloatArray, predictions: FloatArray, owners: IntArray, count: int) -> SequenceScorer:
    """Make the function of `class_frame_scorer` for values `(n, C)`.

    The rank correlation is left out, because its ranks would have to be sorted again for each draw.
    """
    errors = predictions - targets
    # Around the mean of all, so that the sum of squares keeps its digits.
    centered = targets - targets.mean(axis=0)
    absolute, squared, first, second = (
        _sums(values, owners, count) for values in (np.abs(errors), errors**2, centered, centered**2)
    )
    frames = _copies(owners, count)

    def scores(indices: IntArray) -> dict[str, float]:
        copies = _copies(indices, count)
        number = copies @ frames
        if not number:
            return dict.fromkeys(("mae", "rmse", "r2"), np.nan)
        missed = copies @ squared
        spread = copies @ second - (copies @ first) ** 2 / number
        is_defined = spread > 1e-12 * (copies @ second)
        return {
            "mae": float((copies @ absolute / number).mean()),
            "rmse": float(np.sqrt(missed / number).mean()),
            "r2": mean_of_finite(1 - ratio(missed[is_defined], spread[is_defined])),
        }

    return scores


def _copies(indices: IntArray, count: int) -> FloatArray:
    """Count how often each of `count` things is among the indices."""
    return np.bincount(indices, minlength=count).astype(np.float64)


def _sums(values: npt.NDArray[np.float64], owners: IntArray, count: int) -> FloatArray:
    """Return the sum of each column over the frames of each sequence, `(sequences, columns)`."""
    return np.stack([np.bincount(owners, column, minlength=count) for column in values.T], axis=1)
