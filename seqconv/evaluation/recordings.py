"""Answers for recordings, from the answers for their windows together."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from seqconv.config.evaluation import Aggregate, EvaluationConfig
from seqconv.evaluation.predictions import Answers, FloatArray, IntArray
from seqconv.metrics import bootstrap_intervals
from seqconv.tasks.target import Target

SHARPNESS = 10.0
"""Sharpness of the soft maximum: 0 would be the mean, infinity the maximum."""


def is_cut_into_windows(data: Any) -> bool:
    """Whether these sequences are windows of recordings."""
    return getattr(getattr(data, "provenance", None), "cut", None) == "windows"


def aggregate_windows(values: FloatArray, owners: IntArray, how: Aggregate) -> FloatArray:
    """Return one row for each recording, `(recordings, C)`, from the rows of its windows.

    Args:
        values: probabilities, or values of a regression, `(windows, C)`.
        owners: number of the recording that each window is of, from 0.
        how: mean; max; or lse, log(mean(exp(r p))) / r with r = 10, which lies between the two (P. O. Pinheiro and
            R. Collobert, "From Image-level to Pixel-level Labeling with Convolutional Networks", CVPR 2015).

    >>> aggregate_windows(np.array([[0.0], [1.0], [0.5]]), np.array([0, 0, 1]), "max").tolist()
    [[1.0], [0.5]]
    """
    count = int(owners.max()) + 1
    if how == "max":
        found = np.full((count, values.shape[1]), -np.inf)
        np.maximum.at(found, owners, values)
        return found
    scaled = np.exp(SHARPNESS * values) if how == "lse" else values
    numbers = np.bincount(owners, minlength=count)[:, None]
    means: FloatArray = np.stack([np.bincount(owners, column, count) for column in scaled.T], axis=1) / numbers
    return np.log(means) / SHARPNESS if how == "lse" else means


def score_recordings(
    target: Target,
    data: Any,
    answers: Answers,
    settings: EvaluationConfig,
    *,
    background: str | None,
    repeats: int,
    seed: int,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return scores over recordings, and a table with a row for each.

    Where all windows of each recording have the label of that, it is the truth. Where events label them, a recording
    has every class that some window has, and the scores are those of several labels; the background is none.
    """
    owners, ids = pd.factorize(data.metadata["recording"])
    owners = owners.astype(np.int64)
    values = aggregate_windows(answers.predictions, owners, settings.aggregate)
    truth = _of_recordings(answers.targets, owners)
    joined = target.definition.join_windows(target, truth, values, background)
    target, truth, values = replace(target, task=joined.task, names=joined.names), joined.targets, joined.predictions
    task = target.definition
    scores = task.score(truth, values, target.names, num_bins=settings.calibration_bins)
    scores["intervals"] = _intervals(target, truth, values, _groups(data, owners, len(ids)), settings, repeats, seed)
    table = pd.DataFrame(
        {
            "id": list(ids),
            "num_windows": np.bincount(owners),
            **task.truth_columns(target, truth),
            **task.prediction_columns(target, values),
        }
    )
    return {"aggregate": settings.aggregate, "num_recordings": len(ids), **scores}, table


def _of_recordings(targets: FloatArray, owners: IntArray) -> FloatArray:
    """Return what is true in some window; NaN if that is unknown for some and true for none."""
    is_missing = np.isnan(targets)
    truth = aggregate_windows(np.where(is_missing, 0, targets), owners, "max")
    is_unknown = aggregate_windows(is_missing.astype(np.float64), owners, "max") == 1
    return np.where(is_unknown & (truth == 0), np.nan, truth)


def _groups(data: Any, owners: IntArray, count: int) -> list[str] | None:
    groups = getattr(data, "groups", None)
    if groups is None:
        return None
    of_recording = dict(zip(owners.tolist(), groups, strict=True))
    return [of_recording[number] for number in range(count)]


def _intervals(
    target: Target,
    truth: FloatArray,
    values: FloatArray,
    groups: Sequence[str] | None,
    settings: EvaluationConfig,
    repeats: int,
    seed: int,
) -> dict[str, Any]:
    if not repeats or len(truth) < 2:
        return {}
    scorer = target.definition.headline_scorer(truth, values)
    return dict(
        bootstrap_intervals(
            scorer, len(truth), groups=groups, repeats=repeats, confidence=settings.confidence, seed=seed
        )
    )
