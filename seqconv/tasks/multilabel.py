"""Multilabel: each sequence, or frame, has any number of labels, and some may be missing."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from seqconv.metrics.calibration import fit_label_temperature
from seqconv.metrics.checks import FloatArray, IntArray, Scores, as_columns
from seqconv.metrics.frames import label_frame_scorer
from seqconv.metrics.multilabel import as_given, binary_cross_entropy, multilabel_scores
from seqconv.metrics.thresholds import DEFAULT_THRESHOLD
from seqconv.parts import register
from seqconv.tasks.classes import ClassTask, as_rows, is_number
from seqconv.tasks.forms import NO_BACKGROUND, ONE_OF_TWO, Array, CellRule, Columns, Fitted, Meaning, Scorer
from seqconv.tasks.frame_arrays import read_label_frames
from seqconv.tasks.frame_labels import MISSING, FrameLabels
from seqconv.tasks.raw_labels import LabelSets, label_sets, missing_cells, sorted_names


@register
class Multilabel(ClassTask):
    """Any number of labels."""

    name: ClassVar[str] = "multilabel"
    scores: ClassVar[tuple[str, ...]] = (
        "map", "micro_map", "macro_auc", "micro_auc", "macro_f1", "micro_f1", "loss",
    )  # fmt: skip
    headline: ClassVar[str] = "map"
    misfits: ClassVar[Mapping[str, str]] = {"evaluation.positive": ONE_OF_TWO, "target.background": NO_BACKGROUND}
    may_be_partial: ClassVar[bool] = True
    allows_overlaps: ClassVar[bool] = True
    axes: ClassVar[tuple[str, str]] = ("probability", "labels there")

    def fit(self, raw_labels: Any, *, names: tuple[str, ...] | None, separator: str, ids: Any = None) -> Fitted:
        sets, order = label_sets(raw_labels, ids, separator=separator, names=names)
        classes = order or sorted_names(label for row in sets for label in row)
        self.check_classes(classes, "sequences")
        return Fitted(classes)

    def read_frames(self, raw_labels: Any, *, ids: Any = None, names: Sequence[str] | None = None) -> FrameLabels:
        return read_label_frames(raw_labels, ids, names)

    def frames_labeled(self, rows: Array) -> npt.NDArray[np.bool_]:
        return np.asarray((rows >= 0).any(axis=1))

    def frame_rows(self, rows: Array, num_names: int) -> FloatArray:
        return np.where(rows >= 0, rows, np.nan)

    def rename_frames(self, rows: Array, positions: IntArray, num_names: int) -> Array:
        moved = super().rename_frames(rows, positions, num_names)
        # Of a frame of which nothing is known, nothing is known of other names either.
        moved[(rows < 0).all(axis=1)] = MISSING
        return moved

    def label_sets(self, target: Meaning, raw_labels: Any, ids: Any) -> LabelSets:
        return label_sets(raw_labels, ids, separator=target.separator, names=target.names)[0]

    def encode(self, target: Meaning, raw_labels: Any, ids: Any = None) -> Array:
        encoded = super().encode(target, raw_labels, ids)
        is_missing = missing_cells(raw_labels, names=target.names)
        if is_missing is not None:
            encoded[is_missing] = np.nan
        return encoded

    def decode(self, target: Meaning, outputs: ArrayLike, threshold: float) -> list[Any]:
        return [[target.names[index] for index in np.flatnonzero(row >= threshold)] for row in np.asarray(outputs)]

    def name_decided(self, target: Meaning, decided: Array) -> list[str]:
        # Frames come by the million, and in few combinations of labels.
        packed = np.packbits(decided, axis=1)
        _, first, places = np.unique(packed, axis=0, return_index=True, return_inverse=True)
        texts = [target.separator.join(labels) for labels in self.decode(target, decided[first], 0.5)]
        return list(np.array(texts, dtype=object)[places.ravel()].tolist())

    def names_joined(self, text: str, names: Sequence[str], separator: str) -> Sequence[str]:
        """Return the names that were joined, in their order; a name may itself contain the separator."""
        found = []
        for name in names:
            if text == name or text.startswith(name + separator):
                found.append(name)
                text = text[len(name) + len(separator) :]
        return found

    def cell_rule(self, *, is_single: bool) -> CellRule | None:
        if is_single:
            return None
        return CellRule("0 or 1, or nothing", lambda cell: is_number(cell) and float(cell) in (0.0, 1.0), True)

    def names_in(self, cell: str, separator: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in cell.split(separator) if part.strip())

    def window_label(self, covered: Mapping[str, float], background: str | None) -> Any:
        return sorted(covered)

    def paint_frames(
        self, events: Sequence[Sequence[int]], frames: Sequence[slice], length: int, num_classes: int, background: int
    ) -> Array:
        rows = np.zeros((length, num_classes), np.int8)
        for numbers, covered in zip(events, frames, strict=True):
            rows[covered, list(numbers)] = 1
        for numbers, covered in zip(events, frames, strict=True):
            if not numbers:
                rows[covered] = MISSING
        return rows

    def without_events(self, background: str | None) -> str:
        return "have none of the labels"

    def hits(self, probabilities: FloatArray, decided: Any, threshold: float | None) -> npt.NDArray[np.bool_]:
        return np.asarray(decided if threshold is None else probabilities >= threshold)

    def make_loss(self, label_smoothing: float = 0.0, focusing: float = 0.0) -> Any:
        from seqconv.tasks.losses import LabelCrossentropy

        return LabelCrossentropy(focusing, label_smoothing=label_smoothing, reduction="sum")

    def predictions(self, target: Meaning, logits: ArrayLike) -> FloatArray:
        from scipy.special import expit

        return np.asarray(expit(super().predictions(target, logits)))

    def decide(self, predictions: FloatArray, thresholds: tuple[float | None, ...] | None) -> Array:
        return np.asarray(
            predictions >= (DEFAULT_THRESHOLD if thresholds is None else np.array(thresholds, np.float64))
        )

    def truth_columns(self, target: Meaning, targets: FloatArray) -> Columns:
        """Name the labels; if some are missing, the column `missing` lists them."""
        is_missing = np.isnan(targets)
        missing = {"missing": self.name_decided(target, is_missing)} if is_missing.any() else {}
        return {"label": self.name_decided(target, targets == 1), **missing}

    def compute_scores(
        self, targets: ArrayLike, predictions: ArrayLike, names: Sequence[str], decided: ArrayLike | None, num_bins: int
    ) -> Scores:
        return multilabel_scores(targets, predictions, names, given=decided)

    def losses(self, targets: ArrayLike, predictions: ArrayLike, scale: ArrayLike = 1) -> FloatArray:
        rows = as_rows(predictions)
        return binary_cross_entropy(as_columns(targets, "targets", rows.shape[1]), rows)

    def frame_scorer(
        self, targets: ArrayLike, predictions: ArrayLike, owners: IntArray, count: int, decided: ArrayLike | None = None
    ) -> Scorer:
        values = np.asarray(predictions, np.float64)
        wanted = as_columns(targets, "targets", values.shape[1])
        return label_frame_scorer(wanted, values, as_given(values, decided), owners, count)

    def threshold_names(self, target: Meaning, targets: FloatArray, positive: str | None) -> Sequence[str]:
        return target.names

    def fit_temperature(self, targets: ArrayLike, logits: ArrayLike) -> float:
        return fit_label_temperature(targets, logits)

    def confidence(self, predictions: FloatArray) -> FloatArray:
        return np.asarray(np.maximum(predictions, 1 - predictions).min(axis=1))

    def calibration_points(self, targets: FloatArray, predictions: FloatArray) -> tuple[FloatArray, FloatArray]:
        is_known = ~np.isnan(targets)
        return predictions[is_known], targets[is_known]
