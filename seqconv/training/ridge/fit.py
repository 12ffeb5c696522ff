"""The fit of a model's head to the features of sequences, or of frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError
from seqconv.models import SequenceModel
from seqconv.models.card import model_target
from seqconv.models.pooled_model import PooledModel
from seqconv.text import amount
from seqconv.training.ridge.blocks import FloatArray, weighted_moments
from seqconv.training.ridge.features import check_fits, compute_features
from seqconv.training.ridge.rows import collect_rows
from seqconv.training.ridge.solution import fit_ridge
from seqconv.training.run.training_set import Labels


@dataclass(frozen=True)
class FittedHead:
    """The fit of a head: how many features, rows and sequences, the strength, and what left-out rows scored."""

    num_features: int
    num_rows: int
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
        scores = ", ".join(f"{name} {value:.4f}" for name, value in self.scores.items())
        frames = f"{amount(self.num_rows, 'frame')} of " if self.num_rows > self.num_sequences else ""
        return (
            f"{self.num_features:,} features of {frames}{self.num_sequences:,} sequences; each of {each} left out: "
            f"{scores}; strength {strengths}, {how}"
        )


def fit_head(
    model: SequenceModel,
    train: Sequences,
    labels: Labels,
    weights: npt.NDArray[np.float32],
    strength: float | None,
    folder: Path | None = None,
) -> FittedHead:
    """Give the last layer of a model the weights of a ridge regression on what the layers before it return.

    Outputs are scaled so that they are logits, by the rows that were left out.

    Args:
        model: its head is a standardization and a dense layer.
        train: the sequences; those of a group are left out together, and so are all frames of a sequence.
        labels: encoded, `(n, num_outputs)`, NaN where one is missing; or those of frames.
        weights: of the sequences, `(n,)`; those of weight 0 are not looked at.
        strength: of the penalty, relative to the mean squared length of the standardized features; None: chosen.
        folder: where features are kept that are too many for memory; default: that of temporary files.

    Raises:
        ConfigError, ManifestError: too few groups, or labels, to leave one out, or more features than memory or disk
            hold, before any feature is computed; or features too large for float32.
    """
    target = model_target(model)
    task, pooled = target.definition, PooledModel(model)
    rows = collect_rows(train, labels, weights)
    targets, left_out = task.linear_targets(rows.encoded), np.full(rows.encoded.shape, np.nan)
    rows.check_enough(targets, train, target.names)
    check_fits(len(targets), pooled.num_outputs, rows.noun, folder)
    features = compute_features(pooled, train, rows, folder)
    mean, deviation = _moments(features, rows.weights)
    kernel, bias = np.zeros((features.shape[1], targets.shape[1])), np.zeros(targets.shape[1])
    strengths: list[float] = []
    options: dict[str, Any] = {} if strength is None else {"strengths": [strength]}
    for outputs, known in patterns(targets):
        total = rows.num_sequences(known)
        found = fit_ridge(features, targets[:, outputs], rows.weights, rows.owners, total=total, **options)
        kernel[:, outputs], bias[outputs] = found.coefficients, found.intercept
        left_out[:, outputs] = found.left_out
        strengths.append(found.strength)
    scale = task.linear_scale(rows.encoded, left_out)
    standardization, logits_layer = model.stack.dense
    standardization.adapt(mean, deviation**2)
    logits_layer.set_weights([kernel * scale * deviation[:, None], (bias + mean @ kernel) * scale])
    predictions = task.predictions(target, np.nan_to_num(left_out * scale))
    truth = rows.truth(target, train, model.total_stride)
    scores = task.score(truth, predictions, target.names)
    return FittedHead(
        num_features=features.shape[1],
        num_rows=len(targets),
        num_sequences=len(rows.sequences),
        num_groups=rows.num_groups,
        strengths=tuple(strengths),
        is_chosen=strength is None,
        loss=float(np.average(task.losses(truth, predictions, target.std or 1), weights=rows.weights)),
        # The loss of scores is without weights.
        scores={name: scores[name] for name in task.scores if name != "loss" and isinstance(scores.get(name), float)},
    )


def _moments(features: npt.NDArray[np.float32], weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and deviation of each feature.

    Raises:
        ConfigError: squares of the deviations, which the model keeps, are not finite in float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = weighted_moments(features, weights)
        is_wrong = ~np.isfinite(np.square(deviation).astype(np.float32)) | ~np.isfinite(mean)
    if is_wrong.any():
        raise ConfigError(
            f"training.solver 'ridge' standardizes what the layers before the head return, but {is_wrong.sum():,} of "
            f"its {len(mean):,} features are NaN, or too large for float32 when squared. Set features.normalize to "
            "'train', or standardize the arrays."
        )
    return mean, deviation


def patterns(targets: FloatArray) -> Iterator[tuple[list[int], npt.NDArray[np.bool_]]]:
    """Yield outputs whose labels are known for the same rows, and for which."""
    patterns: dict[bytes, list[int]] = {}
    known = ~np.isnan(targets)
    for output in range(targets.shape[1]):
        patterns.setdefault(known[:, output].tobytes(), []).append(output)
    for outputs in patterns.values():
        yield outputs, known[:, outputs[0]]
