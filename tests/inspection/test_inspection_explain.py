"""`explain`: the numbers of the layer, and a sum that was really computed."""

import keras
import numpy as np
import pytest
from keras import layers
from support.kernel_cases import CASES, built

from seqconv.errors import ModelError
from seqconv.inspection import explain
from seqconv.inspection.kernels import flux_shape, pytorch_shape


@pytest.mark.parametrize("name", CASES)
def test_every_convolution_is_explained_and_checked(name):
    layer, rank, shape = CASES[name]
    layer = built(layer, rank)
    explanation = explain(layer)
    assert 0 <= explanation.check.difference < 1e-4 * max(1, abs(explanation.check.keras))
    assert abs(explanation.check.value) > 1e-3
    text = str(explanation)
    assert f"{explanation.check.keras:.6g}" in text
    assert str(layer.get_weights()[0].shape) in text
    assert str(shape) in text
    assert np.prod(pytorch_shape(layer)) == np.prod(flux_shape(layer)) == np.prod(shape)


def test_the_words_have_the_numbers_of_the_layer():
    text = explain(built(layers.Conv1D(128, 5, strides=2, padding="same", activation="relu"), channels=64)).text(1000)
    for part in (
        "5 x 64 = 320 products, plus a bias, then relu",
        "out[p, f] = relu( sum(k < 5, c < 64) x[2*p + k - 2, c] * kernel[k, c, f] + bias[f] )",
        "Each filter spans all 64 input channels",
        "With kernel size 1 the layer would be a Dense layer from 64 to 128 channels",
        "The bias is get_weights()[1], 128 numbers",
        "8 filters on 16 channels give 16 x 8 = 128",
        "get_weights()[0][0][0] is 128 numbers, one of each filter",
        "PyTorch (Conv1d): (128, 64, 5), that is (out, in, k). Flux: (5, 64, 128), that is (k, in, out).",
        "Keras takes the offset from the length",
    ):
        assert part in text


def test_the_formula_is_what_the_layer_returns():
    """The text, evaluated as Python."""
    layer = built(layers.Conv1D(3, 4, strides=2, dilation_rate=1, activation="relu"), channels=2)
    formula = next(line for line in explain(layer).paragraphs[1][1].splitlines() if line.startswith("  ")).strip()
    assert formula == "out[p, f] = relu( sum(k < 4, c < 2) x[2*p + k, c] * kernel[k, c, f] + bias[f] )"
    kernel, bias = layer.get_weights()
    x, p, f = np.random.default_rng(0).normal(size=(12, 2)).astype("float32"), 3, 1
    total = sum(x[2 * p + k, c] * kernel[k, c, f] for k in range(4) for c in range(2)) + bias[f]
    assert max(total, 0) == pytest.approx(float(layer(x[None])[0, p, f]), rel=1e-4, abs=1e-5)


def test_a_layer_of_a_model_is_found_by_name_also_within_another():
    inner = keras.Sequential([keras.Input((None, 4)), layers.Conv1D(3, 3, name="deep")], name="inner")
    model = keras.Sequential([keras.Input((None, 4)), inner, layers.Dense(2, name="dense")])
    assert explain(model, "inner/deep").check.products == explain(model, "deep").check.products == 12
    with pytest.raises(ModelError, match=r"has no layer 'shallow'\. It has: inner/deep, dense"):
        explain(model, "shallow")
    with pytest.raises(ModelError, match="'dense' is a Dense layer"):
        explain(model, "dense")
    with pytest.raises(ModelError, match=r"Say which layer: explain\(model, 'NAME'\)"):
        explain(model)


@pytest.mark.parametrize("width", [80, 120])
def test_lines_fit_unless_they_are_formulas(width):
    text = explain(built(layers.SeparableConv1D(5, 3))).text(width)
    assert all(len(line) <= width or line.startswith("      ") for line in text.splitlines())
