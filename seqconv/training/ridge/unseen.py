"""Answers to sequences that a head in closed form has not seen, from features that are at hand."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.config import Config
from seqconv.data.datasets import Datasets
from seqconv.models.pooled_model import PooledModel
from seqconv.prediction.forward import forward
from seqconv.training.ridge.blocks import FloatArray
from seqconv.training.ridge.fit import patterns
from seqconv.training.ridge.solution import fit_ridge
from seqconv.training.run.runtime import machine_for
from seqconv.training.run.setup import prepare
from seqconv.training.run.training_set import Labels


@dataclass(frozen=True, eq=False)
class Pooled:
    """The pooled features of training sequences, `(n, num_features)`, beside labels and weights.

    `labels` are encoded, `(n, num_outputs)`; `weights` `(n,)` are 0 where nothing is to be learned.
    """

    features: npt.NDArray[np.float32]
    labels: Labels
    weights: npt.NDArray[np.float32]


def pool_training(config: Config, data: Datasets) -> Pooled:
    """Compute what the poolings of a model return for all training sequences, before any head is fitted.

    Raises:
        ConfigError, ManifestError: the model cannot be trained on these sequences.
    """
    with machine_for(config):
        experiment = prepare(config, data)
        found = experiment.training_set
        features = np.asarray(forward(PooledModel(experiment.model), data.train), np.float32)
        return Pooled(features, found.labels, np.asarray(found.weights))


def leave_out(data: Datasets, pooled: Pooled, units: npt.ArrayLike | None = None) -> FloatArray:
    """Return logits of training sequences, each by a head that has seen none of its unit, `(n, num_outputs)`.

    NaN where a label is missing, or nothing else of a unit could be learned from. They are scaled like those of a
    fitted head.

    Args:
        data: of the sequences; their labels say what outputs mean.
        pooled: their features.
        units: group or fold of each sequence `(n,)`; default: each is a unit of its own.
    """
    task, labels = data.target.definition, np.asarray(pooled.labels, np.float64)
    rows = np.flatnonzero(pooled.weights > 0)
    targets, weights = task.linear_targets(labels[rows]), np.asarray(pooled.weights[rows], np.float64)
    units_of: Any = None if units is None else np.asarray(units)[rows]
    found = np.full(labels.shape, np.nan)
    for outputs, known in patterns(targets):
        if known.sum() < 2 or (units_of is not None and len(np.unique(units_of[known])) < 2):
            continue
        solved = fit_ridge(pooled.features[rows], targets[:, outputs], weights, units_of)
        found[rows[:, None], outputs] = solved.left_out
    return calibrated(data, labels, found)


def calibrated(data: Datasets, labels: npt.ArrayLike, logits: FloatArray) -> FloatArray:
    """Return logits times the factor with which they say best how sure they are; NaN stays.

    Args:
        data: says what the outputs are.
        labels: encoded, `(n, num_outputs)`.
        logits: `(n, num_outputs)`, of models that have not seen these sequences.
    """
    is_known = ~np.isnan(logits).all(axis=1)
    encoded = np.asarray(labels, np.float64)[is_known]
    if not len(encoded):
        return logits
    return np.asarray(logits * data.target.definition.linear_scale(encoded, logits[is_known]))
