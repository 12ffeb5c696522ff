"""Gradients of a layer in a layout, by its weights and by its inputs."""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from seqconv.batching import Batch
from seqconv.layers.masking import Tensor, zero_padding
from seqconv.testing.subject import Array, Subject, as_array


class Step(NamedTuple):
    """One step of training: its loss, gradients by the features of the batch and by each weight, moved statistics."""

    loss: float
    features: Array
    weights: list[Array]
    statistics: list[Array]


def train_step(subject: Subject, batch: Batch) -> Step:
    """Return what a step of training finds for the sum of the sines of all outputs; the layer stays as it was.

    Sines, so that every output has a gradient of its own.
    """
    before = subject.layer.get_weights()
    probe = _Probe(subject, batch)
    probe.compile(optimizer=_Exposure(), loss=lambda _, total: ops.sum(total), run_eagerly=True)
    try:
        loss = float(probe.train_on_batch(np.zeros(1, subject.dtype), np.zeros(1, subject.dtype)))
        weights = [as_array(weight.value) for weight in subject.layer.trainable_weights]
        statistics = [as_array(weight.value) for weight in subject.layer.non_trainable_weights]
        return Step(loss, as_array(probe.features.value), weights, statistics)
    finally:
        subject.layer.set_weights(before)


class _Probe(keras.Model):  # type: ignore[misc]
    """A layer whose inputs are weights, so that a step of training gives the gradient of each of them."""

    def __init__(self, subject: Subject, batch: Batch) -> None:
        super().__init__(dtype=subject.dtype)
        self.subject, self.layer, self.batch = subject, subject.layer, batch
        self.features = self.add_weight(shape=batch.features.shape, initializer="zeros", name="features")
        self.features.assign(batch.features)
        self.built = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        segments = ops.convert_to_tensor(self.batch.segments)
        num_slots = self.batch.layout.num_slots
        features = self.features + 0.0
        outputs = self.subject.call(features, segments, num_slots, training=training)
        if self.subject.contract.time_layer is not None:
            outputs, segments = outputs
        if not self.subject.pools:
            outputs = zero_padding(outputs, segments)
        # A layer that counts has no gradient, which is none to Keras instead of 0.
        nothing = 0 * (inputs + ops.sum(ops.where(ops.isfinite(features), features, 0)))
        return ops.sum(ops.sin(ops.cast(outputs, self.subject.dtype))) + nothing


class _Exposure(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Puts the gradient of each weight in its place."""

    def __init__(self) -> None:
        super().__init__(learning_rate=1.0)

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Any) -> None:
        self.assign(variable, ops.cast(gradient, variable.dtype))
