"""Ridge regression in closed form, its strength chosen by leaving each sequence, or each group, out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
# Of the mean squared length of the standardized rows: from hardly any to hardly anything left.
STRENGTHS = np.logspace(-5, 3, 25)
# Columns that are turned into float64 at a time.
CHUNK = 2048
EPSILON = 1e-12
# Errors often hardly change over decades of strengths: the largest of these has the smallest coefficients.
TOLERATED = 0.01

# Of any precision; products are summed in float64.
Matrix = npt.NDArray[Any]


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
    groups: Sequence[object] | None = None,
    strengths: Sequence[float] | FloatArray = STRENGTHS,
) -> Ridge:
    """Fit a linear model to standardized features with the least squared error and a penalty on its coefficients.

    With fewer rows than features, the equations are those of the rows, else those of the features; besides them, all
    features are kept once more. Errors of left-out rows are exact for the means and deviations of all rows
    (Allen 1974; for groups, An, Liu and Venkatesh 2007).

    Args:
        features: `(n, features)`.
        targets: `(n, outputs)`.
        weights: `(n,)`, above 0; default: all alike.
        groups: `(n,)`; rows of a group are left out together; default: each by itself.
        strengths: what is tried; the largest whose error is at most 1 % more than the least is taken.

    >>> rng = np.random.default_rng(0)
    >>> x, noise = rng.normal(size=(50, 3)), rng.normal(size=(50, 1))
    >>> y = x @ [[1.0], [2.0], [0.0]] + 0.01 * noise + 5
    >>> found = fit_ridge(x, y)
    >>> found.coefficients.round(2).ravel().tolist(), found.intercept.round(2).tolist()
    ([1.0, 2.0, 0.0], [5.0])
    """
    share = np.ones(len(targets)) if weights is None else np.asarray(weights, np.float64)
    root = np.sqrt(share / share.mean())[:, None]
    basis = _find_basis(features, root)
    center = (root**2 * targets).mean(axis=0)
    wanted = root * (targets - center)
    members = _members(groups, len(targets))
    found = {float(strength): basis.leave_out(wanted, root, strength, members) for strength in strengths}
    errors = {strength: float((error**2).mean()) for strength, error in found.items()}
    best = max(strength for strength in errors if errors[strength] <= min(errors.values()) * (1 + TOLERATED))
    coefficients = basis.coefficients(wanted, best)
    intercept = center - basis.mean @ coefficients
    return Ridge(coefficients, intercept, best, targets - found[best] / root, errors[best], errors)


class _Basis:
    """The rows of standardized features, times the roots of their weights, in the directions of their variation.

    `rows` `(n, directions)`, with squared lengths `lengths` of its orthogonal columns; `unit`: the mean squared length
    of a row. `back` turns coefficients of the directions into those of the features; `mean` is that of the features.
    """

    def __init__(
        self, rows: FloatArray, lengths: FloatArray, back: Callable[[FloatArray], FloatArray], mean: FloatArray
    ) -> None:
        self.rows, self.lengths, self.back, self.mean = rows, lengths, back, mean
        self.unit = max(float(lengths.sum()) / len(rows), EPSILON)

    def coefficients(self, wanted: FloatArray, strength: float) -> FloatArray:
        """Return the coefficients of the features `(features, outputs)`."""
        return self.back(self._solve(wanted, strength))

    def _solve(self, wanted: FloatArray, strength: float) -> FloatArray:
        return np.asarray((self.rows.T @ wanted) / (self.lengths + strength * self.unit)[:, None])

    def leave_out(
        self, wanted: FloatArray, root: FloatArray, strength: float, members: list[npt.NDArray[np.int64]] | None
    ) -> FloatArray:
        """Return the errors of rows that were left out, times the roots of their weights."""
        scaled = self.rows / np.sqrt(self.lengths + strength * self.unit)
        constant = root / np.sqrt((root**2).sum())
        errors = wanted - self.rows @ self._solve(wanted, strength)
        if members is None:
            leverage = np.einsum("ij,ij->i", scaled, scaled)[:, None] + constant**2
            return np.asarray(errors / np.maximum(1 - leverage, EPSILON))
        for rows in members:
            hat = scaled[rows] @ scaled[rows].T + constant[rows] @ constant[rows].T
            errors[rows] = np.linalg.solve((1 + EPSILON) * np.eye(len(rows)) - hat, errors[rows])
        return errors


def _find_basis(features: Matrix, root: FloatArray) -> _Basis:
    """Find the directions in which rows vary, from products of rows or from products of features."""
    mean, deviation = weighted_moments(features, root[:, 0] ** 2)
    scale = np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0)
    matrix = np.empty(features.shape, np.float32)
    for part in _parts(features.shape[1]):
        matrix[:, part] = root * ((features[:, part] - mean[part]) * scale[part])
    if len(matrix) <= len(mean):
        values, vectors = _positive(*np.linalg.eigh(_products(matrix)))

        def back(inner: FloatArray) -> FloatArray:
            return np.asarray(scale[:, None] * (matrix.T @ (vectors @ (inner / np.sqrt(values)[:, None]))))

        return _Basis(vectors * np.sqrt(values), values, back, mean)
    values, vectors = _positive(*np.linalg.eigh(_products(matrix.T)))
    return _Basis(matrix @ vectors, values, lambda inner: scale[:, None] * (vectors @ inner), mean)


def weighted_moments(features: Matrix, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and deviation of each feature, by weight, in two passes; 0 where it is constant."""
    shares = weights / weights.sum()
    mean, variance = np.empty(features.shape[1]), np.empty(features.shape[1])
    for part in _parts(features.shape[1]):
        values = features[:, part].astype(np.float64)
        mean[part] = shares @ values
        variance[part] = shares @ (values - mean[part]) ** 2
    deviation = np.sqrt(variance)
    return mean, np.where(deviation > 1e-6 * np.maximum(np.abs(mean), 1e-6), deviation, 0)


def _products(matrix: Matrix) -> FloatArray:
    """Return the products of all pairs of rows, summed in float64."""
    products = np.zeros((len(matrix), len(matrix)))
    for part in _parts(matrix.shape[1]):
        columns = matrix[:, part].astype(np.float64)
        products += columns @ columns.T
    return products


def _parts(count: int) -> Iterator[slice]:
    """Yield parts of that many columns, so that few are in float64 at a time."""
    return (slice(start, start + CHUNK) for start in range(0, count, CHUNK))


def _positive(values: FloatArray, vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Leave out directions in which nothing varies."""
    is_kept = values > values.max(initial=0) * EPSILON
    return values[is_kept], vectors[:, is_kept]


def _members(groups: Sequence[object] | None, count: int) -> list[npt.NDArray[np.int64]] | None:
    """Return the rows of each group; None where each row is a group of its own."""
    if groups is None:
        return None
    _, numbers = np.unique(np.asarray([str(group) for group in groups]), return_inverse=True)
    if len(set(numbers.tolist())) == count:
        return None
    order = np.argsort(numbers, kind="stable")
    return list(np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1))
