"""Gradients that are written out instead of derived: those of Keras's own layers on the frames alone."""

import keras
import numpy as np
import pytest
from keras import ops
from support.recorder import Recorder
from support.rows import assert_close, packed, padded, sequences, to_numpy

from seqconv.layers import MaskedBatchNormalization, MaskedGlobalMaxPooling1D
from seqconv.layers.masking import Padding

DOUBLE = {"dtype": "float64"}

pytestmark = pytest.mark.usefixtures("float64_inputs")


class Learned(keras.Model):
    """Features that are weights, so that a step of training tells the gradient of each of them."""

    def __init__(self, layer, features, call):
        super().__init__(**DOUBLE)
        self.layer, self.apply = layer, call
        self.features = self.add_weight(shape=features.shape, name="features")
        self.features.assign(np.nan_to_num(features))

    def call(self, inputs, training=None):
        # Sines, so that every output has a gradient of its own.
        return ops.sum(ops.sin(self.apply(self.layer, self.features + 0.0, training))) + 0 * inputs


def gradients(layer, features, call):
    """Of the sum of the sines of what `call` returns: by the features, then by the weights of the layer."""
    probe = Learned(layer, features, call)
    probe.compile(optimizer=Recorder(), loss=lambda _, total: ops.sum(total), run_eagerly=True)
    probe(np.zeros(1))
    probe.train_on_batch(np.zeros(1), np.zeros(1))
    names = [variable.path for variable in probe.trainable_variables]
    found = dict(zip(names, (to_numpy(value.value) for value in probe.optimizer.recorded), strict=True))
    features = next(value for name, value in found.items() if name.endswith("features"))
    return features, [value for name, value in sorted(found.items()) if not name.endswith("features")]


def normalization(kind):
    layer = kind(gamma_initializer=keras.initializers.RandomUniform(0.5, 2, seed=1), beta_initializer="ones", **DOUBLE)
    layer.build((None, None, 4))
    return layer


@pytest.mark.parametrize("known", list(Padding))
@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_batch_normalization(mean, known):
    # An offset changes no gradient, and costs Keras its digits on JAX and PyTorch.
    frames = np.concatenate(sequences())[None]
    arrays = [x + mean for x in sequences()]
    expected, expected_weights = gradients(
        normalization(keras.layers.BatchNormalization), frames, lambda layer, x, training: layer(x, training=training)
    )
    for layout in (padded, packed):
        features, segments = layout(arrays)
        is_real = segments if segments.dtype == bool else segments >= 0
        features[~is_real] = 0 if known == Padding.ZERO else 7e3

        def call(layer, x, training, segments=segments):
            return layer(x, ops.convert_to_tensor(segments), training=training, known=known)

        found, found_weights = gradients(normalization(MaskedBatchNormalization), features, call)
        for ours, stock in zip(found_weights, expected_weights, strict=True):
            assert_close(ours, stock)
        np.testing.assert_array_equal(found[~is_real], 0)
        order = [np.flatnonzero((features[is_real] == frame + mean).all(axis=1))[0] for frame in frames[0]]
        assert_close(found[is_real][order], expected[0])
        assert np.abs(expected).max() > 1e-3


def test_maxima_share_the_gradient_among_ties():
    arrays = [np.round(x) for x in sequences([1, 7, 12, 9, 30])]
    stock = keras.layers.GlobalMaxPooling1D(**DOUBLE)
    expected = [gradients(stock, x[None], lambda layer, x, _: layer(x))[0][0] for x in arrays]
    assert any(((grad != 0).sum(axis=0) > 1).any() for grad in expected), "there are ties"
    for rows in (1, 2):
        features, segments = packed(arrays, rows=rows)

        def call(layer, x, _, segments=segments):
            return layer(x, ops.convert_to_tensor(segments), num_slots=6)

        found, _ = gradients(MaskedGlobalMaxPooling1D(**DOUBLE), features, call)
        for index, wanted in enumerate(expected):
            row, slot = index % rows, index // rows
            assert_close(found[row][segments[row] == slot], wanted)
        np.testing.assert_array_equal(found[segments < 0], 0)
