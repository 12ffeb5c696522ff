"""Classification: each sequence, or frame, is of one class."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from seqconv.errors import ConfigError, ManifestError, list_some
from seqconv.metrics.calibration import fit_temperature
from seqconv.metrics.checks import FloatArray, IntArray, Scores
from seqconv.metrics.classification import as_decided, class_numbers, classification_scores, cross_entropy
from seqconv.metrics.frames import class_frame_scorer
from seqconv.metrics.thresholds import Cut, choose_macro_threshold
from seqconv.parts import register
from seqconv.tasks.classes import ClassTask, as_rows
from seqconv.tasks.forms import Array, CellRule, Columns, Fitted, Joined, Meaning, Scorer
from seqconv.tasks.frame_arrays import read_class_frames
from seqconv.tasks.frame_labels import MISSING, FrameLabels
from seqconv.tasks.raw_labels import LabelSets, class_labels, sorted_names


@register
class Classification(ClassTask):
    """One class out of several."""

    name: ClassVar[str] = "classification"
    scores: ClassVar[tuple[str, ...]] = (
        "macro_f1", "accuracy", "balanced_accuracy", "log_loss", "calibration_error", "loss",
    )  # fmt: skip
    headline: ClassVar[str] = "accuracy"
    misfits: ClassVar[Mapping[str, str]] = {
        "target.columns": "classification reads one column, but columns is given. Name it in column, or set task to "
        "multilabel"
    }

    def fit(self, raw_labels: Any, *, names: tuple[str, ...] | None, separator: str, ids: Any = None) -> Fitted:
        classes = names or sorted_names(class_labels(raw_labels, ids))
        self.check_classes(classes, "sequences")
        return Fitted(classes)

    def read_frames(self, raw_labels: Any, *, ids: Any = None, names: Sequence[str] | None = None) -> FrameLabels:
        return read_class_frames(raw_labels, ids)

    def frames_labeled(self, rows: Array) -> npt.NDArray[np.bool_]:
        return np.asarray(rows >= 0)

    def frame_rows(self, rows: Array, num_names: int) -> FloatArray:
        return np.where(rows[:, None] >= 0, rows[:, None] == np.arange(num_names), np.nan)

    def frames_present(self, rows: Array, num_names: int) -> npt.NDArray[np.bool_]:
        return np.bincount(rows[rows >= 0], minlength=num_names) > 0

    def rename_frames(self, rows: Array, positions: IntArray, num_names: int) -> Array:
        # The last place is where -1, a missing label, points.
        return np.append(positions, MISSING).astype(np.int32)[rows]

    def label_sets(self, target: Meaning, raw_labels: Any, ids: Any) -> LabelSets:
        return [(label,) for label in class_labels(raw_labels, ids)]

    def check_classes(self, classes: Sequence[str], what: str) -> None:
        if len(classes) < 2:
            raise ManifestError(f"all {what} have the label {list_some(classes)}: there is nothing to tell apart")

    def decode(self, target: Meaning, outputs: ArrayLike, threshold: float) -> list[Any]:
        return self.name_decided(target, np.asarray(outputs).argmax(axis=1))

    def name_decided(self, target: Meaning, decided: Array) -> list[str]:
        return list(np.array(target.names, dtype=object)[decided].tolist())

    def cell_rule(self, *, is_single: bool) -> CellRule:
        return CellRule("a label", lambda cell: bool(str(cell).strip()))

    def names_in(self, cell: str, separator: str) -> tuple[str, ...]:
        return (cell,)

    def class_numbers(self, rows: Array) -> IntArray:
        return np.asarray(rows.argmax(axis=1))

    def window_label(self, covered: Mapping[str, float], background: str | None) -> Any:
        return max(covered, key=covered.__getitem__, default=background)

    def paint_frames(
        self, events: Sequence[Sequence[int]], frames: Sequence[slice], length: int, num_classes: int, background: int
    ) -> Array:
        codes = np.full(length, background, np.int32)
        for numbers, covered in zip(events, frames, strict=True):
            codes[covered] = numbers[0] if numbers else MISSING
        return codes

    def without_events(self, background: str | None) -> str:
        return "are without label" if background is None else f"have '{background}'"

    def hits(self, probabilities: FloatArray, decided: Any, threshold: float | None) -> npt.NDArray[np.bool_]:
        best = np.asarray(decided)[:, None] == np.arange(probabilities.shape[1])
        return np.asarray(best if threshold is None else best & (probabilities >= threshold))

    def make_loss(self, label_smoothing: float = 0.0, focusing: float = 0.0) -> Any:
        from seqconv.tasks.losses import class_loss

        return class_loss(label_smoothing, focusing)

    def make_metrics(self, label_smoothing: float = 0.0, focusing: float = 0.0) -> list[Any]:
        from seqconv.tasks.losses import class_accuracy

        return [*super().make_metrics(label_smoothing, focusing), class_accuracy()]

    def predictions(self, target: Meaning, logits: ArrayLike) -> FloatArray:
        from scipy.special import softmax

        values = np.asarray(logits, np.float64)
        if values.shape[1] == 1 and target.num_outputs == 2:
            # Two classes may come as one logit, that of the second class.
            values = np.hstack([np.zeros_like(values), values])
        return np.asarray(softmax(super().predictions(target, values), axis=1))

    def decide(self, predictions: FloatArray, thresholds: tuple[float | None, ...] | None) -> Array:
        if thresholds is None:
            return np.asarray(predictions.argmax(axis=1))
        place, threshold = next((i, value) for i, value in enumerate(thresholds) if value is not None)
        return np.where(predictions[:, place] >= threshold, place, 1 - place)

    def truth_columns(self, target: Meaning, targets: FloatArray) -> Columns:
        return {"label": self.decode(target, targets, 0.5)}

    def compute_scores(
        self, targets: ArrayLike, predictions: ArrayLike, names: Sequence[str], decided: ArrayLike | None, num_bins: int
    ) -> Scores:
        return classification_scores(targets, predictions, names, calibration_bins=num_bins, decided=decided)

    def losses(self, targets: ArrayLike, predictions: ArrayLike, scale: ArrayLike = 1) -> FloatArray:
        rows = as_rows(predictions)
        return cross_entropy(class_numbers(targets, rows.shape[1]), rows)

    def frame_scorer(
        self, targets: ArrayLike, predictions: ArrayLike, owners: IntArray, count: int, decided: ArrayLike | None = None
    ) -> Scorer:
        values = np.asarray(predictions, np.float64)
        classes = class_numbers(targets, values.shape[1])
        return class_frame_scorer(classes, values, as_decided(values, decided), owners, count)

    def guess(self, targets: FloatArray) -> FloatArray:
        noise = super().guess(targets)
        return np.asarray(noise / noise.sum(axis=1, keepdims=True))

    def join_windows(
        self, target: Meaning, targets: FloatArray, predictions: FloatArray, background: str | None
    ) -> Joined:
        """Join as classes if each recording has a single class, otherwise as labels without background."""
        if (targets.sum(axis=1) > 1).any() | (background is not None):
            kept = [place for place, name in enumerate(target.names) if name != background]
            names = tuple(target.names[place] for place in kept)
            return Joined("multilabel", names, targets[:, kept], predictions[:, kept])
        # What is highest in some window need not add up to one.
        return Joined(self.name, target.names, targets, predictions / predictions.sum(axis=1, keepdims=True))

    def check_thresholds(self, target: Meaning, positive: str | None) -> None:
        if target.num_outputs > 2:
            raise ConfigError(
                f"evaluation.thresholds says from which probability on a label is given, but of {target.num_outputs} "
                "classes the most probable one is, and no threshold per class says which. Remove it; for rare classes, "
                "set training.class_weight or training.sampling to 'balanced'. Where several may apply, set "
                "target.task to 'multilabel'"
            )
        if positive is not None and positive not in target.names:
            raise ConfigError(
                f"evaluation.positive: there is no class '{positive}'; the classes are {list_some(target.names)}"
            )

    def threshold_names(self, target: Meaning, targets: FloatArray, positive: str | None) -> Sequence[str]:
        counts = targets.sum(axis=0)
        return (positive or target.names[0 if counts[0] < counts[1] else 1],)

    def choose_cut(self, targets: FloatArray, predictions: FloatArray, precision: float | None) -> Cut:
        if precision is None:
            return choose_macro_threshold(targets, predictions)
        return super().choose_cut(targets, predictions, precision)

    def fit_temperature(self, targets: ArrayLike, logits: ArrayLike) -> float:
        return fit_temperature(targets, logits)

    def confidence(self, predictions: FloatArray) -> FloatArray:
        return np.asarray(predictions.max(axis=1))

    def calibration_points(self, targets: FloatArray, predictions: FloatArray) -> tuple[FloatArray, FloatArray]:
        is_right = (predictions.argmax(axis=1) == targets.argmax(axis=1)).astype(np.float64)
        return self.confidence(predictions), is_right
