"""Class weights: how much a sequence or a frame counts in training, by its class."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.batching import FrameTargets
from seqconv.errors import ConfigError, list_some
from seqconv.tasks.target import FloatArray, Target

Row = npt.NDArray[np.float64]


def class_weights(target: Target, encoded: npt.ArrayLike, class_weight: str | Mapping[str, float] | None) -> FloatArray:
    """Return the weight of each sequence `(n,)` that follows from its class.

    Args:
        target: Of a classification, or multilabel: there a sequence weighs the mean of its labels, or 1 without any.
        encoded: What `target.encode` returned, `(n, num_outputs)`; labels that are missing (NaN, or less than 0) count
            neither way.
        class_weight: "balanced": each class weighs the same in total, and a sequence 1 on average; a weight per
            class name, 1 for those not named; None: 1 for all.

    Raises:
        ConfigError: a class that does not exist, or regression.

    >>> class_weights(Target("classification", ("a", "b")), [[1, 0], [1, 0], [1, 0], [0, 1]], "balanced").tolist()
    [0.6666666865348816, 0.6666666865348816, 0.6666666865348816, 2.0]
    """
    labels = np.asarray(encoded)
    if class_weight is None:
        return np.ones(len(labels), np.float32)
    rows = _class_rows(target, labels.astype(np.float64))
    weight = _of_classes(target, rows.sum(axis=0), class_weight)
    weights = _mean_over_labels(rows, weight)
    is_labeled = rows.any(axis=1)
    if class_weight == "balanced" and is_labeled.any():
        weights[is_labeled] /= weights[is_labeled].mean()
    return weights.astype(np.float32)


def frame_class_weights(
    target: Target, frames: FrameTargets, num_sequences: int, class_weight: str | Mapping[str, float]
) -> FloatArray:
    """Return the weight of a frame for each class `(num_outputs,)`.

    Args:
        target: Of a classification or multilabel.
        frames: The labels of all training frames, without class weights.
        num_sequences: How many sequences they are of.
        class_weight: "balanced": each class weighs the same in total, and a labeled frame as much as without, on
            average; or a weight per class name, 1 for those not named.

    Raises:
        ConfigError: a class that does not exist, or regression.

    >>> labels = [[[1, 0], [1, 0], [1, 0], [0, 1]]]
    >>> target = Target("classification", ("a", "b"), kind="frame")
    >>> [f"{weight:.2f}" for weight in frame_class_weights(target, FrameTargets(labels, 2), 1, "balanced")]
    ['0.67', '2.00']
    """
    mass = np.zeros(target.num_outputs)
    for index in range(num_sequences):
        rows, shares = frames.of_sequence(index)
        mass += shares @ _class_rows(target, rows)
    weight = _of_classes(target, mass, class_weight)
    if class_weight == "balanced":
        before = after = 0.0
        for index in range(num_sequences):
            rows, shares = frames.of_sequence(index)
            rows = _class_rows(target, rows)
            is_labeled = rows.any(axis=1)
            before += float(shares[is_labeled].sum())
            after += float(shares[is_labeled] @ _mean_over_labels(rows[is_labeled].astype(np.float64), weight))
        weight = weight * (before / after if after else 1.0)
    return weight.astype(np.float32)


def _of_classes(target: Target, counts: Row, class_weight: str | Mapping[str, float]) -> Row:
    """Return the weight of each class, up to a factor that "balanced" leaves open."""
    if class_weight == "balanced":
        return np.where(counts > 0, 1 / np.where(counts > 0, counts, 1), 1.0)
    if not isinstance(class_weight, Mapping):
        raise ConfigError(f"training.class_weight: expected 'balanced' or weights by class, got {class_weight!r}")
    unknown = [name for name in class_weight if name not in target.names]
    if unknown:
        known = list_some(target.names, 20)
        raise ConfigError(f"training.class_weight: no class {list_some(unknown)}; the classes are {known}")
    return np.array([class_weight.get(name, 1.0) for name in target.names])


def _class_rows(target: Target, encoded: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return 1 for each label that is known to be present."""
    rows = target.definition.class_rows(encoded)
    if rows is None:
        raise ConfigError(f"training.class_weight weighs classes, but target.task is '{target.task}'. Remove it")
    return np.asarray(np.maximum(np.nan_to_num(rows), 0))


def _mean_over_labels(rows: Row, weight: Row) -> Row:
    counts = rows.sum(axis=1)
    return np.where(counts > 0, rows @ weight / np.maximum(counts, 1), 1.0)
