"""Normalization with statistics of real frames only."""

from math import prod
from typing import Any

import keras
import numpy as np
from keras import ops

from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, real_frames, zero_padding


class MaskedBatchNormalization(MaskedLayer, keras.layers.BatchNormalization):  # type: ignore[misc]
    """`keras.layers.BatchNormalization` over the real frames of a batch (Ioffe and Szegedy 2015).

    Mean and variance are taken in float32, in two passes, of differences from a real frame: `E[x^2] - m^2` would lose a
    small deviation next to a large mean, and can become negative.

    Args: as in `keras.layers.BatchNormalization`; the last axis is normalized.

    Call arguments:
        inputs: `(batch, time, channels)`, or `(batch, time, bands, channels)`, where statistics are over bands as well.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        training: whether to use, and learn from, the statistics of this batch.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        Features of the input's shape; 0 in padding.
    """

    takes_known = True
    padding_after = Padding.ZERO

    def __init__(self, **options: Any) -> None:
        # Statistics stay in float32 under mixed precision.
        super().__init__(autocast=False, **options)
        if self.axis != -1:
            raise ValueError(f"MaskedBatchNormalization normalizes the last axis, but axis is {self.axis}.")
        self.supports_masking = False

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if None in input_shape[2:]:
            raise ValueError(
                f"layer '{self.name}': inputs {tuple(input_shape)} have an unknown number of bands or channels. Only "
                "time may be of any length: keras.Input((None, bands, channels))."
            )
        super().build(input_shape)

    def call(
        self, inputs: Tensor, segments: Tensor | None = None, training: bool | None = None, known: Padding = Padding.ANY
    ) -> Tensor:
        if training and self.trainable:
            outputs, mean, variance = self.normalize_by_batch(inputs, segments, known)
            self._track(self.moving_mean, mean)
            self._track(self.moving_variance, variance)
            return outputs
        gamma, beta = self._scale_and_offset()
        scale = ops.rsqrt(self.moving_variance + self.epsilon)
        # Deviations first: next to a large mean, x * scale - mean * scale would cancel.
        features = ops.cast(inputs, self.variable_dtype)
        outputs = (features - self.moving_mean) * (scale * gamma) + beta
        outputs = zero_padding(outputs, segments, known=min(known, Padding.FINITE))
        return ops.cast(outputs, self.compute_dtype)

    def normalize_by_batch(
        self, inputs: Tensor, segments: Tensor | None = None, known: Padding = Padding.ANY
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what `call` returns in training, and the mean and variance of this batch, each `(channels,)`."""
        features = ops.cast(inputs, self.variable_dtype)
        if known == Padding.ANY:
            features = zero_padding(features, segments)
        outputs, mean, variance = normalize_batch(features, segments, *self._scale_and_offset(), self.epsilon)
        return ops.cast(outputs, self.compute_dtype), mean, variance

    def _scale_and_offset(self) -> tuple[Tensor, Tensor]:
        gamma = self.gamma if self.scale else ops.ones_like(self.moving_mean)
        return gamma, self.beta if self.center else ops.zeros_like(self.moving_mean)

    def _track(self, moving: Any, value: Tensor) -> None:
        moving.assign(moving * self.momentum + value * (1 - self.momentum))


def normalize_batch(
    features: Tensor, segments: Tensor | None, gamma: Tensor, beta: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize features `(batch, time[, bands], channels)` by their real frames, 0 in padding.

    Also return mean and variance, each `(channels,)`.

    Values in padding must be finite. The gradient is written out: it takes half of the passes over the features
    that differentiating each operation would.
    """
    is_real = real_frames(features, segments)
    # A product with the weights of the frames skips padding for free.
    members = ops.reshape(is_real, (1, -1))
    count = ops.maximum(ops.sum(members), 1) * prod(features.shape[2:-1])
    # Moments of the differences from a real frame lose no digits to a large mean.
    first = ops.take(_frames_of(features), ops.argmax(members), axis=0)
    shift = ops.reshape(first, (-1, features.shape[-1]))[0]
    shifted = ops.stop_gradient(features - shift)
    mean = _total(members / count, shifted)
    variance = _total(members / count, ops.square(shifted - mean))
    mean, variance = ops.stop_gradient(mean), ops.stop_gradient(variance)
    scale = ops.rsqrt(variance + epsilon)

    def clear(values: Tensor) -> Tensor:
        return values if segments is None else values * is_real

    def normalize(features: Tensor, gamma: Tensor, beta: Tensor) -> Any:
        factor = scale * gamma

        def gradient(*arguments: Any, upstream: Any = None) -> tuple[Tensor, Tensor, Tensor]:
            upstream = arguments[0] if upstream is None else upstream
            to_beta = _total(members, upstream)
            to_gamma = (_total(members, upstream * shifted) - mean * to_beta) * scale
            slope = -factor * scale * to_gamma / count
            offset = -factor * to_beta / count - slope * mean
            return clear(upstream * factor + shifted * slope + offset), to_gamma, to_beta

        return clear(shifted * factor + (beta - mean * factor)), gradient

    # TensorFlow wants values here, not variables.
    outputs = ops.custom_gradient(normalize)(features, ops.add(gamma, 0), ops.add(beta, 0))
    return outputs, mean + shift, variance


def _total(weights: Tensor, values: Tensor) -> Tensor:
    """Return the weighted sum over frames, weights `(1, frames)`, and over their bands, for each channel."""
    return ops.sum(ops.reshape(ops.matmul(weights, _frames_of(values)), (-1, values.shape[-1])), axis=0)


def _frames_of(values: Tensor) -> Tensor:
    """Return the frames of all rows one after the other, `(batch * time, bands * channels)`."""
    return ops.reshape(values, (-1, prod(values.shape[2:])))


class FeatureNormalization(MaskedLayer):
    """Standardization of each feature by the mean and variance of the training frames, which are saved in the model.

    Until `adapt` is called, features pass unchanged.

    Call arguments:
        inputs: `(batch, time, num_features)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
    """

    padding_after = Padding.ZERO

    def __init__(self, **options: Any) -> None:
        super().__init__(autocast=False, **options)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        # Float32 even where this layer is called by itself, and Keras would cast what it holds.
        options = {"shape": (input_shape[-1],), "trainable": False, "autocast": False}
        self.mean = self.add_weight(name="mean", initializer="zeros", **options)
        self.variance = self.add_weight(name="variance", initializer="ones", **options)

    def adapt(self, mean: np.ndarray, variance: np.ndarray) -> None:
        """Set the statistics, each of shape `(num_features,)`. A constant feature keeps deviation 1."""
        self.mean.assign(mean)
        self.variance.assign(np.where(np.asarray(variance) > 0, variance, 1.0))

    def call(self, inputs: Tensor, segments: Tensor | None = None) -> Tensor:
        features = (ops.cast(inputs, self.variable_dtype) - self.mean) / ops.sqrt(self.variance)
        return ops.cast(zero_padding(features, segments), self.compute_dtype)
