"""Scores of candidates on sequences that they have not seen, and paired comparisons of their losses."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.data.datasets import Datasets
from seqconv.metrics.intervals import bootstrap_intervals

FloatArray = npt.NDArray[np.float64]
MARGIN = 2.0
"""Standard errors of a paired difference from which on a candidate is called better."""


@dataclass(frozen=True)
class Scored:
    """Losses of left-out sequences `(n,)`, NaN where there is none, with their mean, and a score with its interval."""

    losses: FloatArray
    loss: float
    score: float
    interval: list[float] | None
    count: int


@dataclass(frozen=True)
class Difference:
    """The mean by which a loss is lower than another on the same sequences, and its standard error."""

    value: float
    error: float

    @property
    def is_lower(self) -> bool:
        """Whether it is lower by more than chance would have it."""
        return self.value > MARGIN * self.error and self.value > 0

    def __str__(self) -> str:
        return f"{abs(self.value):.3f} {'lower' if self.value >= 0 else 'higher'}, standard error {self.error:.3f}"


class Judge:
    """A judge of answers to training sequences, by models that have not seen them.

    Args:
        data: the sequences, with labels and groups.
        weights: of each `(n,)`; those of 0 are not looked at.
        settings: the section `evaluation`, and the seed of intervals.
    """

    def __init__(self, data: Datasets, weights: npt.ArrayLike, settings: Any, seed: int) -> None:
        self._data, self._settings, self._seed = data, settings, seed
        self.weights = np.asarray(weights, np.float64)
        target, train = data.target, data.train
        self._truth = target.definition.truth(target, train.labels, train.ids)
        names: Any = train.ids if train.groups is None else train.groups
        self._units = np.unique(np.asarray(names, object).astype(str), return_inverse=True)[1]

    @cached_property
    def headline(self) -> str:
        """The name of the score."""
        return self._data.target.definition.headline

    def score(self, logits: FloatArray) -> Scored:
        """Score the logits of left-out sequences, `(n, num_outputs)`; NaN where a model has not answered."""
        target = self._data.target
        # Of several labels, some may be missing: they are in no loss.
        rows = np.flatnonzero(~np.isnan(logits).all(axis=1) & (self.weights > 0))
        predictions = target.definition.predictions(target, np.nan_to_num(logits[rows]))
        truth = self._truth[rows]
        losses = np.full(len(logits), np.nan)
        losses[rows] = target.definition.losses(truth, predictions, target.std or 1)
        scorer = target.definition.headline_scorer(truth, predictions)
        value = scorer(np.arange(len(rows))).get(self.headline, float("nan"))
        interval = self._interval(scorer, rows)
        return Scored(losses, self._mean(losses), value, interval, len(rows))

    def compare(self, losses: FloatArray, others: FloatArray) -> Difference:
        """Return how much lower losses are than others on sequences that both have; groups count as one."""
        both = ~np.isnan(losses) & ~np.isnan(others) & (self.weights > 0)
        weights, gains = self.weights[both], (others - losses)[both]
        if not both.any():
            return Difference(0.0, float("inf"))
        mean = float(np.average(gains, weights=weights))
        sums = np.bincount(self._units[both], weights * (gains - mean))
        counts = np.unique(self._units[both]).size
        if counts < 2:
            return Difference(mean, float("inf"))
        error = np.sqrt((sums**2).sum() * counts / (counts - 1)) / weights.sum()
        return Difference(mean, float(error))

    def _mean(self, losses: FloatArray) -> float:
        known = ~np.isnan(losses)
        return float(np.average(losses[known], weights=self.weights[known])) if known.any() else float("nan")

    def _interval(self, scorer: Callable[[Any], Any], rows: npt.NDArray[np.int64]) -> list[float] | None:
        repeats = self._settings.bootstrap
        if not repeats or len(rows) < 2:
            return None
        options = {"repeats": repeats, "confidence": self._settings.confidence, "seed": self._seed}
        found = bootstrap_intervals(scorer, len(rows), groups=self._units[rows], **options)
        return found.get(self.headline)
