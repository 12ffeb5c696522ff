"""Answers of a model for labeled sequences or their frames, together with the truth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.errors import ManifestError
from seqconv.metrics.checks import FloatArray, IntArray
from seqconv.models.card import predicts_frames, read_decision_rule, seconds_per_frame
from seqconv.prediction.files import joined_columns
from seqconv.prediction.forward import forward
from seqconv.tasks.frame_labels import find_length_problems, raise_listed
from seqconv.tasks.outputs import frame_columns, recording_starts
from seqconv.tasks.target import DecisionRule, Target

HeadlineScorer = Callable[[IntArray], dict[str, float]]


@dataclass(frozen=True, eq=False)
class FrameTruth:
    """The true labels of the output frames of some sequences, one after the other.

    `targets` `(n, C)`: one-hot or 0/1 rows, or values in their own unit; NaN where a label is missing.
    `counts`: output frames of each sequence; output frame p stands for the input frame p * `stride`.
    """

    targets: FloatArray
    counts: IntArray
    stride: int

    @property
    def is_labeled(self) -> npt.NDArray[np.bool_]:
        """The frames that have a label; with several labels, at least one."""
        return np.asarray(~np.isnan(self.targets).all(axis=1))

    @property
    def owners(self) -> IntArray:
        """The index of the sequence of each labeled frame."""
        return np.repeat(np.arange(len(self.counts)), self.counts)[self.is_labeled]


@dataclass(frozen=True, eq=False)
class Answers:
    """Rows to score; scores of some sequences; the table of all rows.

    `targets` and `predictions` `(n, ...)`; `decided` as `DecisionRule.decide` returns it; `losses` `(n,)`, NaN where no
    label is known.
    """

    targets: FloatArray
    predictions: FloatArray
    decided: npt.NDArray[Any] | None
    losses: FloatArray
    headline: HeadlineScorer
    table: pd.DataFrame
    counts: dict[str, int]


def frame_truth(target: Target, data: Any, stride: int) -> FrameTruth:
    """Return the true labels of every `stride`-th frame.

    Raises:
        ManifestError: labels of another form or number than the frames, or that the target does not know.
    """
    labels = target.frame_labels(data.labels, ids=data.ids)
    raise_listed(find_length_problems(labels, data.lengths, data.ids))
    rows = [labels.encode(index, slice(None, None, stride)) for index in range(len(labels))]
    return FrameTruth(np.concatenate(rows), np.array([len(row) for row in rows]), stride)


def labeled_logits(model: Any, target: Target, data: Any) -> tuple[FloatArray, FloatArray]:
    """Return targets and logits `(n, C)` of the sequences, or of the output frames, that have a label.

    Raises:
        ManifestError: there is none.
    """
    logits: Any = forward(model, data)
    if predicts_frames(model, target):
        targets, logits = frame_truth(target, data, model.total_stride).targets, np.concatenate(logits)
    else:
        targets = target.definition.truth(target, data.labels, data.ids)
    is_labeled = target.definition.is_labeled(targets)
    if not is_labeled.any():
        raise ManifestError(f"none of the {len(targets)} rows has a label to decide by")
    return targets[is_labeled], np.asarray(logits, np.float64)[is_labeled]


def answer_sequences(model: Any, target: Target, data: Any, strategy: str) -> Answers:
    """Return the model's answer for each sequence.

    Raises:
        ManifestError: no sequence has a label.
    """
    task = target.definition
    targets = task.truth(target, data.labels, data.ids)
    if not task.is_labeled(targets).any():
        raise ManifestError(f"none of the {len(targets)} sequences has a label to score against")
    outputs = forward(model, data, strategy=strategy, raw=True)
    # A stock model is looked at after it has run: only that may have built it.
    decisions = read_decision_rule(model, target)
    predictions = decisions.probabilities(outputs)
    decided = decisions.decide(predictions)
    losses = _losses(target, targets, predictions)
    first = {"id": list(data.ids), "num_frames": np.asarray(data.lengths), **task.truth_columns(target, targets)}
    if task.joins_frames:
        said = joined_columns(model, target, decided, seconds_per_frame(model, data), recording_starts(data))
        compared = task.compare_columns(target, targets, decided)
        table = pd.DataFrame({**first, **said, **compared, "loss": losses})
    else:
        table = _table(first, decisions, targets, predictions, losses)
    headline = task.headline_scorer(targets, predictions, decided)
    return Answers(targets, predictions, decided, losses, headline, table, {"num_sequences": len(targets)})


def answer_frames(model: Any, target: Target, data: Any, strategy: str) -> Answers:
    """Return the model's answer for each output frame; frames without a label are in the table and are not scored.

    Raises:
        ManifestError: no frame has a label.
    """
    truth = frame_truth(target, data, model.total_stride)
    is_labeled = truth.is_labeled
    if not is_labeled.any():
        raise ManifestError(f"none of the {len(is_labeled)} frames has a label to score against")
    decisions = read_decision_rule(model, target)
    everything = decisions.probabilities(np.concatenate(forward(model, data, strategy=strategy)))
    targets, predictions = truth.targets[is_labeled], everything[is_labeled]
    decided = decisions.decide(predictions)
    losses = np.full(len(is_labeled), np.nan)
    losses[is_labeled] = _losses(target, targets, predictions)
    seconds, starts = seconds_per_frame(model, data), recording_starts(data)
    first = frame_columns(data.ids, truth.counts, truth.stride, seconds, starts)
    labels = _name_labeled(target, truth.targets, is_labeled)
    table = _table({**first, **labels}, decisions, truth.targets, everything, losses)
    headline = target.definition.frame_scorer(targets, predictions, truth.owners, len(truth.counts), decided)
    counts = {
        "num_sequences": len(truth.counts),
        "num_frames": len(targets),
        "num_unlabeled_frames": len(is_labeled) - len(targets),
    }
    return Answers(targets, predictions, decided, losses[is_labeled], headline, table, counts)


def _name_labeled(target: Target, targets: FloatArray, is_labeled: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return columns with the true labels, empty if there is none."""
    columns = {}
    known = np.where(is_labeled[:, None], targets, 0)
    for name, values in target.definition.truth_columns(target, known).items():
        is_text = isinstance(values, list)
        column = np.array(values, dtype=object if is_text else np.float64)
        column[~is_labeled] = None if is_text else np.nan
        columns[name] = column
    return columns


def _table(
    first: dict[str, Any],
    decisions: DecisionRule,
    targets: FloatArray,
    predictions: FloatArray,
    losses: FloatArray,
) -> pd.DataFrame:
    """Return the columns `first`, answers and losses; with missing labels, whether the known ones differ."""
    columns = {**first, **decisions.columns(predictions)}
    if "missing" in first:
        columns["wrong"] = ((decisions.decide(predictions) != (targets == 1)) & ~np.isnan(targets)).any(axis=1)
    return pd.DataFrame({**columns, "loss": losses})


def _losses(target: Target, targets: FloatArray, predictions: FloatArray) -> FloatArray:
    return target.definition.losses(targets, predictions, 1 if target.std is None else target.std)
