"""Scores of a tagger: any number of labels for each sequence."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ShapeError, list_some
from seqconv.metrics.checks import FloatArray, IntArray, Scores, as_pair, plain, undefined_scores
from seqconv.metrics.means import mean_of_defined, mean_of_finite
from seqconv.metrics.thresholds import DEFAULT_THRESHOLD

SCORES = ("map", "micro_map", "macro_auc", "micro_auc", "macro_f1", "micro_f1", "loss")


def multilabel_scores(
    targets: npt.ArrayLike, probabilities: npt.ArrayLike, names: Sequence[str], *, given: npt.ArrayLike | None = None
) -> Scores:
    """Compute all scores of a tagger.

    Args:
        targets: 0/1 rows `(n, C)`; NaN where a label is missing: it counts neither way.
        probabilities: `(n, C)`.
        names: the C label names.
        given: which labels are given `(n, C)`; default: those with a probability of 0.5 or more.

    Returns:
        map (mean average precision over labels that occur), micro_map, macro_auc, micro_auc, macro_f1 and micro_f1
        (of the labels given), loss (mean binary cross entropy), per_class (name -> average_precision, auc, precision,
        recall, f1, support, and `known` where labels are missing), notes (score -> which labels it leaves out).

    Raises:
        ShapeError: the shapes do not fit each other or the names, or targets are not 0/1.

    >>> scores = multilabel_scores([[1, 0], [1, 1], [0, 0]], [[0.9, 0.4], [0.8, 0.7], [0.1, 0.6]], ["music", "speech"])
    >>> scores["map"], round(scores["micro_f1"], 3)
    (1.0, 0.857)
    """
    targets, probabilities = as_pair(targets, probabilities, len(names), "probabilities")
    is_known = ~np.isnan(targets)
    if not np.isin(targets[is_known], (0, 1)).all():
        raise ShapeError("targets of a multilabel task must be 0 or 1, or NaN if a label is missing.")
    if not np.isfinite(probabilities).all():
        return undefined_scores((*SCORES, "per_class"))
    losses = binary_cross_entropy(targets, probabilities)
    chosen = as_given(probabilities, given).astype(np.int64)
    per_class = {
        name: _scores_of_label(*(values[is_known[:, i], i] for values in (targets, probabilities, chosen)))
        for i, name in enumerate(names)
    }
    if not is_known.all():
        for i, name in enumerate(names):
            per_class[name]["known"] = int(is_known[:, i].sum())
    targets, probabilities, chosen = targets[is_known], probabilities[is_known], chosen[is_known]
    together = _scores_of_label(targets, probabilities, chosen)
    return {
        "map": _mean(per_class, "average_precision"),
        "micro_map": together["average_precision"],
        "macro_auc": _mean(per_class, "auc"),
        "micro_auc": together["auc"],
        "macro_f1": _mean(per_class, "f1"),
        "micro_f1": together["f1"],
        "loss": plain(losses[is_known.any(axis=1)].mean()) if is_known.any() else None,
        "per_class": per_class,
        "notes": _notes(targets, per_class),
    }


def binary_cross_entropy(targets: FloatArray, probabilities: FloatArray) -> FloatArray:
    """Return the binary cross entropy of each sequence, in nats `(n,)`: the mean over its known labels, or NaN."""
    tiny = np.finfo(np.float64).tiny
    is_known = ~np.isnan(targets)
    of_target = np.where(targets == 1, probabilities, 1 - probabilities)
    of_labels = np.where(is_known, -np.log(np.maximum(of_target, tiny)), 0)
    counts = is_known.sum(axis=1)
    return np.asarray(of_labels.sum(axis=1) / np.where(counts > 0, counts, np.nan))


def as_given(probabilities: FloatArray, given: npt.ArrayLike | None) -> npt.NDArray[np.bool_]:
    """Return which labels are predicted `(n, C)`: as decided, or those that are more probable than not.

    Raises ShapeError where what was decided is not one for each probability.
    """
    if given is None:
        return np.asarray(probabilities >= DEFAULT_THRESHOLD)
    chosen = np.asarray(given, bool)
    if chosen.shape != probabilities.shape:
        raise ShapeError(f"given labels have shape {chosen.shape}, expected {probabilities.shape}, as probabilities")
    return chosen


def resampled_precision(targets: FloatArray, probabilities: FloatArray) -> Callable[[FloatArray], float]:
    """Return a function from the count of each row `(n,)` to the mean average precision; NaN if no label occurs."""
    order = np.argsort(-probabilities, axis=0, kind="stable")
    sorted_targets = np.take_along_axis(targets, order, axis=0)
    is_known = ~np.isnan(sorted_targets)
    sorted_targets = np.where(is_known, sorted_targets, 0)
    sorted_values = np.take_along_axis(probabilities, order, axis=0)
    # Rows with one and the same probability pass the threshold together: only the last of them is a step.
    is_step = np.ones_like(sorted_values, dtype=bool)
    is_step[:-1] = sorted_values[:-1] != sorted_values[1:]

    def mean_precision(copies: FloatArray) -> float:
        return mean_of_finite(_average_precisions(copies[order] * is_known, sorted_targets, is_step))

    return mean_precision


def _average_precisions(copies: FloatArray, targets: FloatArray, is_step: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the average precision of each sorted column `(C,)`, rows counted `copies` times; NaN without a
    positive."""
    found = np.cumsum(copies * targets, axis=0)
    seen = np.cumsum(copies, axis=0)
    precision = found / np.maximum(seen, 1)
    result = np.full(targets.shape[1], np.nan)
    for column in np.flatnonzero(found[-1]):
        steps = is_step[:, column]
        gained = np.diff(found[steps, column], prepend=0.0)
        result[column] = (gained * precision[steps, column]).sum() / found[-1, column]
    return result


def _scores_of_label(targets: FloatArray, probabilities: FloatArray, given: IntArray) -> dict[str, Any]:
    from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

    has_positive, has_negative = bool(targets.any()), not targets.all()
    if not len(targets):
        return {**dict.fromkeys(("average_precision", "auc", "precision", "recall", "f1")), "support": 0}
    counts = precision_recall_fscore_support(targets, given, labels=[1], zero_division=np.nan)
    return {
        "average_precision": plain(average_precision_score(targets, probabilities)) if has_positive else None,
        "auc": plain(roc_auc_score(targets, probabilities)) if has_positive and has_negative else None,
        "precision": plain(counts[0][0]),
        "recall": plain(counts[1][0]),
        "f1": plain(counts[2][0]),
        "support": int(targets.sum()),
    }


def _mean(per_class: dict[str, dict[str, Any]], name: str) -> float | None:
    return mean_of_defined([scores[name] for scores in per_class.values()])


def _notes(targets: FloatArray, per_class: dict[str, dict[str, Any]]) -> dict[str, str]:
    notes = {}
    for score, of_class, missing in (
        ("map", "average_precision", "without a positive"),
        ("macro_auc", "auc", "without a positive or without a negative"),
        ("macro_f1", "f1", "that never occur and were never given"),
    ):
        left_out = [name for name, scores in per_class.items() if scores[of_class] is None]
        if left_out:
            notes[score] = f"leaves out {len(left_out)} of {len(per_class)} labels, {missing}: {list_some(left_out)}"
    if not targets.any():
        notes["micro_map"] = "no label occurs"
    if not targets.any() or targets.all():
        notes["micro_auc"] = "every target is the same"
    return notes
