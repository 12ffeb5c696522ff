"""A model's answers, read from `predictions.csv`: arrays to score, and intervals by class and by length."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array

from seqconv.metrics.checks import FloatArray, IntArray
from seqconv.metrics.intervals import Bootstrap
from seqconv.reports.folder import RunFolder
from seqconv.tasks import Task, find_task

Interval = list[float] | None
Scorer = Callable[[IntArray], dict[str, float]]


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers to one split.

    `task`, `kind` ("sequence" or "frame") and `names` are those of the target. `table`: the rows with a label.
    `targets`, `predictions` `(n, C)`: one-hot or 0/1 rows (NaN where a label is missing), or values; probabilities, or
    values. `given` `(n, C)`: which classes were given, 0/1 rows; None in a regression. `ids`: of the sequences, in the
    order of the file; `owners` `(n,)`: the place in `ids` that a row belongs to.
    """

    task: str
    kind: str
    names: list[str]
    table: pd.DataFrame
    targets: FloatArray
    predictions: FloatArray
    ids: list[str]
    owners: IntArray
    given: FloatArray | None = None

    @cached_property
    def scorer(self) -> Scorer:
        """The function from indices of sequences to the headline scores."""
        classes = None if self.given is None else self.definition.class_numbers(self.given)
        return self._scorer_of(self.targets, self.predictions, self.given if classes is None else classes)

    @property
    def definition(self) -> Task:
        """The task as an object."""
        return find_task(self.task)

    def column_scorer(self, column: int) -> Scorer:
        """Make the function from indices of sequences to the headline scores of one of several columns of numbers."""
        one = slice(column, column + 1)
        return self._scorer_of(self.targets[:, one], self.predictions[:, one], None)

    def _scorer_of(self, targets: FloatArray, predictions: FloatArray, decided: Any) -> Scorer:
        if self.kind == "frame":
            return self.definition.frame_scorer(targets, predictions, self.owners, len(self.ids), decided)
        return self.definition.headline_scorer(targets, predictions, decided)

    @cached_property
    def is_wrong(self) -> np.ndarray:
        """Rows with another class, or other labels, than the truth; missing labels are neither `(n,)`."""
        return np.asarray(((self.given != self.targets) & ~np.isnan(self.targets)).any(axis=1))

    @cached_property
    def tallies(self) -> Any:
        """Hits, targets and given answers of each class, summed over each sequence: sparse, `(3 * C, sequences)`."""
        is_known = ~np.isnan(self.targets)
        wanted, given = (np.where(is_known, np.asarray(of), 0) for of in (self.targets, self.given))
        counted = np.concatenate([wanted * given, wanted, given], axis=1)
        rows, places = np.nonzero(counted)
        shape = (3 * len(self.names), len(self.ids))
        return coo_array((counted[rows, places], (places, self.owners[rows])), shape=shape).tocsr()


def read_answers(folder: RunFolder) -> Answers | None:
    """Read the answers in a run folder; None if there are none, or their split is unknown."""
    table, split = folder.predictions, folder.split
    if split is None:
        return None
    target = folder.config.target
    kind = "frame" if "frame" in table else "sequence"
    table = table[table["loss"].notna()].reset_index(drop=True)
    read = target.definition.read_answers(table, folder.metrics[split], target.separator)
    if read is None:
        return None
    codes, texts = pd.factorize(table["id"])
    owners, ids = codes.astype(np.int64), [str(text) for text in texts]
    return Answers(target.task, kind, read.names, table, read.targets, read.predictions, ids, owners, read.given)


def class_intervals(
    answers: Answers, bootstrap: Bootstrap, groups: Sequence[str] | None
) -> dict[str, dict[str, Interval]]:
    """Return intervals of precision, recall and F1 of each class; for regression of mae, rmse and r2 of each column."""
    num_sequences = len(answers.ids)
    if num_sequences < 2:
        return {name: {} for name in answers.names}
    if answers.given is None:
        return {
            name: bootstrap.intervals(answers.column_scorer(column), num_sequences, groups)
            for column, name in enumerate(answers.names)
        }
    count, tallies = len(answers.names), answers.tallies

    def scores(indices: IntArray) -> dict[str, float]:
        copies = np.bincount(indices, minlength=num_sequences).astype(np.float64)
        hits, wanted, given = (tallies @ copies).reshape(3, count)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = {"precision": hits / given, "recall": hits / wanted, "f1": 2 * hits / (wanted + given)}
        return {f"{place}:{name}": float(values[place]) for name, values in found.items() for place in range(count)}

    drawn = bootstrap.intervals(scores, num_sequences, groups)
    return {
        name: {score: drawn.get(f"{place}:{score}") for score in ("precision", "recall", "f1")}
        for place, name in enumerate(answers.names)
    }


def subset_intervals(
    answers: Answers, members: IntArray, bootstrap: Bootstrap, groups: Sequence[str] | None
) -> dict[str, Interval]:
    """Return intervals of the headline scores over some of the sequences."""
    if len(members) < 2:
        return {}
    chosen = None if groups is None else [groups[index] for index in members]
    return bootstrap.intervals(lambda indices: answers.scorer(members[indices]), len(members), chosen)


def calibration_bins(answers: Answers, num_bins: int) -> list[tuple[float, float, int, float, float]]:
    """Return lower and upper bound, count, mean confidence and share of correct ones of each non-empty bin.

    Of one class out of several, confidence is the probability of the class given; of several labels, each probability
    is one, and right is a label that is there. Bins are `(lower, upper]`, as in the calibration error.
    """
    confidence, is_right = answers.definition.calibration_points(answers.targets, answers.predictions)
    bins = np.clip(np.ceil(confidence * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    counts = np.bincount(bins, minlength=num_bins)
    sure = np.bincount(bins, confidence, num_bins)
    right = np.bincount(bins, is_right, num_bins)
    return [
        (i / num_bins, (i + 1) / num_bins, int(counts[i]), float(sure[i] / counts[i]), float(right[i] / counts[i]))
        for i in np.flatnonzero(counts)
    ]
