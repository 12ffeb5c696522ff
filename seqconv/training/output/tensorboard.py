"""TensorBoard pictures, in addition to the scalars of Keras: padding, filters and the confusion matrix by epoch."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from seqconv.training.output.callbacks import Logs
from seqconv.training.run.setup import RunSetup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_CLASSES = 40


class BoardPictures(keras.callbacks.Callback):  # type: ignore[misc]
    """A writer of pictures; Keras's own callback writes scores, learning rate, speed and data wait as scalars.

    Args:
        folder: the log folder of the run.
        experiment: the run.
        scores: of the last validation; the training loop fills it before the epoch ends.
    """

    def __init__(self, folder: Path, experiment: RunSetup, scores: dict[str, Any]) -> None:
        super().__init__()
        self._folder, self._experiment, self._scores = folder, experiment, scores
        self._writers: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        import tensorflow as tf

        from seqconv.inspection.kernels import convolutions_of
        from seqconv.inspection.pictures import draw_filters

        experiment = self._experiment
        with self._writer("train").as_default(epoch):
            tf.summary.scalar("epoch_padding_ratio", experiment.plan.padding_ratio_of(epoch))
            first = next(iter(convolutions_of(self.model).values()), None)
            if first is not None:
                tf.summary.image("filters of the first convolution", _pixels(draw_filters(first)))
        names, matrix = experiment.data.target.names, self._scores.get("confusion_matrix")
        if matrix is not None and len(names) <= MOST_CLASSES:
            with self._writer("validation").as_default(epoch):
                tf.summary.image("confusion matrix", _pixels(_draw_confusion(np.asarray(matrix), names)))
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, part: str) -> Any:
        import tensorflow as tf

        if part not in self._writers:
            self._writers[part] = tf.summary.create_file_writer(str(self._folder / part))
        return self._writers[part]


def _draw_confusion(matrix: np.ndarray, names: "tuple[str, ...]") -> "Figure":
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay

    side = min(2.5 + 0.35 * len(names), 12.0)
    figure = Figure(figsize=(side, side), layout="constrained")
    display = ConfusionMatrixDisplay(matrix, display_labels=names)
    display.plot(ax=figure.subplots(), cmap="Blues", colorbar=False, xticks_rotation="vertical")
    return figure


def _pixels(figure: "Figure") -> np.ndarray:
    """Return the picture as one image of a batch, `(1, height, width, 4)`."""
    from matplotlib.image import imread

    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    file.seek(0)
    return np.asarray(imread(file, format="png"))[None]
