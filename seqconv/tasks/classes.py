"""The base of tasks whose labels are classes: one of them, or any number."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from seqconv.errors import ManifestError, ModelError
from seqconv.metrics.calibration import binned_error
from seqconv.metrics.checks import FloatArray, as_columns
from seqconv.tasks.base import Task
from seqconv.tasks.forms import Array, Columns, Fitted, Meaning, ReadAnswers, Scorer
from seqconv.tasks.frame_labels import FrameLabels
from seqconv.tasks.raw_labels import LabelSets, indicator_rows


class ClassTask(Task):
    """Labels with names, whose outputs are probabilities."""

    outputs: ClassVar[str] = "classes"
    text_columns: ClassVar[frozenset[str]] = frozenset({"label", "missing", "prediction"})
    misfits: ClassVar[Mapping[str, str]] = {}
    joins_windows: ClassVar[bool] = True

    def fit_frames(self, labels: FrameLabels, names: tuple[str, ...] | None) -> Fitted:
        present = tuple(name for name, is_there in zip(labels.names, labels.present(), strict=True) if is_there)
        classes = names or (labels.names if labels.are_columns and present else present)
        self.check_classes(classes, "labeled frames")
        labels.rename(classes)
        return Fitted(classes)

    def encode(self, target: Meaning, raw_labels: Any, ids: Any = None) -> Array:
        return indicator_rows(self.label_sets(target, raw_labels, ids), target.names, ids)

    def linear_targets(self, encoded: Array) -> FloatArray:
        return 2.0 * np.asarray(encoded, np.float64) - 1.0

    def linear_scale(self, encoded: Array, outputs: FloatArray) -> float:
        # A mistake that was not seen may yet come (Platt 1999): without this, no mistake would mean no doubt.
        rows, doubt = np.asarray(encoded, np.float64), 1.0 / (len(encoded) + 2)
        others = 1 if self.allows_overlaps else max(1, rows.shape[1] - 1)
        wanted = rows * (1 - doubt) + (1 - rows) * (doubt / others)
        return 1.0 / self.fit_temperature(wanted, np.nan_to_num(outputs))

    def class_rows(self, encoded: Array) -> Array:
        return encoded

    def class_names(self, names: Sequence[str], background: str | None = None) -> tuple[str, ...]:
        return tuple(name for name in names if name != background)

    def row_names(self, cells: Sequence[Any], columns: Sequence[str] | None, separator: str) -> list[str]:
        if columns is not None:
            return [name for name, cell in zip(columns, cells, strict=True) if is_number(cell) and float(cell) == 1]
        return [] if cells[0] is None else list(self.names_in(cells[0], separator))

    def prediction_columns(self, target: Meaning, predictions: FloatArray, decided: Any = None) -> Columns:
        chosen = self.decide(predictions, None) if decided is None else decided
        named = {f"p_{name}": predictions[:, i] for i, name in enumerate(target.names)}
        return {"prediction": self.name_decided(target, np.asarray(chosen)), **named}

    def read_answers(self, table: Any, scores: Mapping[str, Any], separator: str) -> ReadAnswers:
        names = list(scores.get("per_class") or ()) or [
            str(name).removeprefix("p_") for name in table.columns if str(name).startswith("p_")
        ]
        predictions = table[[f"p_{name}" for name in names]].to_numpy(np.float64)
        targets, given = (self._read_rows(table[column], names, separator) for column in ("label", "prediction"))
        if "missing" in table:
            targets[self._read_rows(table["missing"], names, separator) == 1] = np.nan
        return ReadAnswers(names, targets, predictions, given)

    def is_wrong(self, table: Any) -> Any:
        return table["wrong"] if "wrong" in table else table["label"] != table["prediction"]

    def read_thresholds(self, target: Meaning, found: Any) -> tuple[float | None, ...] | None:
        if found is None:
            return None
        # One for all labels may stand alone.
        values = list(found) if isinstance(found, list | tuple) else [found] * target.num_outputs
        given = [value for value in values if value is not None]
        wanted = target.num_outputs if self.allows_overlaps else 1
        are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in given)
        if len(values) != target.num_outputs or len(given) != wanted or not are_numbers:
            raise ModelError(
                f"the card of the model has thresholds {found!r:.80}; expected a number for each of "
                f"{target.num_outputs} labels, or, of two classes, for the one that it gives"
            )
        return tuple(values)

    def headline_scorer(self, targets: ArrayLike, predictions: ArrayLike, decided: ArrayLike | None = None) -> Scorer:
        rows = as_rows(predictions)
        return self.frame_scorer(targets, rows, np.arange(len(rows)), len(rows), decided)

    def calibration_error(self, targets: FloatArray, predictions: FloatArray, num_bins: int) -> float:
        return binned_error(*self.calibration_points(targets, predictions), num_bins)

    def guess(self, targets: FloatArray) -> FloatArray:
        return np.random.default_rng(0).uniform(0.1, 0.9, targets.shape)

    def label_sets(self, target: Meaning, raw_labels: Any, ids: Any) -> LabelSets:
        """Return the classes of each label."""
        raise NotImplementedError

    def check_classes(self, classes: Sequence[str], what: str) -> None:
        """Raise ManifestError where classes leave nothing to learn; `what` has them."""
        if not classes:
            raise ManifestError(f"none of the {what} has a label: there is nothing to learn")

    def name_decided(self, target: Meaning, decided: Array) -> list[str]:
        """Return the text of each decision."""
        raise NotImplementedError

    def names_joined(self, text: str, names: Sequence[str], separator: str) -> Sequence[str]:
        """Return the names in the text of a decision."""
        return [text]

    def _read_rows(self, labels: Any, names: list[str], separator: str) -> FloatArray:
        """Return 0/1 rows of the classes that texts name."""
        import pandas as pd

        places = {name: place for place, name in enumerate(names)}
        codes, texts = pd.factorize(labels)
        rows = np.zeros((len(texts), len(names)))
        for row, text in enumerate(texts):
            for name in self.names_joined(str(text), names, separator):
                rows[row, places[name]] = 1
        return np.asarray(rows[codes])


def as_rows(values: ArrayLike) -> FloatArray:
    """Return predictions as `(n, C)` float64; those of a single column may come as `(n,)`."""
    array = np.asarray(values, np.float64)
    return as_columns(array, "predictions", 1 if array.ndim == 1 else array.shape[1])


def is_number(cell: Any) -> bool:
    """Return whether a cell holds a finite number."""
    try:
        return bool(np.isfinite(float(cell)))
    except (TypeError, ValueError):
        return False
