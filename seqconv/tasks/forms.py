"""Forms in which tasks and the rest of the package pass on what they know."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from seqconv.metrics.checks import IntArray

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
Scorer = Callable[[IntArray], dict[str, float]]
Columns = dict[str, Any]

CLASSES_ONLY = {
    "training.label_smoothing": "spreads the probability of classes",
    "training.sampling": "draws classes",
    "training.loss": "is about probabilities of classes",
    "evaluation.thresholds": "are about probabilities of classes",
    "evaluation.calibration": "is about probabilities of classes",
}
ONE_OF_TWO = (
    "{value} is the class that a threshold gives, for which target.task has to be 'classification', of two classes, "
    "and evaluation.thresholds set. Remove it."
)
NO_BACKGROUND = "background is the class of windows or frames without event, but task is '{task}'. Remove it"
NO_CLASSES: Mapping[str, str] = {
    **{key: f"{{value}} {why}, but target.task is '{{task}}'. Remove it." for key, why in CLASSES_ONLY.items()},
    "training.class_weight": "{value} weighs classes, but target.task is '{task}'. Remove it; a column 'weight' of "
    "the manifest weighs single sequences.",
    "evaluation.positive": ONE_OF_TWO,
    "evaluation.aggregate=lse": "'lse' is a soft maximum of probabilities, but target.task is '{task}'. Set it to "
    "'mean' or 'max'.",
    "data.events": "events have labels, and target.task is '{task}', which has no classes. Remove one.",
    "target.background": NO_BACKGROUND,
}
"""Config keys that do not fit a task without classes: see `Task.misfits`."""
NO_MIXING = {"augment.mixup": "labels of the task '{task}' cannot be mixed. Remove it."}


class Meaning(Protocol):
    """A `Target`, as tasks see it."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def separator(self) -> str: ...
    @property
    def std(self) -> tuple[float, ...] | None: ...
    @property
    def num_outputs(self) -> int: ...
    def standardize(self, values: npt.ArrayLike) -> FloatArray: ...
    def unstandardize(self, values: npt.ArrayLike) -> FloatArray: ...


class Fitted(NamedTuple):
    """Facts that a task learns from the training labels, and a `Target` holds."""

    names: tuple[str, ...]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


class CellRule(NamedTuple):
    """Content of the cells of a label column: in words, and as a function of the cell."""

    wanted: str
    is_good: Callable[[Any], bool]
    may_be_empty: bool = False


class Joiner(Protocol):
    """A collector of the frames of one sequence, which come in pieces and say something together."""

    def feed(self, logits: npt.ArrayLike) -> None:
        """Take the logits of the next frames, `(frames, num_outputs)`."""

    def decided(self) -> Array:
        """Return what the frames so far say, `(1,)`, as `Task.decide` returns it for all of them at once."""


class ReadAnswers(NamedTuple):
    """Rows of a table of predictions as arrays; `given`: 0/1 rows of the classes given, None without classes."""

    names: list[str]
    targets: FloatArray
    predictions: FloatArray
    given: FloatArray | None


class Joined(NamedTuple):
    """Windows joined to recordings: task and names of the scores, true and predicted rows."""

    task: str
    names: tuple[str, ...]
    targets: FloatArray
    predictions: FloatArray
