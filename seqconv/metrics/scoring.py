"""One entrance to the scores, by task: for validation in training, and for evaluation."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from seqconv.errors import ConfigError
from seqconv.metrics.checks import FloatArray, IntArray, Scores, as_columns
from seqconv.metrics.classification import (
    class_numbers,
    classification_scores,
    cross_entropy,
    resampled_classification,
)
from seqconv.metrics.multilabel import binary_cross_entropy, multilabel_scores, resampled_multilabel
from seqconv.metrics.regression import regression_scores, resampled_regression

DEFAULT_MONITOR = {"classification": "macro_f1", "multilabel": "map", "regression": "r2"}
"""The score that training watches unless told otherwise; higher is better in all three."""


def score(
    task: str,
    targets: npt.ArrayLike,
    predictions: npt.ArrayLike,
    names: Sequence[str],
    *,
    calibration_bins: int = 15,
    decided: npt.ArrayLike | None = None,
) -> Scores:
    """All scores of a task.

    Args:
        task: classification, multilabel or regression.
        targets: class numbers `(n,)` or one-hot rows; 0/1 rows `(n, C)`, NaN where a label is missing; values
            `(n, C)` in original units.
        predictions: `(n, C)`: probabilities; probabilities; values in original units.
        names: class names, label names, column names.
        calibration_bins: bins of the calibration error of a classifier.
        decided: class numbers `(n,)`, or which labels are given `(n, C)`; default: the most probable class, or the
            labels with a probability of 0.5 or more.

    Raises:
        ConfigError: there is no such task.
        ShapeError: the arrays do not fit each other.

    >>> score("classification", [0, 1], [[0.9, 0.1], [0.3, 0.7]], ["a", "b"])["macro_f1"]
    1.0
    """
    _check_task(task)
    if task == "classification":
        return classification_scores(targets, predictions, names, calibration_bins=calibration_bins, decided=decided)
    if task == "multilabel":
        return multilabel_scores(targets, predictions, names, given=decided)
    return regression_scores(targets, predictions, names)


def sequence_losses(
    task: str, targets: npt.ArrayLike, predictions: npt.ArrayLike, scale: npt.ArrayLike = 1
) -> FloatArray:
    """The loss of each sequence `(n,)`, unsmoothed and unweighted.

    Cross entropy; mean binary cross entropy over labels; mean squared error over columns, each divided by `scale`.

    >>> sequence_losses("regression", [[1.0], [2.0]], [[1.0], [4.0]], scale=2.0).tolist()
    [0.0, 1.0]
    """
    targets, predictions = _arrays(task, targets, predictions)
    if task == "classification":
        return cross_entropy(targets.astype(np.int64), predictions)
    if task == "multilabel":
        return binary_cross_entropy(targets, predictions)
    losses: FloatArray = (((predictions - targets) / np.asarray(scale)) ** 2).mean(axis=1)
    return losses


def headline_scorer(
    task: str, targets: npt.ArrayLike, predictions: npt.ArrayLike, decided: npt.ArrayLike | None = None
) -> Callable[[IntArray], dict[str, float]]:
    """A fast function from indices to the few scores that get an interval and stand in the rows by length.

    NaN where those sequences leave a score undefined.

    >>> headline_scorer("classification", [0, 1], [[0.9, 0.1], [0.6, 0.4]])(np.array([0, 1, 1]))["balanced_accuracy"]
    0.5
    """
    targets, predictions = _arrays(task, targets, predictions)
    if task == "classification":
        return resampled_classification(targets.astype(np.int64), predictions, decided)
    if task == "multilabel":
        return resampled_multilabel(targets, predictions, decided)
    return resampled_regression(targets, predictions)


def _arrays(task: str, targets: npt.ArrayLike, predictions: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    _check_task(task)
    array = np.asarray(predictions, dtype=np.float64)
    num_columns = 1 if array.ndim == 1 else array.shape[1]
    array = as_columns(array, "predictions", num_columns)
    if task == "classification":
        return class_numbers(targets, num_columns).astype(np.float64), array
    return as_columns(targets, "targets", num_columns), array


def _check_task(task: str) -> None:
    if task not in DEFAULT_MONITOR:
        raise ConfigError(f"there is no task '{task}', expected one of {', '.join(DEFAULT_MONITOR)}.")
