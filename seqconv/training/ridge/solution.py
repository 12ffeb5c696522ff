"""Ridge regression in closed form, its strength chosen by leaving each sequence, or each group, out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seqconv.training.ridge.blocks import BLOCK_BYTES, FloatArray, IntArray, Matrix, StandardizedRows
from seqconv.training.ridge.directions import Directions
from seqconv.training.ridge.left_out import LeftOut

# Of the mean squared length of the standardized rows: from hardly any to hardly anything left.
STRENGTHS = np.logspace(-5, 3, 25)
# Errors often hardly change over decades of strengths: the largest of these has the smallest coefficients.
TOLERATED = 0.01


@dataclass(frozen=True)
class Ridge:
    """A fitted linear model: `features @ coefficients + intercept`.

    `strength` is relative to the mean squared length of a row of standardized features. `left_out` `(n, outputs)`: what
    a model that was fitted without a row, or without its group, says of that row. `error`: its mean squared error.
    `errors`: that of each strength that was tried.
    """

    coefficients: FloatArray
    intercept: FloatArray
    strength: float
    left_out: FloatArray
    error: float
    errors: dict[float, float]


def fit_ridge(
    features: Matrix,
    targets: FloatArray,
    weights: FloatArray | None = None,
    groups: npt.ArrayLike | None = None,
    strengths: Sequence[float] | FloatArray = STRENGTHS,
    *,
    total: float | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> Ridge:
    """Fit a linear model to standardized features with the least squared error and a penalty on its coefficients.

    With fewer rows than features, the equations are those of the rows, else those of the features. Their products are
    summed in blocks: besides these, and about four matrices of `min(n, features)` squared, no array is larger than the
    targets. Features are read five times or so, and may lie in a file.

    Args:
        features: `(n, features)`.
        targets: `(n, outputs)`; rows with NaN are not looked at, and nothing is said of them.
        weights: `(n,)`, above 0; default: all alike.
        groups: `(n,)`; rows of a group are left out together; default: each by itself.
        strengths: what is tried; the largest whose error is at most 1 % more than the least is taken.
        total: sum to which weights are scaled, instead of the number of rows: that of sequences, where rows are their
            frames, which say much the same. Strengths then mean the same for both.
        block_bytes: of what is computed at a time; it changes memory and time, not the answer.

    >>> rng = np.random.default_rng(0)
    >>> x, noise = rng.normal(size=(50, 3)), rng.normal(size=(50, 1))
    >>> y = x @ [[1.0], [2.0], [0.0]] + 0.01 * noise + 5
    >>> found = fit_ridge(x, y)
    >>> found.coefficients.round(2).ravel().tolist(), found.intercept.round(2).tolist()
    ([1.0, 2.0, 0.0], [5.0])
    """
    order, edges = _order(groups, np.flatnonzero(~np.isnan(targets).any(axis=1)))
    share = np.ones(len(order)) if weights is None else np.asarray(weights, np.float64)[order]
    share = share * ((len(order) if total is None else total) / share.sum())
    root, known = np.sqrt(share)[:, None], targets[order]
    rows = StandardizedRows(features, order, root, block_bytes)
    center = share @ known / share.sum()
    left_out = LeftOut(Directions(rows), root * (known - center), edges)
    tried = [float(strength) for strength in strengths]
    errors = dict.fromkeys(tried, 0.0)
    for _, found in left_out.errors(tried):
        for strength, squares in zip(tried, np.square(found).sum(axis=(1, 2)).tolist(), strict=True):
            errors[strength] += squares / (share.sum() * targets.shape[1])
    best = max(strength for strength in tried if errors[strength] <= min(errors.values()) * (1 + TOLERATED))
    outputs = np.full(targets.shape, np.nan)
    for part, found in left_out.errors([best]):
        outputs[order[part]] = known[part] - found[0] / root[part]
    coefficients = left_out.directions.to_features(left_out.coefficients(best))
    return Ridge(coefficients, center - rows.mean @ coefficients, best, outputs, errors[best], errors)


def _order(groups: npt.ArrayLike | None, rows: IntArray) -> tuple[IntArray, IntArray | None]:
    """Return rows in the order of their groups, and where each begins; None where each row is a group of its own."""
    if groups is None:
        return rows, None
    _, numbers = np.unique(np.asarray(groups)[rows], return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    edges = np.flatnonzero(np.diff(numbers[order], prepend=-1, append=-1))
    return rows[order], None if len(edges) > len(rows) else edges
