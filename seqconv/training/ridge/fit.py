"""The fit of a model's head to the features of its poolings."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ManifestError
from seqconv.models import SequenceModel
from seqconv.models.card import model_target
from seqconv.models.pooled_model import PooledModel
from seqconv.prediction.forward import forward
from seqconv.sources import Selection, Source
from seqconv.training.ridge.solution import FloatArray, fit_ridge, weighted_moments
from seqconv.training.run.setup import RunSetup
from seqconv.training.run.training_set import Labels

BLOCK_ROWS = 1024
TIMED_SEQUENCES = 32


@dataclass(frozen=True)
class FittedHead:
    """The fit of a head: how many features and sequences, the strength, and what left-out sequences scored."""

    num_features: int
    num_sequences: int
    num_groups: int
    strengths: tuple[float, ...]
    is_chosen: bool
    loss: float
    scores: dict[str, Any]

    def __str__(self) -> str:
        strengths = ", ".join(f"{strength:.2g}" for strength in sorted(set(self.strengths)))
        how = "chosen so" if self.is_chosen else "as given"
        each = f"{self.num_groups:,} groups" if self.num_groups < self.num_sequences else f"{self.num_groups:,}"
        shown = {name: value for name, value in self.scores.items() if name != "loss"}
        scores = ", ".join(f"{name} {value:.4f}" for name, value in shown.items())
        return (
            f"{self.num_features:,} features of {self.num_sequences:,} sequences; each of {each} left out: {scores}; "
            f"strength {strengths}, {how}"
        )


def fit_head(
    model: SequenceModel, train: Sequences, labels: Labels, weights: npt.NDArray[np.float32], strength: float | None
) -> FittedHead:
    """Give the last layer of a model the weights of a ridge regression on what its poolings return.

    Outputs are scaled so that they are logits, by the sequences that were left out.

    Args:
        model: its head is a standardization and a dense layer.
        train: the sequences; those of a group are left out together.
        labels: encoded, `(n, num_outputs)`, NaN where one is missing.
        weights: `(n,)`; sequences of weight 0 are not looked at.
        strength: of the penalty, relative to the mean squared length of the standardized features; None: chosen.

    Raises:
        ConfigError, ManifestError: too few groups, or labels, to leave one out; before any feature is computed.
    """
    task = model_target(model).definition
    rows = np.flatnonzero(np.asarray(weights) > 0)
    encoded, weight = np.asarray(labels, np.float64)[rows], np.asarray(weights, np.float64)[rows]
    groups: Any = None if train.groups is None else np.array(train.groups)[rows]
    targets, left_out = task.linear_targets(encoded), np.full(encoded.shape, np.nan)
    _check_enough(model, targets, groups)
    features = _compute_features(model, Selection(train, rows))
    kernel, bias = np.zeros((features.shape[1], targets.shape[1])), np.zeros(targets.shape[1])
    strengths: list[float] = []
    options: dict[str, Any] = {} if strength is None else {"strengths": [strength]}
    for outputs, known in _patterns(targets):
        part = features if known.all() else features[known]
        members = None if groups is None else groups[known]
        found = fit_ridge(part, targets[known][:, outputs], weight[known], members, **options)
        kernel[:, outputs], bias[outputs] = found.coefficients, found.intercept
        left_out[np.flatnonzero(known)[:, None], outputs] = found.left_out
        strengths.append(found.strength)
    scale = task.linear_scale(encoded, left_out)
    mean, deviation = weighted_moments(features, weight)
    standardization, logits_layer = model.stack.dense
    standardization.adapt(mean, deviation**2)
    logits_layer.set_weights([kernel * scale * deviation[:, None], (bias + mean @ kernel) * scale])
    loss, scores = _score(model, train.subset(rows), np.nan_to_num(left_out * scale), weight)
    num_groups = len(rows) if groups is None else len(set(groups))
    return FittedHead(features.shape[1], len(rows), num_groups, tuple(strengths), strength is None, loss, scores)


def _check_enough(model: SequenceModel, targets: FloatArray, groups: npt.NDArray[Any] | None) -> None:
    """Check that some sequence, or group, is left where one is left out."""
    if groups is not None and len(set(groups)) < 2:
        raise ConfigError(
            f"training.solver 'ridge' leaves each group out, but all {len(groups)} training sequences are of the group "
            f"'{groups[0]}'. Remove the groups, or name a column with several (data.columns, split.group)."
        )
    for name, known in zip(model_target(model).names, (~np.isnan(targets)).T, strict=True):
        if (count := int(known.sum())) < 2 or (groups is not None and len(set(groups[known])) < 2):
            raise ManifestError(
                f"'{name}' is known for {count} of {len(targets)} training sequences"
                f"{'' if groups is None else ', which are of one group'}: training.solver 'ridge' leaves each out and "
                "needs others to learn from. Label more, or leave it out."
            )


def _score(
    model: SequenceModel, train: Sequences, logits: FloatArray, weights: FloatArray
) -> tuple[float, dict[str, float]]:
    """Return loss and scores of the logits of sequences that were left out."""
    target = model_target(model)
    task = target.definition
    predictions, truth = task.predictions(target, logits), task.truth(target, train.labels, train.ids)
    scores = task.score(truth, predictions, target.names)
    loss = float(np.average(task.losses(truth, predictions, target.std or 1), weights=weights))
    return loss, {name: scores[name] for name in task.scores if isinstance(scores.get(name), float)}


def time_features(experiment: RunSetup) -> float:
    """Return the seconds that the features of the training sequences take, from those of some of them."""
    model, train = PooledModel(experiment.model), experiment.training_set.sequences
    some = Selection(train, np.arange(min(len(train), TIMED_SEQUENCES)))
    # The first call compiles.
    forward(model, some)
    started = time.monotonic()
    forward(model, some)
    return float((time.monotonic() - started) * train.lengths.sum() / np.sum(some.lengths))


def _compute_features(model: SequenceModel, source: Source) -> npt.NDArray[np.float32]:
    """Return what the poolings return for each sequence, `(n, num_features)`."""
    pooled, count = PooledModel(model), len(source.lengths)
    features = np.empty((count, pooled.num_outputs), np.float32)
    for start in range(0, count, BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, count))
        features[rows] = forward(pooled, Selection(source, rows))
    return features


def _patterns(targets: FloatArray) -> Iterator[tuple[list[int], npt.NDArray[np.bool_]]]:
    """Yield outputs whose labels are known for the same sequences, and for which."""
    patterns: dict[bytes, list[int]] = {}
    known = ~np.isnan(targets)
    for output in range(targets.shape[1]):
        patterns.setdefault(known[:, output].tobytes(), []).append(output)
    for outputs in patterns.values():
        yield outputs, known[:, outputs[0]]
