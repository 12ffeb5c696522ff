"""How much a sequence or a frame counts in training, by its class."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from seqconv.errors import ConfigError, list_some
from seqconv.targets import FloatArray, Target


def class_weights(target: Target, encoded: npt.ArrayLike, class_weight: str | Mapping[str, float] | None) -> FloatArray:
    """The weight of each sequence `(n,)` that follows from its class.

    Args:
        target: Of a classification, or multilabel: there a sequence weighs the mean of its labels, or 1 without any.
        encoded: What `target.encode` returned, `(n, num_outputs)`.
        class_weight: "balanced": each class weighs the same in total, and a sequence 1 on average; a weight per
            class name, 1 for those not named; None: 1 for all.

    Raises:
        ConfigError: a class that does not exist, or regression.

    >>> class_weights(Target("classification", ("a", "b")), [[1, 0], [1, 0], [1, 0], [0, 1]], "balanced").tolist()
    [0.6666666865348816, 0.6666666865348816, 0.6666666865348816, 2.0]
    """
    rows = np.asarray(encoded, np.float64)
    if class_weight is None:
        return np.ones(len(rows), np.float32)
    if target.task == "regression":
        raise ConfigError("training.class_weight weighs classes, but target.task is 'regression'. Remove it")
    if isinstance(class_weight, Mapping):
        unknown = [name for name in class_weight if name not in target.names]
        if unknown:
            raise ConfigError(
                f"training.class_weight: no class {list_some(unknown)}; the classes are {list_some(target.names, 20)}"
            )
        weights = _mean_over_labels(rows, np.array([class_weight.get(name, 1.0) for name in target.names]))
    elif class_weight == "balanced":
        weights = _mean_over_labels(rows, 1 / np.maximum(rows.sum(axis=0), 1))
        is_labeled = rows.any(axis=1)
        weights[is_labeled] /= weights[is_labeled].mean() if is_labeled.any() else 1
    else:
        raise ConfigError(f"training.class_weight: expected 'balanced' or weights by class, got {class_weight!r}")
    return weights.astype(np.float32)


def _mean_over_labels(rows: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    counts = rows.sum(axis=1)
    return np.where(counts > 0, rows @ weight / np.maximum(counts, 1), 1.0)
