"""Normalization whose statistics are those of real frames."""

from typing import Any

import keras
import numpy as np
from keras import ops

from seqconv.layers.masking import ShapeKeeping, Tensor, frame_mask, zero_padding


@keras.saving.register_keras_serializable(package="seqconv")
class MaskedBatchNormalization(ShapeKeeping, keras.layers.BatchNormalization):  # type: ignore[misc]
    """`keras.layers.BatchNormalization` over the real frames of a batch (Ioffe and Szegedy 2015).

    Mean and variance are taken in float32, in two passes, of differences from a real frame: `E[x^2] - m^2` would lose a
    small deviation beside a large mean, and can turn negative.

    Args: as in `keras.layers.BatchNormalization`; the last axis is normalized.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        training: whether to use, and learn from, the statistics of this batch.

    Returns:
        Features of the input's shape; those in padding are finite and meaningless.
    """

    packable = True
    chunkable = True

    def __init__(self, **options: Any) -> None:
        # Statistics stay in float32 under mixed precision.
        super().__init__(autocast=False, **options)
        if self.axis != -1:
            raise ValueError(f"MaskedBatchNormalization normalizes the last axis, but axis is {self.axis}.")
        self.supports_masking = False

    def call(self, inputs: Tensor, segments: Tensor | None = None, training: bool | None = None) -> Tensor:
        features = ops.cast(inputs, self.variable_dtype)
        if training and self.trainable:
            shift = ops.stop_gradient(_first_frame(features, segments))
            features = zero_padding(features - shift, segments)
            mean, variance = _moments(features, segments)
            self._track(self.moving_mean, mean + shift)
            self._track(self.moving_variance, variance)
        else:
            features = zero_padding(features, segments)
            mean, variance = self.moving_mean, self.moving_variance
        # Deviations first: next to a large mean, x * scale - mean * scale would cancel.
        scale = ops.rsqrt(variance + self.epsilon)
        outputs = (features - mean) * (scale * self.gamma if self.scale else scale)
        return ops.cast(outputs + self.beta if self.center else outputs, self.compute_dtype)

    def _track(self, moving: Any, value: Tensor) -> None:
        moving.assign(moving * self.momentum + value * (1 - self.momentum))


def _first_frame(features: Tensor, segments: Tensor | None) -> Tensor:
    """The first real frame, or zeros where there is none. Moments of the differences from it lose no digits."""
    rows = ops.reshape(features, (-1, features.shape[-1]))
    if segments is None:
        return rows[0]
    is_real = ops.reshape(frame_mask(segments), (-1,))
    return ops.where(ops.any(is_real), ops.take(rows, ops.argmax(is_real), axis=0), 0)


def _moments(features: Tensor, segments: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and variance over real frames; padding must be zero by now, so that it is never 0 * NaN."""
    rows = ops.reshape(features, (-1, features.shape[-1]))
    is_real = ops.ones_like(rows[:, 0]) if segments is None else ops.reshape(frame_mask(segments), (-1,))
    is_real = ops.cast(is_real, rows.dtype)[None, :]
    # A product with the weights of the frames skips padding for free.
    weights = is_real / ops.maximum(ops.sum(is_real), 1)
    mean = ops.matmul(weights, rows)[0]
    return mean, ops.matmul(weights, ops.square(rows - mean))[0]


@keras.saving.register_keras_serializable(package="seqconv")
class FeatureNormalization(ShapeKeeping, keras.layers.Layer):  # type: ignore[misc]
    """Standardize each feature with the mean and variance of the training frames, which travel in the model.

    Until `adapt` is called, features pass unchanged.

    Call arguments:
        inputs: `(batch, time, num_features)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
    """

    packable = True
    chunkable = True

    def __init__(self, **options: Any) -> None:
        super().__init__(autocast=False, **options)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # Float32 even where this layer is called by itself, and Keras would cast what it holds.
        options = {"shape": (input_shape[-1],), "trainable": False, "autocast": False}
        self.mean = self.add_weight(name="mean", initializer="zeros", **options)
        self.variance = self.add_weight(name="variance", initializer="ones", **options)
        self.built = True

    def adapt(self, mean: np.ndarray, variance: np.ndarray) -> None:
        """Set the statistics, each of shape `(num_features,)`. A constant feature keeps deviation 1."""
        self.mean.assign(mean)
        self.variance.assign(np.where(np.asarray(variance) > 0, variance, 1.0))

    def call(self, inputs: Tensor, segments: Tensor | None = None) -> Tensor:
        features = ops.cast(zero_padding(inputs, segments), self.variable_dtype)
        return ops.cast((features - self.mean) / ops.sqrt(self.variance), self.compute_dtype)
