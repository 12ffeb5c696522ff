"""`kernels`: filters first, and such that kernels times patches is what the layer returns."""

import keras
import numpy as np
import pytest
from keras import layers

from seqconv.errors import ModelError
from seqconv.inspection import kernels
from seqconv.inspection.arithmetic import check_sum
from seqconv.layers import MaskedConv1D, MaskedDepthwiseConv1D, MaskedLSTM, MaskedSeparableConv1D

CASES = {
    "same, strided": (layers.Conv1D(6, 5, padding="same", strides=2, activation="relu"), 1, (6, 5, 4)),
    "causal": (layers.Conv1D(6, 4, padding="causal", dilation_rate=3, activation="softmax"), 1, (6, 4, 4)),
    "grouped": (layers.Conv1D(6, 3, groups=2), 1, (6, 3, 2)),
    "pointwise": (layers.Conv1D(6, 1, use_bias=False), 1, (6, 1, 4)),
    "two axes": (layers.Conv2D(6, (3, 4), padding="same", strides=2), 2, (6, 3, 4, 4)),
    "three axes": (layers.Conv3D(2, 2), 3, (2, 2, 2, 2, 4)),
    "depthwise": (layers.DepthwiseConv1D(3, depth_multiplier=2), 1, (8, 3, 1)),
    "depthwise, two axes": (layers.DepthwiseConv2D(3, depth_multiplier=2), 2, (8, 3, 3, 1)),
    "separable": (layers.SeparableConv1D(5, 3, depth_multiplier=2, padding="same"), 1, (5, 3, 4)),
    "separable, two axes": (layers.SeparableConv2D(5, 3, depth_multiplier=2), 2, (5, 3, 3, 4)),
    "transposed": (layers.Conv1DTranspose(5, 4, strides=2), 1, (5, 4, 4)),
    "transposed, same": (layers.Conv1DTranspose(5, 4, strides=3, padding="same"), 1, (5, 4, 4)),
    "transposed, gaps": (layers.Conv1DTranspose(5, 2, strides=3, padding="same"), 1, (5, 2, 4)),
    "transposed, two axes": (layers.Conv2DTranspose(5, 3, strides=2, padding="same"), 2, (5, 3, 3, 4)),
    "masked, grouped": (MaskedConv1D(6, 4, strides=3, groups=2), 1, (6, 4, 2)),
    "masked depthwise": (MaskedDepthwiseConv1D(4, strides=2, depth_multiplier=2), 1, (8, 4, 1)),
    "masked separable": (MaskedSeparableConv1D(5, 4, depth_multiplier=2, activation="tanh"), 1, (5, 4, 4)),
}


def built(layer, rank=1, channels=4):
    """A copy of the layer, built: the cases are shared among tests, in whichever process those run."""
    layer = type(layer).from_config(layer.get_config())
    layer.build((None, *(None,) * rank, channels))
    rng = np.random.default_rng(3)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


@pytest.mark.parametrize("name", CASES)
def test_kernels_times_patches_is_what_the_layer_returns(name):
    layer, rank, shape = CASES[name]
    layer = built(layer, rank)
    assert kernels(layer).shape == shape
    for seed in range(3):
        check = check_sum(layer, seed)
        assert check.value == pytest.approx(check.keras, rel=1e-4, abs=1e-5)
        assert check.products == np.prod(shape[1:])
    assert check_sum(layer).total != 0


def test_a_filter_is_the_last_axis_of_what_keras_keeps():
    layer = built(layers.Conv2D(32, 3), 2, channels=1)
    kept = layer.get_weights()[0]
    np.testing.assert_array_equal(kernels(layer)[7], kept[..., 7])
    np.testing.assert_array_equal(kernels(layer)[:, 0, 0, 0], kept[0][0][0])


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: built(layers.Dense(3)), r"is a Dense layer: get_weights\(\)\[0\] \(4, 3\) is its matrix"),
        (lambda: built(layers.LSTM(3)), r"is a recurrent layer \(LSTM\): its matrices \[\(4, 12\), \(3, 12\)"),
        (lambda: built(MaskedLSTM(3)), r"is a recurrent layer \(MaskedLSTM\)"),
        (lambda: built(layers.BatchNormalization()), r"is a BatchNormalization layer with weights \(4,\)"),
        (layers.ReLU, "is a ReLU layer, which has no weights; kernels are those of convolutions"),
        (lambda: layers.Conv1D(3, 3), "has not been built and has no weights yet"),
        (
            lambda: keras.Sequential([keras.Input((None, 4)), layers.Conv1D(3, 3, name="first")]),
            r"is a model\. Pass one of its layers, model\.get_layer\(NAME\); convolutions here: first",
        ),
    ],
)
def test_what_has_no_kernels_says_what_it_is(layer, reason):
    with pytest.raises(ModelError, match=reason):
        kernels(layer())
