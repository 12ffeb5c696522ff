"""The contract's check bites: stacks of stock Keras layers fail the very functions that ours pass.

They are given every help: padding is zero, and `Masking` in front tells Keras where. Stacks of stock layers that keep
their mask pass, so it is not the adapter that fails the others.
"""

import keras
import numpy as np
import pytest
from keras import ops
from support.contract_checks import SINGLE, check_logits, check_training
from support.random_models import NUM_FEATURES, NUM_OUTPUTS
from support.rows import sequences, to_numpy
from support.stock_models import FAILING, PASSING, BatchNormalization, Conv1D, Dense, Masking, Mean

from seqconv.batching import plan_bucketed, plan_padded
from seqconv.layers import MaskedConv1D, zero_padding

LENGTHS = [1, 9, 20, 33]

pytestmark = pytest.mark.filterwarnings("ignore:.*destroy the mask information:UserWarning")


@keras.saving.register_keras_serializable("tests")
class Stock(keras.Model):
    """A stack of stock layers behind `Masking` that takes the arguments of our models."""

    predicts_frames = False

    def __init__(self, stack: keras.Sequential, **options):
        super().__init__(**options)
        self.stack = stack

    def call(self, inputs):
        if not isinstance(inputs, dict):
            return self.stack(inputs)
        return ops.expand_dims(self.stack(zero_padding(inputs["features"], inputs["segments"])), 1)

    def get_config(self):
        return {**super().get_config(), "stack": keras.saving.serialize_keras_object(self.stack)}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "stack": keras.saving.deserialize_keras_object(config["stack"])})


def stock(layers) -> Stock:
    keras.utils.set_random_seed(2)
    layers = [keras.Input((None, NUM_FEATURES)), Masking(0.0), *layers(), Dense(NUM_OUTPUTS)]
    return Stock(keras.Sequential(layers))


def plans():
    """All sequences in one batch, as long as the longest, and twice as long."""
    options = {"shuffle": False, "frames_per_batch": 64 * len(LENGTHS)}
    return {"padded": plan_padded(LENGTHS, **options), "bucketed": plan_bucketed(LENGTHS, boundaries=[64], **options)}


def arrays():
    return [x.astype("float32") for x in sequences(LENGTHS, NUM_FEATURES)]


@pytest.mark.parametrize("name", FAILING)
def test_stock_keras_fails_the_check_of_logits(name, tmp_path):
    model = stock(FAILING[name])
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_logits(model, arrays(), plans(), SINGLE.logits, tmp_path)


@pytest.mark.parametrize("name", PASSING)
def test_stock_keras_passes_where_it_keeps_its_mask(name, tmp_path):
    model = stock(PASSING[name])
    check_logits(model, arrays(), plans(), SINGLE.logits, tmp_path)


def test_a_silent_frame_is_taken_for_padding():
    """`Masking` infers from values: the answer is that for a sequence without the frame."""
    model, silent = stock(PASSING["the mean keeps to its mask"]), arrays()
    silent[1][3] = 0
    alone = to_numpy(model(silent[1][None]))[0]
    without = to_numpy(model(np.delete(silent[1], 3, axis=0)[None]))[0]
    np.testing.assert_allclose(alone, without, rtol=1e-5)


def test_stock_keras_fails_the_check_of_training():
    """Behind a convolution the mask is gone, and batch statistics, loss and gradients are those of the padding."""
    model = stock(lambda: [Conv1D(6, 1), BatchNormalization(), keras.layers.Activation("relu"), Mean()])
    with pytest.raises(AssertionError, match="bucketed"):
        check_training(model, arrays(), plans(), SINGLE.gradients, np.random.default_rng(0))


def test_stock_keras_passes_the_check_of_training_where_it_keeps_its_mask():
    model = stock(lambda: [Dense(6), BatchNormalization(), keras.layers.Activation("relu"), Mean()])
    check_training(model, arrays(), plans(), SINGLE.gradients, np.random.default_rng(0))


def test_the_phase_of_strided_same_drifts_in_keras_and_not_here():
    x = sequences([10])[0].astype("float32")
    theirs, ours = keras.layers.Conv1D(3, 3, strides=2, padding="same"), MaskedConv1D(3, 3, strides=2)
    longer = np.concatenate([x, np.zeros((1, 4), "float32")])
    assert not np.allclose(to_numpy(theirs(x[None]))[0, :4], to_numpy(theirs(longer[None]))[0, :4], rtol=1e-3)
    np.testing.assert_allclose(to_numpy(ours(x[None]))[0], to_numpy(ours(longer[None]))[0, :5], rtol=1e-4, atol=1e-6)
