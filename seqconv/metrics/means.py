"""Means: of values of which some are undefined, and over several runs with their deviation and uncertainty."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seqconv.metrics.checks import FloatArray


class Spread(NamedTuple):
    """Mean of `num_values` values, their standard deviation (n - 1), the interval of the mean; None for one value."""

    num_values: int
    mean: float
    deviation: float | None
    interval: tuple[float, float] | None


def spread(values: Sequence[float], confidence: float = 0.95, units: Sequence[object] | None = None) -> Spread:
    """Return mean and deviation of values, and Student's t interval of the mean.

    Args:
        values: At least one.
        confidence: Coverage of the interval.
        units: What the values are of, such as folds: values of one unit are alike, so that the interval is that of the
            mean of the units' means.

    >>> mean = spread([0.9, 0.8, 0.7])
    >>> round(mean.mean, 3), round(mean.deviation, 3), [round(end, 3) for end in mean.interval]
    (0.8, 0.1, [0.552, 1.048])
    >>> spread([0.5]).interval is None
    True
    """
    from scipy.stats import t

    array = np.asarray(values, np.float64)
    means = array
    if units is not None:
        names = list(dict.fromkeys(units))
        means = np.array([np.mean([v for v, unit in zip(array, units, strict=True) if unit == name]) for name in names])
    mean, count = float(array.mean()), len(array)
    deviation = float(array.std(ddof=1)) if count > 1 else None
    if len(means) < 2:
        return Spread(count, mean, deviation, None)
    reach = float(t.ppf((1 + confidence) / 2, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means)))
    center = float(means.mean())
    return Spread(count, mean, deviation, (center - reach, center + reach))


def ratio(numerator: Any, denominator: Any) -> FloatArray:
    """Divide; NaN where the denominator is not above 0.

    >>> ratio([1, 1], [2, 0]).tolist()
    [0.5, nan]
    """
    denominator = np.asarray(denominator)
    undefined = np.full(denominator.shape, np.nan)
    return np.asarray(np.divide(numerator, denominator, out=undefined, where=denominator > 0))


def mean_of_finite(values: FloatArray) -> float:
    """Return the mean of the values that are finite; NaN if none is.

    >>> mean_of_finite(np.array([0.5, np.nan, 1.0]))
    0.75
    """
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan


def mean_of_defined(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are defined; `None` if none is.

    >>> mean_of_defined([0.5, None, 1.0])
    0.75
    """
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None
