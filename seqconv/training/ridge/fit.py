"""The fit of a model's head to the features of its poolings."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.data.sequences import Sequences
from seqconv.models import SequenceModel
from seqconv.models.card import model_target
from seqconv.models.pooled_model import PooledModel
from seqconv.prediction.forward import forward
from seqconv.sources import Selection
from seqconv.training.ridge.solution import FloatArray, fit_ridge, weighted_moments
from seqconv.training.run.setup import RunSetup
from seqconv.training.run.training_set import Labels

# Features of more training sequences are computed again for each pass over them.
MOST_BYTES = 4 << 30
BLOCK_ROWS = 1024
TIMED_SEQUENCES = 32


@dataclass(frozen=True)
class FittedHead:
    """The fit of a head: how many features and sequences, the strength, and what left-out sequences scored."""

    num_features: int
    num_sequences: int
    num_groups: int
    strengths: tuple[float, ...]
    loss: float
    scores: dict[str, Any]

    def __str__(self) -> str:
        strengths = ", ".join(f"{strength:.2g}" for strength in sorted(set(self.strengths)))
        each = f"each of {self.num_groups:,}" + (" groups" if self.num_groups < self.num_sequences else "")
        scores = ", ".join(f"{name} {value:.4f}" for name, value in self.scores.items())
        return (
            f"{self.num_features:,} features of {self.num_sequences:,} sequences; strength {strengths}, chosen by "
            f"leaving out {each}: {scores}"
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
    """
    target = model_target(model)
    task = target.definition
    rows = np.flatnonzero(np.asarray(weights) > 0)
    encoded, weight = np.asarray(labels, np.float64)[rows], np.asarray(weights, np.float64)[rows]
    groups = None if train.groups is None else [train.groups[row] for row in rows]
    features = _PooledFeatures(model, train, rows)
    targets, left_out = task.linear_targets(encoded), np.full(encoded.shape, np.nan)
    kernel, bias = np.zeros((features.num_features, targets.shape[1])), np.zeros(targets.shape[1])
    strengths = []
    for outputs, known in _patterns(targets):
        part = None if groups is None else [groups[row] for row in np.flatnonzero(known)]
        options: dict[str, Any] = {} if strength is None else {"strengths": [strength]}
        found = fit_ridge(features.of(known), targets[known][:, outputs], weight[known], part, **options)
        kernel[:, outputs], bias[outputs] = found.coefficients, found.intercept
        left_out[np.flatnonzero(known)[:, None], outputs] = found.left_out
        strengths.append(found.strength)
    scale = task.linear_scale(encoded, left_out)
    mean, deviation = weighted_moments(features.of(np.ones(len(rows), bool)), weight)
    standardization, logits_layer = model.stack.dense
    standardization.adapt(mean, deviation**2)
    logits_layer.set_weights([kernel * scale * deviation[:, None], (bias + mean @ kernel) * scale])
    logits = np.nan_to_num(left_out * scale)
    predictions = task.predictions(target, logits)
    raw = train.subset(rows)
    truth = task.truth(target, raw.labels, raw.ids)
    losses = task.losses(truth, predictions, target.std or 1)
    scores = task.score(truth, predictions, target.names)
    return FittedHead(
        features.num_features,
        len(rows),
        len(rows) if groups is None else len(set(groups)),
        tuple(strengths),
        float(np.average(losses, weights=weight)),
        {name: scores[name] for name in task.scores if isinstance(scores.get(name), float)},
    )


def time_features(experiment: RunSetup) -> float:
    """Return the seconds that the features of the training sequences take, from those of some of them."""
    model, train = PooledModel(experiment.model), experiment.training_set.sequences
    some = Selection(train, np.arange(min(len(train), TIMED_SEQUENCES)))
    # The first call compiles.
    forward(model, some)
    started = time.monotonic()
    forward(model, some)
    return float((time.monotonic() - started) * train.lengths.sum() / np.sum(some.lengths))


class _PooledFeatures:
    """The pooled vectors of some sequences, kept if there is room, else computed again."""

    def __init__(self, model: SequenceModel, train: Sequences, rows: npt.NDArray[np.int64]) -> None:
        self.model, self.train, self.rows = PooledModel(model), train, rows
        self.num_features = self.model.num_outputs
        is_small = len(rows) * self.num_features * 4 <= MOST_BYTES
        self.kept = list(self._compute(rows)) if is_small else None

    def of(self, known: npt.NDArray[np.bool_]) -> Any:
        """Return a function that returns the features of those sequences, in blocks."""
        if self.kept is None:
            return lambda: self._compute(self.rows[known])
        if known.all():
            return lambda: self.kept
        chosen = np.concatenate(self.kept)[known]
        return lambda: [chosen]

    def _compute(self, rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.float32]]:
        for start in range(0, len(rows), BLOCK_ROWS):
            yield forward(self.model, Selection(self.train, rows[start : start + BLOCK_ROWS]))


def _patterns(targets: FloatArray) -> Iterator[tuple[list[int], npt.NDArray[np.bool_]]]:
    """Yield outputs whose labels are known for the same sequences, and for which."""
    patterns: dict[bytes, list[int]] = {}
    known = ~np.isnan(targets)
    for output in range(targets.shape[1]):
        patterns.setdefault(known[:, output].tobytes(), []).append(output)
    for outputs in patterns.values():
        yield outputs, known[:, outputs[0]]
