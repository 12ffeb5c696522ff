"""Scores of parts of the data: bootstrap intervals over sequences or groups of them, and scores by length."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ConfigError, ShapeError
from seqconv.metrics.checks import IntArray

Interval = list[float]


def bootstrap_intervals(
    score_fn: Callable[[IntArray], Mapping[str, float]],
    n: int,
    *,
    groups: npt.ArrayLike | None = None,
    repeats: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Compute percentile bootstrap intervals: the range of a score if the data are drawn again.

    Sequences of one group (a speaker, a prompt) are not independent, so that with groups whole groups are drawn.
    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

    Args:
        score_fn: from indices (with repetition) to scores; NaN where a draw leaves a score undefined.
        n: number of sequences.
        groups: one group each, any values; `None` draws sequences.
        repeats: number of draws.
        confidence: part of the draws within the interval.
        seed: the same seed, the same intervals.

    Returns:
        score -> `[low, high]`, or `None` where fewer than half of the draws define the score or there are fewer than
        two groups to draw from.

    Raises:
        ShapeError: groups are not one for each sequence.
        ConfigError: repeats or confidence make no sense.

    >>> correct = np.array([1.0] * 90 + [0.0] * 10)
    >>> low, high = bootstrap_intervals(lambda indices: {"accuracy": correct[indices].mean()}, 100)["accuracy"]
    >>> 0.8 < low < 0.9 < high < 1.0
    True
    """
    if repeats < 1 or not 0 < confidence < 1:
        raise ConfigError(f"a bootstrap needs repeats >= 1 and 0 < confidence < 1, not {repeats} and {confidence}.")
    units = _unit_numbers(groups, n)
    num_units = int(units.max(initial=-1)) + 1
    if num_units < 2:
        return dict.fromkeys(score_fn(np.arange(n)))
    generator = np.random.default_rng(seed)
    draws: dict[str, list[float]] = {}
    for _ in range(repeats):
        copies = np.bincount(generator.integers(num_units, size=num_units), minlength=num_units)
        for name, value in score_fn(np.repeat(np.arange(n), copies[units])).items():
            draws.setdefault(name, []).append(value)
    return {name: _interval(np.asarray(values), confidence) for name, values in draws.items()}


@dataclass(frozen=True)
class Bootstrap:
    """Options of `bootstrap_intervals`; without `repeats` there are no intervals."""

    repeats: int
    confidence: float
    seed: int = 0

    def intervals(
        self, score_fn: Callable[[IntArray], Mapping[str, float]], n: int, groups: npt.ArrayLike | None = None
    ) -> dict[str, Interval | None]:
        """Compute the intervals of `bootstrap_intervals`; none without draws."""
        if not self.repeats:
            return {}
        options: dict[str, Any] = {"repeats": self.repeats, "confidence": self.confidence, "seed": self.seed}
        return bootstrap_intervals(score_fn, n, groups=groups, **options)


def by_length(
    lengths: npt.ArrayLike, score_fn: Callable[[IntArray], Mapping[str, Any]], bins: int = 4
) -> list[dict[str, Any]]:
    """Return one row of scores for each quantile of length, shortest first.

    Sequences of one length share a bin, so that there are fewer bins where many lengths are equal.

    Args:
        lengths: frames of each sequence `(n,)`.
        score_fn: from the indices of a bin to its scores.
        bins: 4 for quartiles.

    Returns:
        rows `{"min_frames", "max_frames", "count", **scores}`.

    >>> by_length([5, 1, 3, 9], lambda indices: {"indices": indices.tolist()}, bins=2)
    [{'min_frames': 1, 'max_frames': 3, 'count': 2, 'indices': [1, 2]}, \
{'min_frames': 5, 'max_frames': 9, 'count': 2, 'indices': [0, 3]}]
    """
    lengths = np.asarray(lengths)
    upper = np.quantile(lengths, np.arange(1, bins) / bins)
    bin_of = np.searchsorted(upper, lengths, side="left")
    rows = []
    for number in np.unique(bin_of):
        indices = np.flatnonzero(bin_of == number)
        within = lengths[indices]
        frames = {"min_frames": int(within.min()), "max_frames": int(within.max()), "count": len(indices)}
        rows.append({**frames, **score_fn(indices)})
    return rows


def _unit_numbers(groups: npt.ArrayLike | None, n: int) -> IntArray:
    if groups is None:
        return np.arange(n)
    array: npt.NDArray[Any] = np.asarray(groups)
    if array.shape != (n,):
        raise ShapeError(f"groups have shape {array.shape}, expected ({n},): one group for each sequence.")
    return np.asarray(np.unique(array.astype(str), return_inverse=True)[1])


def _interval(values: npt.NDArray[np.float64], confidence: float) -> Interval | None:
    defined = values[np.isfinite(values)]
    if 2 * len(defined) < len(values):
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return [float(low), float(high)]
