"""Gradients of every layer: finite with NaN in the padding and with single frames, and alike in every layout."""

import keras
import numpy as np
import pytest
from keras import ops
from support.recorder import Recorder
from support.rows import LENGTHS, assert_close, every_layer, is_head, packed, padded, sequences, to_numpy

from seqconv import layers
from seqconv.geometry import TimeLayer
from seqconv.layers.masking import zero_padding

DOUBLE = {"dtype": "float64"}

pytestmark = pytest.mark.usefixtures("float64_inputs")
EVERY = [
    layers.FeatureNormalization(**DOUBLE),
    layers.LayerScale(0.5, **DOUBLE),
    layers.MaskedAttentiveStatisticsPooling1D(3, **DOUBLE),
    layers.MaskedAttentiveStatisticsPooling1D(3, per_channel=True, context=True, **DOUBLE),
    layers.MaskedAveragePooling1D(3, strides=2, **DOUBLE),
    layers.MaskedBatchNormalization(**DOUBLE),
    layers.MaskedConv1D(6, 3, strides=2, **DOUBLE),
    layers.MaskedConv1D(6, 3, dilation_rate=2, padding="causal", groups=2, **DOUBLE),
    layers.MaskedConv1D(6, 1, padding="valid", **DOUBLE),
    layers.MaskedDepthwiseConv1D(5, depth_multiplier=2, **DOUBLE),
    layers.MaskedGRU(3, **DOUBLE),
    layers.MaskedGeneralizedMeanPooling1D(3.0, **DOUBLE),
    layers.MaskedGlobalAveragePooling1D(**DOUBLE),
    layers.MaskedGlobalMaxPooling1D(**DOUBLE),
    layers.MaskedGroupNormalization(2, **DOUBLE),
    layers.MaskedGroupNormalization(-1, **DOUBLE),
    layers.MaskedLSTM(3, bidirectional=True, **DOUBLE),
    layers.MaskedLastFrame1D(**DOUBLE),
    layers.MaskedLayerNormalization(**DOUBLE),
    layers.MaskedLengthChannel(20.0, **DOUBLE),
    layers.MaskedLogSumExpPooling1D(5.0, **DOUBLE),
    layers.MaskedMaxPooling1D(3, strides=2, **DOUBLE),
    layers.MaskedSelfAttention(2, **DOUBLE),
    layers.MaskedSeparableConv1D(3, 3, **DOUBLE),
    layers.MaskedSpatialDropout1D(0.0, **DOUBLE),
    layers.MaskedSqueezeExcite(2, **DOUBLE),
    layers.MaskedStatisticsPooling1D(**DOUBLE),
    layers.StochasticDepth(0.0, **DOUBLE),
]
NOISY = [
    layers.MaskedSpatialDropout1D(0.5, seed=1, **DOUBLE),
    layers.StochasticDepth(0.5, seed=1, **DOUBLE),
    layers.MaskedSelfAttention(2, dropout=0.5, **DOUBLE),
]


class Probe(keras.Model):
    """A layer behind a learned offset, whose gradient sums those of the layer's inputs, padding included."""

    def __init__(self, layer):
        super().__init__(dtype="float64")
        self.layer = layer
        self.offset = self.add_weight(shape=(4,), initializer="random_normal", name="offset")

    def call(self, inputs, training=None):
        features, segments = inputs["features"] + self.offset, inputs["segments"]
        num_slots = inputs["slots"].shape[1]
        if is_head(self.layer):
            return ops.sum(ops.sin(self.layer(features, segments, num_slots=num_slots)), axis=(1, 2))
        if self.layer.time_layer is not None:
            features, segments = self.layer(features, segments)
        elif self.layer.takes_slots:
            features = self.layer(features, segments, num_slots=num_slots)
        else:
            features = self.layer(features, segments)
        return ops.sum(ops.sin(zero_padding(features, segments)), axis=(1, 2))


def gradients_of(layer, features, segments):
    """Of the sum of the sines of all outputs of real frames, by every weight and by the inputs."""
    segments = np.where(segments, 0, -1) if segments.dtype == bool else segments
    inputs = {
        "features": features,
        "segments": segments.astype("int32"),
        "slots": np.zeros((len(features), segments.max() + 2)),
    }
    keras.utils.set_random_seed(0)
    probe = Probe(type(layer).from_config(layer.get_config()))
    probe.compile(optimizer=Recorder(), loss=lambda _, sums: ops.sum(sums), run_eagerly=True)
    probe(inputs)
    probe.train_on_batch(inputs, np.zeros(len(features)))
    return [to_numpy(gradient.value) for gradient in probe.optimizer.recorded]


def layouts_for(layer, arrays):
    geometry = [layer.time_layer or TimeLayer(1)]
    yield padded(arrays)
    if layer.packable:
        yield packed(arrays, geometry)
        yield packed(arrays, geometry, rows=2)


@pytest.mark.parametrize("layer", EVERY, ids=lambda layer: layer.name)
def test_gradients_are_finite_and_agree_in_every_layout(layer):
    first, *others = (gradients_of(layer, *layout) for layout in layouts_for(layer, sequences(LENGTHS)))
    assert all(np.isfinite(gradient).all() for gradient in first)
    assert any(np.abs(gradient).max() > 1e-3 for gradient in first)
    for found in others:
        for ours, expected in zip(found, first, strict=True):
            assert_close(ours, expected)


@pytest.mark.parametrize("layer", EVERY, ids=lambda layer: layer.name)
def test_gradients_of_a_single_frame_are_finite(layer):
    assert all(np.isfinite(gradient).all() for gradient in gradients_of(layer, *padded(sequences([1]))))


@pytest.mark.parametrize("layer", NOISY, ids=lambda layer: layer.name)
def test_gradients_through_noise_are_finite(layer):
    for layout in layouts_for(layer, sequences(LENGTHS)):
        assert all(np.isfinite(gradient).all() for gradient in gradients_of(layer, *layout))


def test_every_layer_is_tried():
    known = {each.__name__ for each in every_layer()}
    assert {type(layer).__name__ for layer in EVERY} == known
