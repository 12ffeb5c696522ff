"""Checks that every score makes on its arrays before it computes."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ShapeError

Scores = dict[str, Any]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def as_columns(values: npt.ArrayLike, name: str, num_columns: int) -> FloatArray:
    """Return `values` as `(n, num_columns)` float64; a single column may come as `(n,)`."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 1 and num_columns == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != num_columns:
        raise ShapeError(f"{name} have shape {array.shape}, expected (n, {num_columns}): one column for each name.")
    if not len(array):
        raise ShapeError(f"{name} are empty: there is nothing to score.")
    return array


def check_same_count(targets: npt.NDArray[Any], predictions: npt.NDArray[Any]) -> None:
    """Raise unless there is one prediction for each target."""
    if len(targets) != len(predictions):
        raise ShapeError(f"there are {len(targets)} targets but {len(predictions)} predictions, expected as many.")


def as_pair(
    targets: npt.ArrayLike, predictions: npt.ArrayLike, num_columns: int, name: str = "predictions"
) -> tuple[FloatArray, FloatArray]:
    """Return targets and predictions as `(n, num_columns)`; `name` is what messages call the predictions."""
    pair = as_columns(targets, "targets", num_columns), as_columns(predictions, name, num_columns)
    check_same_count(*pair)
    return pair


def undefined_scores(names: Sequence[str]) -> Scores:
    """Return every score as `None`, because the predictions are not finite."""
    return {**dict.fromkeys(names), "notes": dict.fromkeys(names, "the predictions hold NaN or infinity")}


def plain(value: Any) -> float | None:
    """Return a Python float, or `None` if the score is not a finite number."""
    number = float(value)
    return number if math.isfinite(number) else None
