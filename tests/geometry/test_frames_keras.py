"""Frame arithmetic and values against Keras, over a grid: wherever Keras does not depend on the padded length."""

import keras
import numpy as np
import pytest
from support import reference
from support.row_simulation import GRID, random_stack
from support.rows import assert_close, sequences, to_numpy

from seqconv.geometry import (
    TimeLayer,
    conv_output_length,
    halo,
    min_frames,
    next_start,
    output_length,
    receptive_field,
    total_stride,
)
from seqconv.layers import (
    MaskedAveragePooling1D,
    MaskedConv1D,
    MaskedDepthwiseConv1D,
    MaskedMaxPooling1D,
    MaskedSeparableConv1D,
)

DOUBLE = {"dtype": "float64"}
# Keras refuses strides together with dilation.
LAYERS = [layer for layer in GRID if layer.stride == 1 or layer.dilation == 1]
SEEDS = range(25)


def options_of(layer: TimeLayer) -> dict:
    return {
        "kernel_size": layer.kernel_size,
        "strides": layer.stride,
        "dilation_rate": layer.dilation,
        "padding": layer.padding,
    }


def stock_stack(layers) -> list[keras.layers.Layer]:
    """Keras's own convolutions with positive weights, so that no tap cancels another."""
    return [
        keras.layers.Conv1D(
            1, kernel_initializer=keras.initializers.RandomUniform(0.5, 1.0), **options_of(layer), **DOUBLE
        )
        for layer in layers
    ]


def run(stack, x):
    for layer in stack:
        x = layer(x)
    return to_numpy(x)


def keras_stacks(seed: int) -> list[TimeLayer]:
    """A random stack without strided "same", which in Keras has no fixed phase."""
    layers = random_stack(np.random.default_rng(seed), paddings=("valid", "causal"))
    return [layer if layer.stride == 1 or layer.dilation == 1 else layer._replace(dilation=1) for layer in layers]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_output_lengths_are_those_of_keras(layer):
    stock, ours = keras.layers.Conv1D(2, **options_of(layer)), MaskedConv1D(2, **options_of(layer))
    for num_frames in range(layer.span if layer.padding == "valid" else 1, 40):
        expected = stock.compute_output_shape((1, num_frames, 3))
        assert expected[1] == conv_output_length(num_frames, layer)
        assert ours.compute_output_spec(keras.KerasTensor((1, num_frames, 3))).shape == expected


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize(
    ("stock", "ours", "arguments"),
    [
        (keras.layers.Conv1D, MaskedConv1D, {"filters": 3}),
        (keras.layers.DepthwiseConv1D, MaskedDepthwiseConv1D, {"depth_multiplier": 2}),
        (keras.layers.SeparableConv1D, MaskedSeparableConv1D, {"filters": 3, "depth_multiplier": 2}),
    ],
)
def test_values_are_those_of_keras_where_keras_has_a_fixed_phase(layer, stock, ours, arguments):
    x = sequences([layer.span + 11])[0]
    ours = ours(**arguments, **options_of(layer), **DOUBLE)
    found = to_numpy(ours(x[None]))[0]
    if layer.padding == "same" and layer.stride > 1:
        if isinstance(ours, MaskedConv1D):
            weights = reference.weights(ours)
            assert_close(found, reference.conv(x, weights["kernel"], weights["bias"], layer))
        return
    if layer.padding == "causal" and stock is not keras.layers.Conv1D:
        # Keras has causal padding for its plain convolution only: here, put before a valid one by hand.
        x = np.pad(x, [(layer.left, 0), (0, 0)])
        layer = layer._replace(padding="valid")
    theirs = stock(**arguments, **options_of(layer), **DOUBLE)
    theirs.build((None, None, 4))
    theirs.set_weights(ours.get_weights())
    assert_close(found, to_numpy(theirs(x[None]))[0])


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="Keras's own average counts padding on PyTorch")
@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("stock", "ours"),
    [(keras.layers.MaxPooling1D, MaskedMaxPooling1D), (keras.layers.AveragePooling1D, MaskedAveragePooling1D)],
)
def test_pooling_without_strides_is_that_of_keras(stock, ours, size):
    x = sequences([17])[0][None]
    theirs = stock(size, strides=1, padding="same", **DOUBLE)
    assert_close(to_numpy(ours(size, strides=1, **DOUBLE)(x)), to_numpy(theirs(x)))


@pytest.mark.parametrize("seed", SEEDS)
def test_facts_of_a_stack_are_those_of_a_stack_of_keras(seed):
    layers = keras_stacks(seed)
    stack = stock_stack(layers)
    shortest, field, stride = min_frames(layers), receptive_field(layers), total_stride(layers)
    # Smallest input: one frame less, and nothing comes out, or Keras refuses.
    assert run(stack, np.ones((1, shortest, 1))).shape[1] == 1
    assert shortest == 1 or output_length(shortest - 1, layers) == 0
    # Length and receptive field: which of the input's frames move which output.
    num_frames = 2 * field + 3 * stride + shortest
    impulses = np.concatenate([np.zeros((1, num_frames, 1)), np.eye(num_frames)[..., None]])
    outputs = run(stack, impulses)[..., 0]
    assert outputs.shape[1] == output_length(num_frames, layers)
    moves = outputs[1:] != outputs[0]
    before, after = halo(layers)
    for position in range(outputs.shape[1]):
        seen = np.flatnonzero(moves[:, position])
        first, last = position * stride - before, position * stride + after
        assert seen[-1] == last
        if first >= 0:
            assert seen[0] == first
            assert last - first + 1 == field


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("lengths", [(13, 9), (30, 1)])
def test_at_the_gap_a_stack_of_ours_answers_as_alone(seed, lengths):
    layers = random_stack(np.random.default_rng(seed), paddings=("same", "causal"))
    layers = [layer if layer.stride == 1 or layer.dilation == 1 else layer._replace(dilation=1) for layer in layers]
    stack = [MaskedConv1D(2, bias_initializer="ones", **options_of(layer), **DOUBLE) for layer in layers]
    first, second = sequences(lengths, channels=2)
    start = next_start(len(first), layers)
    row = np.full((1, start + len(second), 2), np.nan)
    segments = np.full(row.shape[:2], -1, "int32")
    for slot, (x, place) in enumerate([(first, 0), (second, start)]):
        row[0, place : place + len(x)], segments[0, place : place + len(x)] = x, slot
    alone = [run(stack, x[None])[0] for x in (first, second)]
    features, kept = row, segments
    for layer in stack:
        features, kept = layer(features, kept)
    for slot in range(2):
        assert_close(to_numpy(features)[to_numpy(kept) == slot], alone[slot])
