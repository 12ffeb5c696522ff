"""What a model says of labeled sequences, or of their frames, beside what is true."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.errors import ManifestError
from seqconv.frame_labels import find_length_problems, raise_listed
from seqconv.inference import forward
from seqconv.metrics import frame_scorer, headline_scorer, sequence_losses
from seqconv.outputs import (
    frame_columns,
    logits_to_predictions,
    name_predictions,
    name_targets,
    read_card,
    recording_starts,
    seconds_per_frame,
    true_values,
)
from seqconv.targets import Target

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
HeadlineScorer = Callable[[IntArray], dict[str, float]]


@dataclass(frozen=True, eq=False)
class FrameTruth:
    """The true labels of the output frames of some sequences, one after the other.

    `targets` `(n, C)`: one-hot or 0/1 rows, or values in their own unit; NaN in frames without a label.
    `counts`: output frames of each sequence; output frame p stands for the input frame p * `stride`.
    """

    targets: FloatArray
    counts: IntArray
    stride: int

    @property
    def is_labeled(self) -> npt.NDArray[np.bool_]:
        """Which frames have a label."""
        return np.asarray(~np.isnan(self.targets).any(axis=1))

    @property
    def owners(self) -> IntArray:
        """Which sequence each labeled frame is of."""
        return np.repeat(np.arange(len(self.counts)), self.counts)[self.is_labeled]


@dataclass(frozen=True, eq=False)
class Answers:
    """Rows of what is scored, `targets` and `predictions` `(n, C)`; scores of some sequences; the table of all rows."""

    targets: FloatArray
    predictions: FloatArray
    losses: FloatArray
    headline: HeadlineScorer
    table: pd.DataFrame
    counts: dict[str, int]


def frame_truth(target: Target, data: Any, stride: int) -> FrameTruth:
    """The true labels of every `stride`-th frame.

    Raises:
        ManifestError: labels of another form or number than the frames, or that the target does not know.
    """
    labels = target.frame_labels(data.labels, ids=data.ids)
    raise_listed(find_length_problems(labels, data.lengths, data.ids))
    rows = [labels.encode(index, slice(None, None, stride)) for index in range(len(labels))]
    return FrameTruth(np.concatenate(rows), np.array([len(row) for row in rows]), stride)


def answer_sequences(model: Any, target: Target, data: Any, strategy: str) -> Answers:
    """The model's answer to each sequence."""
    targets = true_values(target, data.labels, data.ids)
    predictions = logits_to_predictions(target, forward(model, data, strategy=strategy))
    losses = _losses(target, targets, predictions)
    columns = {
        "id": list(data.ids),
        "num_frames": np.asarray(data.lengths),
        **name_targets(target, targets),
        **name_predictions(target, predictions, read_card(model).get("thresholds")),
        "loss": losses,
    }
    headline = headline_scorer(target.task, targets, predictions)
    return Answers(targets, predictions, losses, headline, pd.DataFrame(columns), {"num_sequences": len(targets)})


def answer_frames(model: Any, target: Target, data: Any, strategy: str) -> Answers:
    """The model's answer to each output frame; frames without a label stand in the table and are not scored.

    Raises:
        ManifestError: no frame has a label.
    """
    truth = frame_truth(target, data, model.total_stride)
    is_labeled = truth.is_labeled
    if not is_labeled.any():
        raise ManifestError(f"none of the {len(is_labeled)} frames has a label to score against")
    everything = logits_to_predictions(target, np.concatenate(forward(model, data, strategy=strategy)))
    targets, predictions = truth.targets[is_labeled], everything[is_labeled]
    losses = np.full(len(is_labeled), np.nan)
    losses[is_labeled] = _losses(target, targets, predictions)
    columns = {
        **frame_columns(data.ids, truth.counts, truth.stride, seconds_per_frame(model, data), recording_starts(data)),
        **_name_labeled(target, truth.targets, is_labeled),
        **name_predictions(target, everything, read_card(model).get("thresholds")),
        "loss": losses,
    }
    headline = frame_scorer(target.task, targets, predictions, truth.owners, len(truth.counts))
    counts = {
        "num_sequences": len(truth.counts),
        "num_frames": len(targets),
        "num_unlabeled_frames": len(is_labeled) - len(targets),
    }
    return Answers(targets, predictions, losses[is_labeled], headline, pd.DataFrame(columns), counts)


def _name_labeled(target: Target, targets: FloatArray, is_labeled: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Columns with the true labels, empty where there is none."""
    columns = {}
    for name, values in name_targets(target, np.where(is_labeled[:, None], targets, 0)).items():
        is_text = isinstance(values, list)
        column = np.array(values, dtype=object if is_text else np.float64)
        column[~is_labeled] = None if is_text else np.nan
        columns[name] = column
    return columns


def _losses(target: Target, targets: FloatArray, predictions: FloatArray) -> FloatArray:
    return sequence_losses(target.task, targets, predictions, 1 if target.std is None else target.std)
