"""Scores of predicted numbers, in their original units."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from seqconv.errors import list_some
from seqconv.metrics.checks import FloatArray, IntArray, Scores, as_pair, plain, undefined_scores
from seqconv.metrics.means import mean_of_defined, mean_of_finite, ratio

SCORES = ("mae", "rmse", "r2", "spearman")


def regression_scores(targets: npt.ArrayLike, predictions: npt.ArrayLike, names: Sequence[str]) -> Scores:
    """Compute errors and correlations of predicted numbers.

    Args:
        targets: `(n, C)`, or `(n,)` for a single column, in original units.
        predictions: the same shape and units.
        names: the C column names.

    Returns:
        mae, rmse (same units), r2, spearman; of several columns the mean, and per_column (name -> the four). notes
        (score -> why it is undefined, or which columns the mean leaves out).

    Raises:
        ShapeError: the shapes do not fit each other or the names.

    >>> scores = regression_scores([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], ["age"])
    >>> round(scores["mae"], 3), scores["r2"], round(scores["spearman"], 3)
    (0.333, 0.5, 1.0)
    """
    targets, predictions = as_pair(targets, predictions, len(names))
    if not np.isfinite(predictions).all():
        return undefined_scores(SCORES)
    per_column = {name: _scores_of_column(targets[:, i], predictions[:, i]) for i, name in enumerate(names)}
    scores: Scores = {name: mean_of_defined([column[name] for column in per_column.values()]) for name in SCORES}
    if len(names) > 1:
        scores["per_column"] = per_column
    return {**scores, "notes": _notes(per_column)}


def resampled_regression(targets: FloatArray, predictions: FloatArray) -> Callable[[IntArray], dict[str, float]]:
    """Return a function from indices to the scores, in NumPy: fast enough for a bootstrap."""

    def scores(indices: IntArray) -> dict[str, float]:
        wanted, got = targets[indices], predictions[indices]
        errors = got - wanted
        return {
            "mae": float(np.abs(errors).mean()),
            "rmse": float(np.sqrt((errors**2).mean(axis=0)).mean()),
            "r2": mean_of_finite(1 - ratio((errors**2).sum(axis=0), ((wanted - wanted.mean(axis=0)) ** 2).sum(axis=0))),
            "spearman": mean_of_finite(_rank_correlations(wanted, got)),
        }

    return scores


def _scores_of_column(targets: FloatArray, predictions: FloatArray) -> dict[str, float | None]:
    from scipy.stats import spearmanr
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    varies = np.ptp(targets) > 0
    return {
        "mae": plain(mean_absolute_error(targets, predictions)),
        "rmse": plain(root_mean_squared_error(targets, predictions)),
        "r2": plain(r2_score(targets, predictions)) if varies else None,
        "spearman": plain(spearmanr(targets, predictions).statistic) if varies and np.ptp(predictions) > 0 else None,
    }


def _notes(per_column: dict[str, dict[str, float | None]]) -> dict[str, str]:
    notes = {}
    for score, reason in (("r2", "the target is constant"), ("spearman", "the target or the prediction is constant")):
        left_out = [name for name, scores in per_column.items() if scores[score] is None]
        if left_out:
            notes[score] = f"undefined where {reason}: {list_some(left_out)}"
    return notes


def _rank_correlations(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the rank correlation of each pair of columns; NaN if one is constant."""
    from scipy.stats import rankdata

    first, second = (ranks - ranks.mean(axis=0) for ranks in (rankdata(first, axis=0), rankdata(second, axis=0)))
    return ratio((first * second).sum(axis=0), np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0)))
