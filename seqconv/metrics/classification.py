"""Scores of a classifier: one class out of several for each sequence."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seqconv.errors import ShapeError, list_some
from seqconv.metrics.calibration import binned_error
from seqconv.metrics.checks import FloatArray, IntArray, Scores, as_columns, check_same_count, plain, undefined_scores
from seqconv.metrics.means import mean_of_finite

SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "calibration_error", "loss")


def classification_scores(
    targets: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    names: Sequence[str],
    *,
    calibration_bins: int = 15,
    decided: npt.ArrayLike | None = None,
) -> Scores:
    """Compute all scores of a classifier.

    Args:
        targets: class numbers `(n,)`, or one-hot rows `(n, C)`.
        probabilities: `(n, C)`; every row sums to one.
        names: the C class names.
        calibration_bins: bins of the calibration error.
        decided: the class that is given `(n,)`; default: the most probable one.

    Returns:
        accuracy, balanced_accuracy, macro_f1 (over the classes that occur in targets or predictions), log_loss,
        calibration_error, loss (mean cross entropy), per_class (name -> precision, recall, f1, support),
        confusion_matrix (rows are targets, columns predictions) and notes (score -> why it is undefined or partial).

    Raises:
        ShapeError: the shapes do not fit each other or the names.

    >>> scores = classification_scores([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], ["no", "yes"])
    >>> round(scores["accuracy"], 3), scores["confusion_matrix"]
    (0.667, [[1, 0], [1, 1]])
    """
    from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support

    probabilities = as_columns(probabilities, "probabilities", len(names))
    classes = class_numbers(targets, len(names))
    check_same_count(classes, probabilities)
    if not np.isfinite(probabilities).all():
        return undefined_scores((*SCORES, "per_class", "confusion_matrix"))
    probabilities = _normalized(probabilities)
    predicted = as_decided(probabilities, decided)
    labels = list(range(len(names)))
    per_class = precision_recall_fscore_support(classes, predicted, labels=labels, zero_division=np.nan)
    cells = classes * len(names) + predicted
    notes = _notes_on_absent(classes, predicted, names)
    if len(names) < 2:
        notes["log_loss"] = "there is only one class"
    return {
        "accuracy": plain(accuracy_score(classes, predicted)),
        # balanced_accuracy_score warns about predicted classes that no target has; this is the same mean of recalls.
        "balanced_accuracy": plain(mean_of_finite(per_class[1])),
        "macro_f1": plain(mean_of_finite(per_class[2])),
        "log_loss": plain(log_loss(classes, probabilities, labels=labels)) if len(names) > 1 else None,
        "calibration_error": calibration_error(classes, probabilities, num_bins=calibration_bins),
        "loss": float(cross_entropy(classes, probabilities).mean()),
        "per_class": {
            name: {"precision": plain(precision), "recall": plain(recall), "f1": plain(f1), "support": int(support)}
            for name, precision, recall, f1, support in zip(names, *per_class, strict=True)
        },
        "confusion_matrix": np.bincount(cells, minlength=len(names) ** 2).reshape(len(names), -1).tolist(),
        "notes": notes,
    }


def class_numbers(targets: npt.ArrayLike, num_classes: int) -> IntArray:
    """Return class numbers `(n,)` from class numbers or one-hot rows `(n, C)`.

    >>> class_numbers([[0, 1], [1, 0]], 2).tolist()
    [1, 0]
    """
    array = np.asarray(targets)
    if array.ndim == 2 and array.shape[1] == num_classes:
        return np.asarray(array.argmax(axis=1).astype(np.int64))
    if array.ndim != 1:
        raise ShapeError(
            f"targets have shape {array.shape}, expected (n,) class numbers or (n, {num_classes}) one-hot."
        )
    classes = array.astype(np.int64)
    outside = np.unique(array[(classes != array) | (classes < 0) | (classes >= num_classes)])
    if len(outside):
        raise ShapeError(f"targets hold {list_some(outside)}, expected class numbers from 0 to {num_classes - 1}.")
    return classes


def cross_entropy(classes: IntArray, probabilities: FloatArray) -> FloatArray:
    """Return the cross entropy of each sequence, in nats `(n,)`; finite also if the probability underflowed."""
    of_target = probabilities[np.arange(len(classes)), classes]
    return np.asarray(-np.log(np.maximum(of_target, np.finfo(np.float64).tiny)))


def calibration_error(targets: npt.ArrayLike, probabilities: npt.ArrayLike, *, num_bins: int = 15) -> float:
    """Compute the expected calibration error: how far confidence is from accuracy, averaged over bins of confidence.

    Bins are of equal width, `(lower, upper]`, weighted by the sequences in them.
    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.

    >>> round(calibration_error([0, 0, 1, 1], [[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.2, 0.8]]), 3)
    0.05
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    correct = probabilities.argmax(axis=1) == class_numbers(targets, probabilities.shape[1])
    return binned_error(probabilities.max(axis=1), correct, num_bins)


def as_decided(probabilities: FloatArray, decided: npt.ArrayLike | None) -> IntArray:
    """Return the predicted class `(n,)`: as decided, or the most probable one.

    Raises ShapeError where what was decided is not one class for each row.
    """
    if decided is None:
        return np.asarray(probabilities.argmax(axis=1), np.int64)
    classes = class_numbers(decided, probabilities.shape[1])
    check_same_count(classes, probabilities)
    return classes


def _normalized(probabilities: FloatArray) -> FloatArray:
    """Return rows that sum to one in float64: a float32 softmax is off by 1e-7, and scikit-learn warns of that."""
    sums = probabilities.sum(axis=1, keepdims=True)
    # A bfloat16 softmax is off by 2e-3.
    if (probabilities < 0).any() or np.abs(sums - 1).max() > 4e-3:
        raise ShapeError(
            "probabilities must be from 0 to 1 and sum to one in each row; pass logits through a softmax, and score "
            "outputs that do not exclude each other (sigmoids) with target.task multilabel."
        )
    return np.asarray(probabilities / sums)


def _notes_on_absent(classes: IntArray, predicted: IntArray, names: Sequence[str]) -> dict[str, str]:
    notes = {}
    without_target = [name for i, name in enumerate(names) if not (classes == i).any()]
    without_either = [name for i, name in enumerate(names) if not ((classes == i) | (predicted == i)).any()]
    if without_target:
        notes["balanced_accuracy"] = f"without the classes that never occur: {list_some(without_target)}"
    if without_either:
        notes["macro_f1"] = f"without the classes that never occur and were never given: {list_some(without_either)}"
    return notes
