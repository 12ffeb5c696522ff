"""Regression: each sequence, or frame, has one number or several."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from seqconv.metrics.checks import FloatArray, IntArray, Scores, as_columns
from seqconv.metrics.frames import number_frame_scorer
from seqconv.metrics.regression import regression_scores, resampled_regression
from seqconv.parts import register
from seqconv.tasks.base import Task
from seqconv.tasks.classes import as_rows, is_number
from seqconv.tasks.forms import NO_CLASSES, Array, CellRule, Columns, Fitted, Meaning, ReadAnswers, Scorer
from seqconv.tasks.frame_arrays import read_number_frames
from seqconv.tasks.frame_labels import FrameLabels
from seqconv.tasks.raw_labels import number_columns

NUM_BINS = 10


@register
class Regression(Task):
    """Numbers, learned on a scale on which those of training have mean 0 and deviation 1."""

    name: ClassVar[str] = "regression"
    scores: ClassVar[tuple[str, ...]] = ("r2", "mae", "rmse", "spearman", "loss")
    headline: ClassVar[str] = "mae"
    outputs: ClassVar[str] = "columns"
    text_columns: ClassVar[frozenset[str]] = frozenset()
    misfits: ClassVar[Mapping[str, str]] = NO_CLASSES
    joins_windows: ClassVar[bool] = True

    def fit(self, raw_labels: Any, *, names: tuple[str, ...] | None, separator: str, ids: Any = None) -> Fitted:
        values, columns = number_columns(raw_labels, ids, names=names)
        return _fit_scale(values, columns)

    def fit_frames(self, labels: FrameLabels, names: tuple[str, ...] | None) -> Fitted:
        rows = [labels[index][labels.is_labeled(index)] for index in range(len(labels))]
        return _fit_scale(np.concatenate(rows), labels.names)

    def read_frames(self, raw_labels: Any, *, ids: Any = None, names: Sequence[str] | None = None) -> FrameLabels:
        return read_number_frames(raw_labels, ids, names)

    def encode(self, target: Meaning, raw_labels: Any, ids: Any = None) -> Array:
        return target.standardize(self.truth(target, raw_labels, ids)).astype(np.float32)

    def truth(self, target: Meaning, raw_labels: Any, ids: Any = None) -> FloatArray:
        return np.asarray(number_columns(raw_labels, ids, names=target.names)[0], np.float64)

    def decode(self, target: Meaning, outputs: ArrayLike, threshold: float) -> list[Any]:
        return list(target.unstandardize(outputs).tolist())

    def target_of_outputs(self, names: tuple[str, ...], columns: tuple[str, ...], column: str) -> Fitted:
        """Describe outputs in original units."""
        found = columns or (column,)
        return Fitted(found, mean=(0.0,) * len(found), std=(1.0,) * len(found))

    def cell_rule(self, *, is_single: bool) -> CellRule:
        return CellRule("a finite number", is_number)

    def strata(self, row_names: Sequence[Sequence[str]], cells: Sequence[Any]) -> list[list[str]]:
        """Divide rows by tenths of the numbers of the first column."""
        import pandas as pd

        ranks = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce").rank(pct=True).fillna(0)
        return [[f"{int(rank * NUM_BINS - 1e-9)}"] for rank in ranks]

    def make_loss(self, label_smoothing: float = 0.0, focusing: float = 0.0) -> Any:
        from seqconv.tasks.losses import squared_loss

        return squared_loss()

    def predictions(self, target: Meaning, logits: ArrayLike) -> FloatArray:
        return target.unstandardize(super().predictions(target, logits))

    def prediction_columns(self, target: Meaning, predictions: FloatArray, decided: Any = None) -> Columns:
        return _name_values("prediction", target, predictions)

    def truth_columns(self, target: Meaning, targets: FloatArray) -> Columns:
        return _name_values("label", target, targets)

    def read_answers(self, table: Any, scores: Mapping[str, Any], separator: str) -> ReadAnswers:
        prefix = "prediction_"
        named = [str(name).removeprefix(prefix) for name in table.columns if str(name).startswith(prefix)]
        columns = [[f"{kind}_{name}" for name in named] or [kind] for kind in ("label", "prediction")]
        targets, predictions = (table[each].to_numpy(np.float64) for each in columns)
        return ReadAnswers(named or ["prediction"], targets, predictions, None)

    def compute_scores(
        self, targets: ArrayLike, predictions: ArrayLike, names: Sequence[str], decided: ArrayLike | None, num_bins: int
    ) -> Scores:
        return regression_scores(targets, predictions, names)

    def losses(self, targets: ArrayLike, predictions: ArrayLike, scale: ArrayLike = 1) -> FloatArray:
        wanted, got = _pair(targets, predictions)
        return np.asarray((((got - wanted) / np.asarray(scale)) ** 2).mean(axis=1))

    def headline_scorer(self, targets: ArrayLike, predictions: ArrayLike, decided: ArrayLike | None = None) -> Scorer:
        return resampled_regression(*_pair(targets, predictions))

    def frame_scorer(
        self, targets: ArrayLike, predictions: ArrayLike, owners: IntArray, count: int, decided: ArrayLike | None = None
    ) -> Scorer:
        return number_frame_scorer(np.asarray(targets, np.float64), np.asarray(predictions, np.float64), owners, count)

    def guess(self, targets: FloatArray) -> FloatArray:
        return np.asarray(targets + np.random.default_rng(0).uniform(0.1, 0.9, targets.shape))


def _pair(targets: ArrayLike, predictions: ArrayLike) -> tuple[FloatArray, FloatArray]:
    rows = as_rows(predictions)
    return as_columns(targets, "targets", rows.shape[1]), rows


def _fit_scale(values: FloatArray, names: tuple[str, ...]) -> Fitted:
    """Mean and deviation of training values `(n, columns)`."""
    std = values.std(axis=0)
    # A constant column has nothing to learn, but must not divide by zero.
    std = np.where(std > 1e-12 * np.abs(values).max(axis=0), std, 1.0)
    return Fitted(names, tuple(values.mean(axis=0).tolist()), tuple(std.tolist()))


def _name_values(prefix: str, target: Meaning, values: FloatArray) -> Columns:
    """Return a column for each number; the prefix alone if there is but one."""
    if len(target.names) == 1:
        return {prefix: values[:, 0]}
    return {f"{prefix}_{name}": values[:, i] for i, name in enumerate(target.names)}
