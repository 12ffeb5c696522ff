"""Temperature: one number by which logits are divided, so that probabilities say how often they are right."""

from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ConfigError
from seqconv.metrics.checks import FloatArray

_COLDEST, _HOTTEST = 0.05, 20.0


def fit_temperature(task: str, targets: npt.ArrayLike, logits: npt.ArrayLike) -> float:
    """The temperature with the least cross entropy of `softmax(logits / T)`, or of `sigmoid(logits / T)`.

    It changes how sure a model is, never which class is the most probable. Without any mistake to learn from it is 1,
    since the least cross entropy then lies where every probability is 0 or 1; otherwise from 0.05 to 20.
    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.

    Args:
        task: classification or multilabel.
        targets: one-hot rows `(n, C)`, or 0/1 rows, NaN where a label is missing.
        logits: `(n, C)`.

    Raises:
        ConfigError: a task without probabilities.

    >>> logits = np.array([[4.0, 0.0]] * 4)
    >>> round(fit_temperature("classification", [[1, 0]] * 3 + [[0, 1]], logits), 3)
    3.641
    """
    from scipy.optimize import minimize_scalar

    if task not in ("classification", "multilabel"):
        raise ConfigError(f"a temperature calibrates probabilities, and a {task} has none")
    wanted, given = np.asarray(targets, np.float64), np.asarray(logits, np.float64)

    if not _has_mistake(task, wanted, given):
        return 1.0

    def entropy(cold: float) -> float:
        return _cross_entropy(task, wanted, given * np.exp(cold))

    # Convex in 1 / T, and so with a single minimum in its logarithm.
    bounds = (-np.log(_HOTTEST), -np.log(_COLDEST))
    found: Any = minimize_scalar(entropy, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(-found.x))


def _has_mistake(task: str, targets: FloatArray, logits: FloatArray) -> bool:
    if task == "classification":
        return bool((targets.argmax(axis=1) != logits.argmax(axis=1)).any())
    return bool((((logits > 0) != (targets == 1)) & ~np.isnan(targets)).any())


def _cross_entropy(task: str, targets: FloatArray, logits: FloatArray) -> float:
    from scipy.special import log_expit, log_softmax

    if task == "classification":
        return float(-(targets * log_softmax(logits, axis=1)).sum(axis=1).mean())
    is_known = ~np.isnan(targets)
    wanted, given = targets[is_known], logits[is_known]
    return float(-(wanted * log_expit(given) + (1 - wanted) * log_expit(-given)).mean())


def label_calibration_error(targets: npt.ArrayLike, probabilities: npt.ArrayLike, *, num_bins: int = 15) -> float:
    """Expected calibration error of labels: how far their probability is from how often they are there.

    All labels of all sequences together, in bins of probability `(lower, upper]`, weighted by how many are in them.

    Args:
        targets: 0/1 rows `(n, C)`, NaN where a label is missing.
        probabilities: `(n, C)`.
        num_bins: bins of equal width.

    >>> round(label_calibration_error([[1, 0], [0, 0]], [[0.6, 0.1], [0.6, 0.1]]), 3)
    0.1
    """
    wanted, found = np.asarray(targets, np.float64), np.asarray(probabilities, np.float64)
    is_known = ~np.isnan(wanted)
    wanted, found = wanted[is_known], found[is_known]
    bins = np.clip(np.ceil(found * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    gaps = np.bincount(bins, weights=wanted - found, minlength=num_bins)
    return float(np.abs(gaps).sum() / max(1, len(found)))
