"""What a model learns: raw labels as arrays of numbers, and numbers as labels again."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ConfigError, ManifestError, list_some
from seqconv.tasks.frame_arrays import read_frame_labels
from seqconv.tasks.frame_labels import FrameLabels
from seqconv.tasks.raw_labels import (
    LabelSets,
    class_labels,
    indicator_rows,
    label_sets,
    missing_cells,
    number_columns,
    sorted_names,
)

FloatArray = npt.NDArray[np.float32]
TASKS = ("classification", "multilabel", "regression")
KINDS = ("sequence", "frame")


@dataclass(frozen=True)
class Target:
    """The meaning of a model's outputs. `fit_target` makes one from training labels; it travels in the saved model.

    `names` are the classes, or the columns of a regression; `mean` and `std` are those of the training values.
    `kind`: what has a label: "sequence", or "frame" where a model predicts frames.
    """

    task: str
    names: tuple[str, ...]
    separator: str = ";"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    kind: str = "sequence"

    @property
    def num_outputs(self) -> int:
        """Outputs of the model."""
        return len(self.names)

    def encode(self, raw_labels: Any, *, ids: Sequence[str] | None = None) -> FloatArray:
        """Labels as an array `(n, num_outputs)`: one-hot, 0/1 (NaN where a label is missing), or standardized values.

        Raises:
            ManifestError: missing labels, labels that training did not have, values that are not numbers.

        >>> fit_target("classification", ["10", "9"]).encode(["10"])
        array([[0., 1.]], dtype=float32)
        """
        if self.task == "regression":
            values, _ = number_columns(raw_labels, ids, names=self.names)
            return self.standardize(values).astype(np.float32)
        sets = self._label_sets(raw_labels, ids)
        encoded = indicator_rows(sets, self.names, ids)
        is_missing = missing_cells(raw_labels, names=self.names) if self.task == "multilabel" else None
        if is_missing is not None:
            encoded[is_missing] = np.nan
        return encoded

    def frame_labels(self, raw_labels: Any, *, ids: Sequence[str] | None = None) -> FrameLabels:
        """Labels of frames as positions in `names`, 0/1, or values in their own unit; `[i]` are those of sequence i.

        Raises:
            ManifestError: labels of another form, or that training did not have.

        >>> Target("classification", ("a", "b"), kind="frame").frame_labels([["b", ""]])[0].tolist()
        [1, -1]
        """
        columns = None if self.task == "classification" else self.names
        return read_frame_labels(self.task, raw_labels, ids=ids, names=columns).rename(self.names, ids)

    def encode_frames(self, raw_labels: Any, *, ids: Sequence[str] | None = None) -> FrameLabels:
        """`frame_labels` on the scale that the model learns."""
        labels = self.frame_labels(raw_labels, ids=ids)
        if self.task != "regression":
            return labels
        return replace(labels, arrays=[self.standardize(array) for array in labels.arrays])

    def decode(self, outputs: npt.ArrayLike, *, threshold: float = 0.5) -> list[Any]:
        """What outputs `(n, num_outputs)` say: a class each, a list of labels each, or values in their own unit.

        Args:
            outputs: Probabilities; for regression standardized values.
            threshold: Probability from which on a label is given (multilabel).

        >>> Target("classification", ("a", "b")).decode([[0.2, 0.8]])
        ['b']
        >>> Target("multilabel", ("a", "b")).decode([[0.6, 0.8]])
        [['a', 'b']]
        """
        values = np.asarray(outputs)
        if self.task == "regression":
            return list(self.unstandardize(values).tolist())
        if self.task == "classification":
            return list(np.array(self.names, dtype=object)[values.argmax(axis=1)].tolist())
        return [[self.names[index] for index in np.flatnonzero(row >= threshold)] for row in values]

    def standardize(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Values `(n, num_outputs)` of a regression, on the scale that the model learns."""
        return np.divide(np.asarray(values, np.float64) - self._as_row(self.mean), self._as_row(self.std))

    def unstandardize(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Outputs `(n, num_outputs)` of a regression model, in the unit of the labels."""
        return np.add(np.asarray(values, np.float64) * self._as_row(self.std), self._as_row(self.mean))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and text."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Target":
        """The Target that `to_dict` described."""
        mean, std = values.get("mean"), values.get("std")
        return cls(
            task=values["task"],
            names=tuple(values["names"]),
            separator=values.get("separator", ";"),
            mean=None if mean is None else tuple(mean),
            std=None if std is None else tuple(std),
            # Models saved before there were frames say nothing.
            kind=values.get("kind", "sequence"),
        )

    def _label_sets(self, raw_labels: Any, ids: Sequence[str] | None) -> LabelSets:
        if self.task == "classification":
            return [(label,) for label in class_labels(raw_labels, ids)]
        return label_sets(raw_labels, ids, separator=self.separator, names=self.names)[0]

    def _as_row(self, statistic: tuple[float, ...] | None) -> npt.NDArray[np.float64]:
        if statistic is None:
            raise ConfigError(f"the target of a {self.task} has no scale: only regression is standardized")
        return np.asarray(statistic, np.float64)


def fit_target(
    task: str,
    raw_labels: Any,
    *,
    labels: Sequence[object] | None = None,
    separator: str = ";",
    ids: Sequence[str] | None = None,
    kind: str = "sequence",
) -> Target:
    """What there is to learn in the labels of the training sequences.

    Args:
        task: classification, multilabel or regression.
        raw_labels: One per sequence. Classes: text or numbers. Multilabel: `"a;b"`, lists or sets of labels, or rows
            of 0/1 (their names are the columns of a DataFrame, or `labels`; None and NaN are missing labels).
            Regression: numbers, or rows of numbers.
        labels: Names of all classes in the order of the outputs; default: those that occur, sorted, numbers as numbers.
        separator: Between the labels of one text (multilabel).
        ids: Names of the sequences, for messages.
        kind: "frame": each sequence has an array of labels, as `read_frame_labels` takes them.

    Raises:
        ConfigError: no such task or kind.
        ManifestError: missing labels, a single class, values that are not numbers: all of them, by id.

    >>> fit_target("classification", [10, 9, 10]).names
    ('9', '10')
    >>> fit_target("regression", [1.0, 3.0]).mean
    (2.0,)
    """
    if task not in TASKS:
        raise ConfigError(f"target.task: '{task}' is not one of {', '.join(TASKS)}")
    if kind not in KINDS:
        raise ConfigError(f"the kind of a target is one of {', '.join(KINDS)}, not '{kind}'")
    names = None if labels is None else tuple(str(label) for label in labels)
    if kind == "frame":
        columns = None if task == "classification" else names
        return _fit_frames(read_frame_labels(task, raw_labels, ids=ids, names=columns), names, separator)
    if task == "regression":
        values, columns = number_columns(raw_labels, ids, names=names)
        return _fit_scale(values, Target(task, columns, separator))
    if task == "classification":
        classes = names or sorted_names(class_labels(raw_labels, ids))
        _check_several(classes, "sequences")
    else:
        sets, order = label_sets(raw_labels, ids, separator=separator, names=names)
        classes = order or sorted_names(label for row in sets for label in row)
        if not classes:
            raise ManifestError("no sequence has a label: there is nothing to learn")
    target = Target(task, classes, separator)
    if names is not None:
        target.encode(raw_labels, ids=ids)
    return target


def _fit_frames(labels: FrameLabels, names: tuple[str, ...] | None, separator: str) -> Target:
    """What there is to learn in the labels of frames."""
    if not labels.num_labeled:
        raise ManifestError("no frame of the training sequences has a label: there is nothing to learn")
    if labels.task == "regression":
        rows = [labels[index][labels.is_labeled(index)] for index in range(len(labels))]
        return _fit_scale(np.concatenate(rows), Target(labels.task, labels.names, separator, kind="frame"))
    present = tuple(name for name, is_there in zip(labels.names, labels.present(), strict=True) if is_there)
    classes = names or (labels.names if labels.are_columns and present else present)
    if labels.task == "classification":
        _check_several(classes, "labeled frames")
    elif not classes:
        raise ManifestError("no frame has any of the labels: there is nothing to learn")
    labels.rename(classes)
    return Target(labels.task, classes, separator, kind="frame")


def _fit_scale(values: npt.NDArray[np.float64], target: Target) -> Target:
    """The target of a regression, with mean and deviation of its training values `(n, columns)`."""
    std = values.std(axis=0)
    # A constant column has nothing to learn, but must not divide by zero.
    std = np.where(std > 1e-12 * np.abs(values).max(axis=0), std, 1.0)
    return replace(target, mean=tuple(values.mean(axis=0).tolist()), std=tuple(std.tolist()))


def _check_several(classes: Sequence[str], what: str) -> None:
    if len(classes) < 2:
        raise ManifestError(f"all {what} have the label {list_some(classes)}: there is nothing to tell apart")
