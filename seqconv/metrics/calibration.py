"""Temperature: one number by which logits are divided, so that probabilities say how often they are right."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

_COLDEST, _HOTTEST = 0.05, 20.0


def fit_temperature(targets: npt.ArrayLike, logits: npt.ArrayLike) -> float:
    """Choose the temperature with the least cross entropy of `softmax(logits / T)`.

    It changes how sure a model is, never which class is the most probable. Without any mistake to learn from it is 1,
    since the cross entropy is then least where every probability is 0 or 1; otherwise it is from 0.05 to 20.
    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.

    Args:
        targets: one-hot rows `(n, C)`, or probabilities.
        logits: `(n, C)`.

    >>> logits = np.array([[4.0, 0.0]] * 4)
    >>> round(fit_temperature([[1, 0]] * 3 + [[0, 1]], logits), 3)
    3.641
    """
    from scipy.special import log_softmax

    wanted, given = np.asarray(targets, np.float64), np.asarray(logits, np.float64)
    has_mistake = bool((wanted.argmax(axis=1) != given.argmax(axis=1)).any()) or _are_soft(wanted)
    return _least(has_mistake, lambda cold: float(-(wanted * log_softmax(given * cold, axis=1)).sum(axis=1).mean()))


def fit_label_temperature(targets: npt.ArrayLike, logits: npt.ArrayLike) -> float:
    """Choose the temperature with the least cross entropy of `sigmoid(logits / T)`; see `fit_temperature`.

    Args:
        targets: 0/1 rows `(n, C)`, NaN where a label is missing.
        logits: `(n, C)`.
    """
    from scipy.special import log_expit

    rows = np.asarray(targets, np.float64)
    is_known = ~np.isnan(rows)
    wanted, given = rows[is_known], np.asarray(logits, np.float64)[is_known]

    def entropy(cold: float) -> float:
        return float(-(wanted * log_expit(given * cold) + (1 - wanted) * log_expit(-given * cold)).mean())

    return _least(bool(((given > 0) != (wanted > 0.5)).any()) or _are_soft(wanted), entropy)


def _are_soft(wanted: npt.NDArray[Any]) -> bool:
    """Whether some targets are neither 0 nor 1, so that the least cross entropy is between."""
    return bool(((wanted > 0) & (wanted < 1)).any())


def _least(has_mistake: bool, entropy: Callable[[float], float]) -> float:
    """Find the temperature `1 / cold` with the least entropy."""
    from scipy.optimize import minimize_scalar

    if not has_mistake:
        return 1.0
    # Convex in 1 / T, and so with a single minimum in its logarithm.
    bounds = (-np.log(_HOTTEST), -np.log(_COLDEST))
    options = {"xatol": 1e-6}
    found: Any = minimize_scalar(lambda power: entropy(np.exp(power)), bounds=bounds, method="bounded", options=options)
    return float(np.exp(-found.x))


def label_calibration_error(targets: npt.ArrayLike, probabilities: npt.ArrayLike, *, num_bins: int = 15) -> float:
    """Compute the expected calibration error of labels: how far their probability is from how often they are present.

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
    return binned_error(found[is_known], wanted[is_known], num_bins)


def binned_error(confidence: npt.NDArray[np.float64], right: npt.NDArray[Any], num_bins: int) -> float:
    """Return the mean distance of confidence `(n,)` from how often it is right, in bins of equal width."""
    bins = np.clip(np.ceil(confidence * num_bins).astype(np.int64) - 1, 0, num_bins - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=num_bins)
    return float(np.abs(gaps).sum() / max(1, len(confidence)))
