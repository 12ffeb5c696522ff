"""Summaries over several runs: mean, deviation, and the uncertainty of the mean."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


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
