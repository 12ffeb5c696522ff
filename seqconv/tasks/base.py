"""The base of tasks: one object answers for everything that depends on what a label is."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from seqconv.errors import ConfigError, ModelError, list_some
from seqconv.metrics.checks import IntArray, Scores
from seqconv.metrics.records import add_metrics, metrics_of
from seqconv.metrics.thresholds import Cut, choose_threshold
from seqconv.parts import Registry
from seqconv.tasks.forms import (
    NO_CLASSES,
    NO_MIXING,
    Array,
    CellRule,
    Columns,
    Fitted,
    FloatArray,
    Joined,
    Meaning,
    ReadAnswers,
    Scorer,
)
from seqconv.tasks.joining import JoiningTask
from seqconv.tasks.linear import LinearTask


class Task(LinearTask, JoiningTask):
    """A kind of label: how it is read, learned, scored and written.

    Derive from it, implement `fit`, `encode`, `decode`, `make_loss`, `losses`, `compute_scores`, `prediction_columns`
    and `truth_columns`, and `register` the class. An encoded label may have any shape; see `label_shape`.

    Attributes:
        name: value of `target.task`.
        version: raise it when results change.
        scores: names of the scores that a run may monitor, the default first.
        headline: the score that reports show first.
        outputs: noun for what the model predicts.
        text_columns: columns of predictions that hold text.
        misfits: for each config key (or "key=value") that does not fit, the message, where `{value}` and `{task}` are
            filled in.
        label_dtype: type of an encoded label.
        may_be_partial: whether only some parts of a label may be missing.
        allows_overlaps: whether two events may cover one frame.
        separator: what is between the parts of a label that is text, unless `target.separator` says otherwise.
        axes: names of confidence and of its truth in figures.
    """

    registry: ClassVar[Registry[Any]] = Registry("task", "task")
    name: ClassVar[str]
    version: ClassVar[int] = 1
    scores: ClassVar[tuple[str, ...]] = ("loss",)
    headline: ClassVar[str] = "loss"
    outputs: ClassVar[str] = "outputs"
    text_columns: ClassVar[frozenset[str]] = frozenset({"label", "prediction"})
    label_dtype: ClassVar[str] = "float32"
    may_be_partial: ClassVar[bool] = False
    allows_overlaps: ClassVar[bool] = False
    axes: ClassVar[tuple[str, str]] = ("confidence", "right")
    misfits: ClassVar[Mapping[str, str]] = {**NO_CLASSES, **NO_MIXING}
    separator: ClassVar[str] = ";"

    # Labels

    def fit(self, raw_labels: Any, *, names: tuple[str, ...] | None, separator: str, ids: Any = None) -> Fitted:
        """Learn from the labels of training sequences.

        Raises:
            ManifestError: labels that are missing or of another form.
        """
        raise self._lacks("fit")

    def fit_frames(self, labels: Any, names: tuple[str, ...] | None) -> Fitted:
        """Learn from `FrameLabels` of training sequences."""
        raise ConfigError(
            f"target.task '{self.name}' learns labels of sequences, but the model predicts frames. Set model.pooling "
            "to 'mean'"
        )

    def read_frames(self, raw_labels: Any, *, ids: Any = None, names: Sequence[str] | None = None) -> Any:
        """Read labels of frames as `FrameLabels`."""
        return self.fit_frames(raw_labels, None)

    def frames_labeled(self, rows: Array) -> npt.NDArray[np.bool_]:
        """Return which frames have a label; `rows` are an array of `FrameLabels`."""
        return np.asarray(~np.isnan(rows).any(axis=1))

    def frame_rows(self, rows: Array, num_names: int) -> FloatArray:
        """Encode labels of frames, `(time, num_names)`, NaN where one is missing."""
        encoded = np.array(rows, np.float64)
        encoded[~self.frames_labeled(rows)] = np.nan
        return encoded

    def frames_present(self, rows: Array, num_names: int) -> npt.NDArray[np.bool_]:
        """Return which classes some frame has."""
        return np.asarray((rows == 1).any(axis=0))

    def rename_frames(self, rows: Array, positions: IntArray, num_names: int) -> Array:
        """Move each name to its position among others, -1 for none."""
        moved = np.zeros((len(rows), num_names), rows.dtype)
        moved[:, positions[positions >= 0]] = rows[:, positions >= 0]
        return moved

    def encode(self, target: Meaning, raw_labels: Any, ids: Any = None) -> Array:
        """Encode labels for the loss, `(n, *label_shape)`; NaN where one is missing."""
        raise self._lacks("encode")

    def truth(self, target: Meaning, raw_labels: Any, ids: Any = None) -> FloatArray:
        """Encode labels for the scores, in their own unit; NaN where one is missing."""
        return self.encode(target, raw_labels, ids).astype(np.float64)

    def decode(self, target: Meaning, outputs: ArrayLike, threshold: float) -> list[Any]:
        """Turn probabilities, or what the model learned to return, into labels."""
        raise self._lacks("decode")

    def is_labeled(self, encoded: Array) -> npt.NDArray[np.bool_]:
        """Return which rows have a label, or some part of one, `(n,)`."""
        return np.asarray(~np.isnan(encoded).reshape(len(encoded), -1).all(axis=1))

    def num_outputs(self, names: tuple[str, ...]) -> int:
        """Return the number of outputs of the model."""
        return len(names)

    def label_shape(self, target: Meaning) -> tuple[int | None, ...]:
        """Return the shape of one encoded label; None for a size that varies from batch to batch."""
        return (target.num_outputs,)

    def target_of_outputs(self, names: tuple[str, ...], columns: tuple[str, ...], column: str) -> Fitted:
        """Describe the outputs of a model that was trained elsewhere; without names where these are needed."""
        return Fitted(names or columns)

    # Cells of a manifest

    def cell_rule(self, *, is_single: bool) -> CellRule | None:
        """Return what the cells of the target column (of several where it is not single) must hold; None: anything."""
        return None

    def names_in(self, cell: str, separator: str) -> tuple[str, ...]:
        """Return the classes that a cell names."""
        return ()

    def row_names(self, cells: Sequence[Any], columns: Sequence[str] | None, separator: str) -> list[str]:
        """Return the classes of a row with one cell, or with a cell for each of several columns; None is empty."""
        return []

    def strata(self, row_names: Sequence[Sequence[str]], cells: Sequence[Any]) -> list[list[str]]:
        """Return what splits keep in proportion: classes of each row; `cells` are those of the first column."""
        return [list(names) for names in row_names]

    # Classes and events: tasks without them answer with None or nothing

    def class_rows(self, encoded: Array) -> Array | None:
        """Return which classes each label has, 0/1 rows `(n, C)`, NaN where unknown."""
        return None

    def class_numbers(self, rows: Array) -> IntArray | None:
        """Return the class of each 0/1 row `(n,)`; None where a row may have several, or none."""
        return None

    def class_names(self, names: Sequence[str], background: str | None = None) -> tuple[str, ...]:
        """Return the classes, but for the background, that events may be of."""
        return ()

    def window_label(self, covered: Mapping[str, float], background: str | None) -> Any:
        """Choose the label of a window from the seconds that each class covers; None where it has none."""
        return None

    def paint_frames(
        self, events: Sequence[Sequence[int]], frames: Sequence[slice], length: int, num_classes: int, background: int
    ) -> Array:
        """Label frames by events: numbers of the classes of each (none where unknown), and the frames it covers."""
        raise self._lacks("paint_frames")

    def without_events(self, background: str | None) -> str:
        """Say what frames of a recording without events have."""
        return "are without label"

    def hits(self, probabilities: FloatArray, decided: Any, threshold: float | None) -> npt.NDArray[np.bool_]:
        """Return which classes a window or frame is an event of, `(n, C)`."""
        return np.zeros(probabilities.shape, bool)

    # Training

    def make_loss(self, label_smoothing: float = 0.0, focusing: float = 0.0) -> Any:
        """Make the Keras loss on logits, with reduction "sum"; weights divide it by the run's constant.

        Args:
            label_smoothing: `training.label_smoothing`.
            focusing: gamma of a focal loss, 0 for none.
        """
        raise self._lacks("make_loss")

    def make_metrics(self, label_smoothing: float = 0.0, focusing: float = 0.0) -> list[Any]:
        """Make the Keras metrics that are reported while training; the first is `mean_loss`."""
        from seqconv.tasks.losses import WeightedMean

        return [WeightedMean(self.make_loss(label_smoothing, focusing).call, "mean_loss")]

    # Answers

    def predictions(self, target: Meaning, logits: ArrayLike) -> FloatArray:
        """Turn logits into probabilities, or values in their own unit, in float64.

        Raises:
            ModelError: the model has another number of outputs than the target.
        """
        values = np.asarray(logits, np.float64)
        if values.shape[-1] != target.num_outputs:
            raise ModelError(
                f"the model has {values.shape[-1]} outputs, but the target has {target.num_outputs}: "
                f"{list_some(target.names)}."
            )
        return values

    def read_thresholds(self, target: Meaning, found: Any) -> tuple[float | None, ...] | None:
        """Read the thresholds of a model's card; None where there are none."""
        return None

    def decide(self, predictions: FloatArray, thresholds: tuple[float | None, ...] | None) -> Array | None:
        """Decide for class numbers `(n,)`, or which labels are given `(n, C)`; None where nothing is decided."""
        return None

    def prediction_columns(self, target: Meaning, predictions: Any, decided: Any = None) -> Columns:
        """Name predictions as columns of a table."""
        raise self._lacks("prediction_columns")

    def truth_columns(self, target: Meaning, targets: FloatArray) -> Columns:
        """Name `truth` as columns of a table."""
        raise self._lacks("truth_columns")

    def read_answers(self, table: Any, scores: Mapping[str, Any], separator: str) -> ReadAnswers | None:
        """Read the columns of a table of predictions again, for the figures of a report; None: there are none."""
        return None

    def is_wrong(self, table: Any) -> Any:
        """Return which rows of a table of predictions are wrong; None where nothing is right or wrong."""
        return None

    # Scores

    @property
    def monitors(self) -> tuple[str, ...]:
        """Values that a run can monitor: scores of validation and registered metrics; the first is the default."""
        return tuple(f"val_{name}" for name in (*self.scores, *(metric.name for metric in metrics_of(self.name))))

    def score(
        self,
        targets: ArrayLike,
        predictions: ArrayLike,
        names: Sequence[str],
        decided: ArrayLike | None = None,
        num_bins: int = 15,
    ) -> Scores:
        """Compute all scores, and those of registered metrics.

        Args:
            targets: as `truth` returns them.
            predictions: as `predictions` returns them.
            names: class names, label names, column names.
            decided: as `decide` returns it; default: the most probable class, or labels of probability 0.5 or more.
            num_bins: bins of the calibration error of a classifier.

        Raises:
            ShapeError: the arrays do not fit each other.
        """
        scores = self.compute_scores(targets, predictions, names, decided, num_bins)
        return add_metrics(scores, self.name, np.asarray(targets), np.asarray(predictions), tuple(names))

    def compute_scores(
        self, targets: ArrayLike, predictions: ArrayLike, names: Sequence[str], decided: ArrayLike | None, num_bins: int
    ) -> Scores:
        """Compute the task's own scores, and `notes`: score -> why it is undefined; as `score`."""
        raise self._lacks("compute_scores")

    def losses(self, targets: ArrayLike, predictions: ArrayLike, scale: ArrayLike = 1) -> FloatArray:
        """Compute the loss of each row `(n,)`, unsmoothed and unweighted; `scale`: deviation of standardized values."""
        raise self._lacks("losses")

    def headline_scorer(self, targets: ArrayLike, predictions: ArrayLike, decided: ArrayLike | None = None) -> Scorer:
        """Make a fast function from indices to the few scores that get an interval and a row by length.

        NaN where those sequences leave a score undefined.
        """
        losses = self.losses(targets, predictions)
        return lambda indices: {"loss": float(losses[indices].mean())}

    def frame_scorer(
        self, targets: ArrayLike, predictions: ArrayLike, owners: IntArray, count: int, decided: ArrayLike | None = None
    ) -> Scorer:
        """Make the function of `headline_scorer` from indices of sequences, for rows that are frames of them."""
        raise self._lacks("frame_scorer")

    def guess(self, targets: FloatArray) -> FloatArray | None:
        """Make predictions for these targets, to see which scores are defined; None: all are."""
        return None

    def join_windows(
        self, target: Meaning, targets: FloatArray, predictions: FloatArray, background: str | None
    ) -> Joined:
        """Say what the joined windows of recordings are scored as."""
        return Joined(self.name, target.names, targets, predictions)

    # Decisions chosen on valid

    def check_thresholds(self, target: Meaning, positive: str | None) -> None:
        """Raise ConfigError where there can be no thresholds."""

    def threshold_names(self, target: Meaning, targets: FloatArray, positive: str | None) -> Sequence[str]:
        """Return the labels that have a threshold; `positive`: `evaluation.positive`."""
        return ()

    def choose_cut(self, targets: FloatArray, predictions: FloatArray, precision: float | None) -> Cut:
        """Choose the threshold of one label from its targets and predictions `(n,)`; see `choose_threshold`."""
        return choose_threshold(targets, predictions, precision=precision)

    def fit_temperature(self, targets: ArrayLike, logits: ArrayLike) -> float:
        """Choose the temperature of the probabilities."""
        raise ConfigError(f"a temperature calibrates probabilities, and a {self.name} has none")

    def calibration_error(self, targets: FloatArray, predictions: FloatArray, num_bins: int) -> float:
        """Compute the calibration error of probabilities."""
        raise ConfigError(f"a calibration error is of probabilities, and a {self.name} has none")

    def confidence(self, predictions: FloatArray) -> FloatArray | None:
        """Return how sure each row is, `(n,)`."""
        return None

    def calibration_points(self, targets: FloatArray, predictions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return probabilities and how right each is, 0 to 1, for a figure of the calibration."""
        raise self._lacks("calibration_points")

    def _lacks(self, method: str) -> ConfigError:
        return ConfigError(f"task '{self.name}' has no method '{method}'. Add it to {type(self).__name__}")


def find_task(name: str) -> Task:
    """Return the task of a name.

    Raises:
        ConfigError: there is none.
    """
    part: Any = Task.registry[name]
    found: Task = part() if isinstance(part, type) else part
    return found
