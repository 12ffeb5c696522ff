"""`kernels`: filters first, and such that kernels times patches is what the layer returns."""

import keras
import numpy as np
import pytest
from keras import layers
from support.kernel_cases import CASES, built

from seqconv.errors import ModelError
from seqconv.inspection import kernels
from seqconv.inspection.arithmetic import check_sum
from seqconv.layers import MaskedLSTM


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
