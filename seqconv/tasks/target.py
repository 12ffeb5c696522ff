"""The target of a model, raw labels as arrays of numbers; and its decision rule, logits as labels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ConfigError, ManifestError, ModelError
from seqconv.tasks.base import Task, find_task
from seqconv.tasks.frame_arrays import read_frame_labels
from seqconv.tasks.frame_labels import FrameLabels

FloatArray = npt.NDArray[np.float32]
Array = npt.NDArray[Any]
KINDS = ("sequence", "frame")


@dataclass(frozen=True)
class Target:
    """The meaning of a model's outputs. `fit_target` makes one from training labels; it is saved in the model.

    `names` are the classes, or the columns of a regression, or tokens, the blank being the one whose name is empty;
    `mean` and `std` are those of the training values.
    `kind`: what has a label: "sequence", or "frame" where a model predicts frames.
    """

    task: str
    names: tuple[str, ...]
    separator: str = ";"
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    kind: str = "sequence"

    @property
    def definition(self) -> Task:
        """The task as an object: how labels are encoded, learned, scored and written."""
        return find_task(self.task)

    @property
    def num_outputs(self) -> int:
        """Outputs of the model."""
        return self.definition.num_outputs(self.names)

    def encode(self, raw_labels: Any, *, ids: Sequence[str] | None = None) -> FloatArray:
        """Encode labels as an array `(n, num_outputs)`: one-hot, 0/1 (NaN if missing), or standardized values.

        Tokens become what `seqconv.tasks.ctc.ctc_losses` reads.

        Raises:
            ManifestError: missing labels, labels that training did not have, values that are not numbers.

        >>> fit_target("classification", ["10", "9"]).encode(["10"])
        array([[0., 1.]], dtype=float32)
        """
        return self.definition.encode(self, raw_labels, ids)

    def frame_labels(self, raw_labels: Any, *, ids: Sequence[str] | None = None) -> FrameLabels:
        """Return labels of frames as positions in `names`, 0/1, or values in their own unit; `[i]` is sequence i.

        Raises:
            ManifestError: labels of another form, or that training did not have.

        >>> Target("classification", ("a", "b"), kind="frame").frame_labels([["b", ""]])[0].tolist()
        [1, -1]
        """
        return read_frame_labels(self.task, raw_labels, ids=ids, names=self.names).rename(self.names, ids)

    def encode_frames(self, raw_labels: Any, *, ids: Sequence[str] | None = None) -> FrameLabels:
        """Return `frame_labels` on the scale that the model learns."""
        labels = self.frame_labels(raw_labels, ids=ids)
        if self.std is None:
            return labels
        return replace(labels, arrays=[self.standardize(array) for array in labels.arrays])

    def decode(self, outputs: npt.ArrayLike, *, threshold: float = 0.5) -> list[Any]:
        """Decode outputs `(n, num_outputs)`: a class each, a list of labels each, or values in their own unit.

        Args:
            outputs: Probabilities; for regression standardized values.
            threshold: Probability from which on a label is given (multilabel).

        >>> Target("classification", ("a", "b")).decode([[0.2, 0.8]])
        ['b']
        >>> Target("multilabel", ("a", "b")).decode([[0.6, 0.8]])
        [['a', 'b']]
        """
        return self.definition.decode(self, outputs, threshold)

    def standardize(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Convert values `(n, num_outputs)` of a regression to the scale that the model learns."""
        return np.divide(np.asarray(values, np.float64) - self._as_row(self.mean), self._as_row(self.std))

    def unstandardize(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Convert outputs `(n, num_outputs)` of a regression model to the unit of the labels."""
        return np.add(np.asarray(values, np.float64) * self._as_row(self.std), self._as_row(self.mean))

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and text."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Target":
        """Read the Target that `to_dict` described."""
        # Models saved before there were frames have no `kind`.
        arguments: dict[str, Any] = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        for name in ("names", "mean", "std"):
            if name == "names" or arguments.get(name) is not None:
                arguments[name] = tuple(arguments[name])
        return cls(**arguments)

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
    """Make the target from the labels of the training sequences.

    Args:
        task: classification, multilabel, regression or tokens.
        raw_labels: One per sequence. Tokens: text, or lists. Classes: text or numbers. Multilabel: `"a;b"`, lists or
            sets of labels, or rows of 0/1 (their names are the columns of a DataFrame, or `labels`; None and NaN are
            missing labels). Regression: numbers, or rows of numbers.
        labels: Names of all classes in the order of the outputs; default: those that occur, sorted, numbers as numbers.
        separator: Between the labels of one text (multilabel), or the tokens; empty: each character is one.
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
    if task not in Task.registry:
        raise ConfigError(f"target.task: '{task}' is not one of {', '.join(Task.registry)}")
    if kind not in KINDS:
        raise ConfigError(f"the kind of a target is one of {', '.join(KINDS)}, not '{kind}'")
    names = None if labels is None else tuple(str(label) for label in labels)
    definition = find_task(task)
    if kind == "frame":
        frames = read_frame_labels(task, raw_labels, ids=ids, names=names)
        if not frames.num_labeled:
            raise ManifestError("no frame of the training sequences has a label: there is nothing to learn")
        fitted = definition.fit_frames(frames, names)
    else:
        fitted = definition.fit(raw_labels, names=names, separator=separator, ids=ids)
    target = Target(task, fitted.names, separator, fitted.mean, fitted.std, kind)
    if names is not None and kind == "sequence":
        # Report labels outside these names here.
        target.encode(raw_labels, ids=ids)
    return target


@dataclass(frozen=True)
class DecisionRule:
    """The decision rule of a model, as its card has it.

    `thresholds`: one for each label (multilabel); for two classes, one for the class that it gives and None for the
    other; None where nothing was chosen: 0.5, or the most probable class. `temperature`: logits are divided by it.
    `are_probabilities`: the model, of stock Keras, returns probabilities, which are taken as they are.

    >>> decisions = DecisionRule(Target("classification", ("fault", "fine")), thresholds=(0.2, None))
    >>> decisions.columns(decisions.probabilities(np.log([[0.3, 0.7], [0.1, 0.9]])))["prediction"]
    ['fault', 'fine']
    """

    target: Target
    thresholds: tuple[float | None, ...] | None = None
    temperature: float = 1.0
    are_probabilities: bool = False

    @classmethod
    def read(cls, target: Target, thresholds: Any, temperature: Any) -> "DecisionRule":
        """Read what the card of a model says.

        Raises:
            ModelError: thresholds or a temperature that cannot be.
        """
        written = list(thresholds) if isinstance(thresholds, tuple) else thresholds
        return cls(target, target.definition.read_thresholds(target, written), _read_temperature(temperature))

    def probabilities(self, logits: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Compute probabilities, or the values of a regression, `(n, C)`.

        Raises:
            ModelError: the model has another number of outputs than the target.
        """
        if self.are_probabilities:
            return _keep_probabilities(self.target, np.asarray(logits, np.float64))
        scaled = logits if self.temperature == 1 else np.asarray(logits, np.float64) / self.temperature
        return self.target.definition.predictions(self.target, scaled)

    def decide(self, probabilities: npt.NDArray[np.float64]) -> npt.NDArray[Any] | None:
        """Return class numbers `(n,)`, or which labels are given, bool `(n, C)`; None for a regression."""
        return self.target.definition.decide(probabilities, self.thresholds)

    def hits(self, probabilities: npt.NDArray[np.float64], threshold: float | None = None) -> npt.NDArray[np.bool_]:
        """Return the classes that are given, `(n, C)`, with at least the probability `threshold`, if there is one."""
        return self.target.definition.hits(probabilities, self.decide(probabilities), threshold)

    def columns(self, probabilities: npt.NDArray[np.float64]) -> dict[str, Any]:
        """Return columns of a table: `prediction`, and `p_<name>` for each class."""
        return self.target.definition.prediction_columns(self.target, probabilities, self.decide(probabilities))

    def by_name(self) -> dict[str, float]:
        """Return the thresholds that there are, by label."""
        pairs = zip(self.target.names, self.thresholds or (), strict=False)
        return {name: threshold for name, threshold in pairs if threshold is not None}


def _keep_probabilities(target: Target, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return probabilities as they are; of two classes, one may stand for both."""
    if values.shape[1] == 1:
        known = np.clip(values, np.finfo(np.float64).tiny, 1 - np.finfo(np.float64).epsneg)
        return target.definition.predictions(target, np.log(known) - np.log1p(-known))
    return Task.predictions(target.definition, target, values)


def _read_temperature(found: Any) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < np.inf:
        raise ModelError(f"the card of the model has the temperature {found!r:.40}; expected a number above 0")
    return float(found)
