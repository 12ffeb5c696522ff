"""Losses on logits: those of Keras, and focal ones, and of labels of which some are missing."""

from typing import Any

import keras
from keras import ops

# In 32 bits, a smaller probability of the other classes is rounded to 0, and powers of it have no slope.
_SMALLEST = 1e-7


def focal_crossentropy(y_true: Any, y_pred: Any, gamma: float = 2.0, label_smoothing: float = 0.0) -> Any:
    """Compute the cross entropy of one class out of several, each term by `(1 - p) ** gamma`: easy frames count less.

    Keras's own limits probabilities to 1e-7 and more, and so has no gradient where a model is sure of the wrong class;
    this one is worked out from logits. With gamma 0 it is the cross entropy.
    Source: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 4 (without alpha: see
    `training.class_weight`).

    Args:
        y_true: one-hot rows (..., C).
        y_pred: logits (..., C).
        gamma: 0 or more.
        label_smoothing: probability spread over all classes.

    Returns:
        losses (...).

    >>> float(focal_crossentropy([[0.0, 1.0]], [[0.0, 0.0]])[0])  # 0.5 ** 2 * log(2)
    0.1732867956161499
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(y_true, y_pred.dtype)
    if label_smoothing:
        y_true = y_true * (1 - label_smoothing) + label_smoothing / y_true.shape[-1]
    logs = ops.log_softmax(y_pred, axis=-1)
    focus = ops.power(ops.maximum(1 - ops.exp(logs), _SMALLEST), gamma) if gamma else 1.0
    return -ops.sum(y_true * focus * logs, axis=-1)


def label_crossentropy(y_true: Any, y_pred: Any, gamma: float = 0.0, label_smoothing: float = 0.0) -> Any:
    """Compute the mean binary cross entropy of the known labels, focal if gamma is above 0; 0 if none is known.

    Args:
        y_true: 0/1 rows (..., C), less than 0 where a label is missing.
        y_pred: logits (..., C).
        gamma: of `focal_crossentropy`.
        label_smoothing: how far 0 and 1 are moved towards a half, twice.

    Returns:
        losses (...).

    >>> losses = label_crossentropy([[1.0, -1.0], [1.0, 0.0]], [[0.0, 9.0], [0.0, 0.0]])
    >>> [round(float(loss), 4) for loss in losses]
    [0.6931, 0.6931]
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(y_true, y_pred.dtype)
    is_known = ops.cast(y_true >= 0, y_pred.dtype)
    y_true = ops.maximum(y_true, 0)
    if label_smoothing:
        y_true = y_true * (1 - label_smoothing) + label_smoothing / 2
    if gamma:
        there, absent = ops.log_sigmoid(y_pred), ops.log_sigmoid(-y_pred)
        losses = -(y_true * ops.exp(gamma * absent) * there + (1 - y_true) * ops.exp(gamma * there) * absent)
    else:
        losses = ops.binary_crossentropy(y_true, y_pred, from_logits=True)
    return ops.sum(losses * is_known, axis=-1) / ops.maximum(ops.sum(is_known, axis=-1), 1)


@keras.saving.register_keras_serializable(package="seqconv")
class FocalCrossentropy(keras.losses.Loss):  # type: ignore[misc]
    """`focal_crossentropy` as a loss."""

    def __init__(self, gamma: float, label_smoothing: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.gamma, self.label_smoothing = gamma, label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return focal_crossentropy(y_true, y_pred, self.gamma, self.label_smoothing)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gamma": self.gamma, "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="seqconv")
class LabelCrossentropy(FocalCrossentropy):
    """`label_crossentropy` as a loss."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return label_crossentropy(y_true, y_pred, self.gamma, self.label_smoothing)


@keras.saving.register_keras_serializable(package="seqconv")
class WeightedMean(keras.metrics.MeanMetricWrapper):  # type: ignore[misc]
    """Mean of a function's values for each sequence, or frame, by weight.

    Keras's own divide the sums of each row by its width, so that in wide rows the same sequence counts less.
    """

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        values = self._fn(y_true, y_pred, **self._fn_kwargs)
        weights = None if sample_weight is None else ops.reshape(sample_weight, (-1,))
        keras.metrics.Mean.update_state(self, ops.reshape(values, (-1,)), weights)


def class_loss(label_smoothing: float = 0.0, focusing: float = 0.0) -> keras.losses.Loss:
    """Make the cross entropy of one class out of several; `focusing`: gamma of a focal loss, 0 for none."""
    if focusing:
        return FocalCrossentropy(focusing, label_smoothing=label_smoothing, reduction="sum")
    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing, reduction="sum")


def squared_loss() -> keras.losses.Loss:
    """Make the mean squared error over columns."""
    return keras.losses.MeanSquaredError(reduction="sum")


def class_accuracy() -> WeightedMean:
    """Make the metric of how often the most probable class is right."""
    return WeightedMean(keras.metrics.categorical_accuracy, "accuracy")
