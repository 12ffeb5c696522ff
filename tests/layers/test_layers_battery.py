"""Every layer passes the battery that Keras ships: construction, shapes, dtypes, serialization, mixed precision."""

import keras
import numpy as np
import pytest
from support.keras_battery import run_battery
from support.rows import every_layer

from seqconv import layers

BATCH, TIME, CHANNELS = 2, 9, 4
# Class, constructor arguments, channels that come out, and for layers that move in time the frames that come out.
SAME_LENGTH = [
    (layers.FeatureNormalization, {}, CHANNELS),
    (layers.LayerScale, {"initial": 0.1}, CHANNELS),
    (layers.MaskedBatchNormalization, {"momentum": 0.9, "scale": False}, CHANNELS),
    (layers.MaskedCompression, {"unit": 0.5, "pieces": 3}, CHANNELS),
    (layers.MaskedGRU, {"units": 3}, 3),
    (layers.MaskedGroupNormalization, {"groups": 2, "epsilon": 1e-4}, CHANNELS),
    (layers.MaskedLSTM, {"units": 3, "bidirectional": True}, 6),
    (layers.MaskedLayerNormalization, {"epsilon": 1e-4}, CHANNELS),
    (layers.MaskedLengthChannel, {"reference": 20.0}, CHANNELS + 1),
    (layers.MaskedRelativeSelfAttention, {"num_heads": 2, "key_dim": 3, "dropout": 0.1}, CHANNELS),
    (layers.GatedLinearUnit, {}, CHANNELS // 2),
    (layers.MaskedSelfAttention, {"num_heads": 2, "key_dim": 3, "dropout": 0.1}, CHANNELS),
    (layers.MaskedSequenceStandardization, {"epsilon": 1e-4}, CHANNELS),
    (layers.MaskedSpatialDropout1D, {"rate": 0.3, "seed": 1}, CHANNELS),
    (layers.MaskedSqueezeExcite, {"reduction": 2}, CHANNELS),
    (layers.StochasticDepth, {"rate": 0.3, "seed": 1}, CHANNELS),
]
IN_TIME = [
    (layers.MaskedConv1D, {"filters": 6, "kernel_size": 3, "strides": 2, "groups": 2}, 6, 5),
    (layers.MaskedConv1D, {"filters": 6, "kernel_size": 3, "padding": "valid", "activation": "relu"}, 6, 7),
    (layers.MaskedDepthwiseConv1D, {"kernel_size": 3, "depth_multiplier": 2, "padding": "causal"}, 8, 9),
    (layers.MaskedSeparableConv1D, {"filters": 5, "kernel_size": 3, "dilation_rate": 2, "padding": "valid"}, 5, 5),
    (layers.MaskedDifference1D, {}, CHANNELS, 9),
    (layers.MaskedRandomConvolution1D, {"dilations": [1, 3], "most_features": 2, "seed": 1}, 168, 9),
    (layers.MaskedRandomConvolution1D, {"dilations": [2], "smoothed": True, "limit": 32.0}, 84, 9),
    (layers.MaskedMaxPooling1D, {"pool_size": 3, "strides": 2, "padding": "causal"}, CHANNELS, 5),
    (layers.MaskedAveragePooling1D, {"pool_size": 4}, CHANNELS, 3),
]
# Class, arguments, and the shape that comes out of frames with bands.
WITH_BANDS = [
    (layers.MaskedConv2D, {"filters": 6, "kernel_size": 3, "strides": [2, 1], "groups": 2}, (5, 6, 6)),
    (
        layers.MaskedConv2D,
        {"filters": 3, "kernel_size": [3, 2], "padding": "valid", "band_padding": "valid", "activation": "relu"},
        (7, 5, 3),
    ),
    (layers.MaskedDepthwiseConv2D, {"kernel_size": 3, "depth_multiplier": 2, "padding": "causal"}, (9, 6, 8)),
    (layers.MaskedMaxPooling2D, {"pool_size": 3, "strides": [2, 1], "padding": "causal"}, (5, 4, CHANNELS)),
    (layers.MaskedAveragePooling2D, {"pool_size": [4, 5], "band_padding": "same"}, (3, 2, CHANNELS)),
    (layers.MaskedBandPooling, {"mode": "flatten"}, (9, 6 * CHANNELS)),
    (layers.MaskedBandPooling, {"mode": "max", "keepdims": True}, (9, 1, CHANNELS)),
    (layers.MaskedSpatialDropout2D, {"rate": 0.3, "seed": 1}, (9, 6, CHANNELS)),
    (layers.MaskedBatchNormalization, {"momentum": 0.9}, (9, 6, CHANNELS)),
]
BANDS = 6
SPLITS = [(layers.SplitBands, {"num_bands": 2}, (TIME, 2, CHANNELS // 2))]
HEADS = [
    (layers.MaskedAttentiveStatisticsPooling1D, {"units": 3, "per_channel": True, "context": True}, 2 * CHANNELS),
    (layers.MaskedGeneralizedMeanPooling1D, {"power": 2.0}, CHANNELS),
    (layers.MaskedGlobalAveragePooling1D, {}, CHANNELS),
    (layers.MaskedGlobalMaxPooling1D, {}, CHANNELS),
    (layers.MaskedLastFrame1D, {}, CHANNELS),
    (layers.MaskedLogSumExpPooling1D, {"sharpness": 2.0}, CHANNELS),
    (layers.MaskedStatisticsPooling1D, {}, 2 * CHANNELS),
    (layers.MaskedThresholdPooling1D, {"thresholds": 2, "statistics": ["proportion", "mean"]}, 4 * CHANNELS),
]
MASK = np.arange(TIME)[None, :] < np.array([[TIME], [4]])
SEGMENTS = np.where(MASK, 0, -1).astype("int32")


def name_of(value):
    return value.__name__ if isinstance(value, type) else ""


@pytest.mark.parametrize(("layer", "arguments", "channels"), SAME_LENGTH, ids=name_of)
def test_layer_that_keeps_frames(layer, arguments, channels):
    shape = (BATCH, TIME, channels)
    options = {"input_shape": (BATCH, TIME, CHANNELS), "expected_output_shape": shape}
    run_battery(layer, arguments, expected_output_dtype="float32", **options)
    run_battery(layer, arguments, call_kwargs={"segments": MASK}, **options)


@pytest.mark.parametrize(("layer", "arguments", "channels", "frames"), IN_TIME, ids=name_of)
def test_layer_in_time(layer, arguments, channels, frames):
    shape, inputs = (BATCH, frames, channels), (BATCH, TIME, CHANNELS)
    run_battery(layer, arguments, input_shape=inputs, expected_output_shape=shape, expected_output_dtype="float32")
    for segments, dtype in ((MASK, "bool"), (SEGMENTS, "int32")):
        run_battery(
            layer,
            arguments,
            input_shape=inputs,
            call_kwargs={"segments": segments},
            expected_output_shape=(shape, shape[:2]),
            expected_output_dtype=("float32", dtype),
            # The battery's loss takes one output, not features and segments.
            run_training_check=False,
        )


@pytest.mark.parametrize(("layer", "arguments", "shape"), SPLITS, ids=name_of)
def test_layer_that_makes_bands(layer, arguments, shape):
    options = {"input_shape": (BATCH, TIME, CHANNELS), "expected_output_shape": (BATCH, *shape)}
    run_battery(layer, arguments, expected_output_dtype="float32", **options)
    run_battery(layer, arguments, call_kwargs={"segments": MASK}, **options)


@pytest.mark.parametrize(("layer", "arguments", "shape"), WITH_BANDS, ids=name_of)
def test_layer_over_bands(layer, arguments, shape):
    shape, inputs = (BATCH, *shape), (BATCH, TIME, BANDS, CHANNELS)
    run_battery(layer, arguments, input_shape=inputs, expected_output_shape=shape, expected_output_dtype="float32")
    moves = layer(**arguments).time_layer is not None
    run_battery(
        layer,
        arguments,
        input_shape=inputs,
        call_kwargs={"segments": SEGMENTS},
        expected_output_shape=(shape, shape[:2]) if moves else shape,
        run_training_check=not moves,
    )


@pytest.mark.parametrize(("head", "arguments", "channels"), HEADS, ids=name_of)
def test_head(head, arguments, channels):
    inputs = {"input_shape": (BATCH, TIME, CHANNELS)}
    for options, shape in (
        ({}, (BATCH, channels)),
        ({"segments": MASK}, (BATCH, channels)),
        ({"segments": SEGMENTS, "num_slots": 3}, (BATCH, 3, channels)),
    ):
        run_battery(head, arguments, call_kwargs=options, expected_output_shape=shape, **inputs)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="the battery tries no mixed precision on PyTorch")
def test_the_battery_bites():
    class Careless(layers.LayerScale):
        def compute_output_spec(self, inputs, segments=None):
            return keras.KerasTensor(inputs.shape, dtype="float32")

    with pytest.raises(AssertionError, match="expected output dtype float32, got float16"):
        run_battery(
            Careless, {"initial": 0.1}, input_shape=(BATCH, TIME, CHANNELS), custom_objects={"Careless": Careless}
        )


def test_every_layer_is_tried():
    known = {each.__name__ for each in every_layer()}
    assert {case[0].__name__ for case in (*SAME_LENGTH, *IN_TIME, *WITH_BANDS, *SPLITS, *HEADS)} == known
