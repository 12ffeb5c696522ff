"""Thresholds, the probabilities from which a label is predicted, chosen on labeled sequences."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seqconv.errors import ConfigError
from seqconv.metrics.checks import FloatArray, check_same_count

DEFAULT_THRESHOLD = 0.5


class Cut(NamedTuple):
    """A threshold and its scores on the sequences that it was chosen on; None if these have no positive.

    `is_reached`: whether the precision that was asked for is reached.
    """

    threshold: float
    precision: float | None
    recall: float | None
    f1: float | None
    is_reached: bool = True


def choose_threshold(targets: npt.ArrayLike, probabilities: npt.ArrayLike, *, precision: float | None = None) -> Cut:
    """Choose the threshold of one label: the label is predicted from this probability on.

    Without `precision`, the one with the largest F1; with it, the lowest one (which finds most) whose precision is at
    least that. Where no threshold reaches it, the one with the best precision, and among these the lowest. Thresholds
    are in the middle between two probabilities that occur, so that a small change of either changes no decision.

    Args:
        targets: 0 or 1 `(n,)`; NaN where the label is missing, which counts neither way.
        probabilities: `(n,)`.
        precision: wanted part of the given labels that is right, above 0 and up to 1.

    Raises:
        ConfigError: a precision that cannot be.
        ShapeError: arrays of different length.

    >>> choose_threshold([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.8])
    Cut(threshold=0.2, precision=0.6666666666666666, recall=1.0, f1=0.8, is_reached=True)
    >>> choose_threshold([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.8], precision=0.9).recall
    0.5
    """
    if precision is not None and not 0 < precision <= 1:
        raise ConfigError(f"a precision of {precision} is impossible: it must be above 0, and 1 at most")
    return _choose(targets, probabilities, precision, is_macro=False)


def choose_macro_threshold(targets: npt.ArrayLike, probabilities: npt.ArrayLike) -> Cut:
    """Choose the threshold of one of two classes with the largest mean of both classes' F1.

    Args:
        targets: 0 or 1 `(n,)`, 1 for the class that the threshold gives.
        probabilities: of that class `(n,)`.

    >>> choose_macro_threshold([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.8]).threshold
    0.25
    """
    return _choose(targets, probabilities, None, is_macro=True)


def _choose(targets: npt.ArrayLike, probabilities: npt.ArrayLike, precision: float | None, *, is_macro: bool) -> Cut:
    wanted, found = np.asarray(targets, np.float64), np.asarray(probabilities, np.float64)
    check_same_count(wanted, found)
    is_known = ~np.isnan(wanted)
    wanted, found = wanted[is_known], found[is_known]
    if not (wanted == 1).any():
        return Cut(DEFAULT_THRESHOLD, None, None, None, is_reached=False)
    values, hits, given = _steps(wanted, found)
    count, positives = len(wanted), wanted.sum()
    precisions = hits / given
    scores = compared = 2 * hits / (given + positives)
    if is_macro:
        spared = count - given - (positives - hits)
        compared = (scores + 2 * spared / np.maximum((count - given) + (count - positives), 1)) / 2
    place, is_reached = _best(compared, precisions, precision)
    cut = float(precisions[place]), float(hits[place] / positives), float(scores[place])
    return Cut(_between(values, place), *cut, is_reached)


def _steps(wanted: FloatArray, found: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return probabilities that occur, falling; how many sequences with the label reach each, and how many in all."""
    order = np.argsort(-found, kind="stable")
    ordered = found[order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    return ordered[last], np.cumsum(wanted[order])[last], last + 1.0


def _best(scores: FloatArray, precisions: FloatArray, precision: float | None) -> tuple[int, bool]:
    if precision is None:
        return int(scores.argmax()), True
    reaching = np.flatnonzero(precisions >= precision)
    if len(reaching):
        return int(reaching[-1]), True
    return int(np.flatnonzero(precisions == precisions.max())[-1]), False


def _between(values: FloatArray, place: int) -> float:
    """Return the middle between a probability that gives the label and the next lower one."""
    lower = values[place + 1] if place + 1 < len(values) else 0.0
    middle = float((values[place] + lower) / 2)
    # Between neighbors in floating point there is no middle.
    return middle if lower < middle else float(values[place])
