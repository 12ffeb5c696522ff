"""Every layer against its definition in plain NumPy: alone, padded and packed, with NaN where nothing may look."""

import itertools

import numpy as np
import pytest
from support import reference
from support.rows import LENGTHS, answers, assert_close, packed, padded, sequences, shake, to_numpy

from seqconv.layers import (
    FeatureNormalization,
    LayerScale,
    MaskedAttentiveStatisticsPooling1D,
    MaskedAveragePooling1D,
    MaskedBatchNormalization,
    MaskedConv1D,
    MaskedDepthwiseConv1D,
    MaskedGeneralizedMeanPooling1D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
    MaskedGroupNormalization,
    MaskedLastFrame1D,
    MaskedLayerNormalization,
    MaskedLengthChannel,
    MaskedLogSumExpPooling1D,
    MaskedMaxPooling1D,
    MaskedRelativeSelfAttention,
    MaskedSelfAttention,
    MaskedSeparableConv1D,
    MaskedSqueezeExcite,
    MaskedStatisticsPooling1D,
)

DOUBLE = {"dtype": "float64"}
PADDINGS = ("same", "causal", "valid")
TIMES = [
    {"kernel_size": k, "strides": s, "dilation_rate": d, "padding": p}
    for k, s, d, p in itertools.product((1, 2, 3, 5), (1, 2, 3), (1, 3), PADDINGS)
    # Keras has no strided convolution with dilation, and dilation of one tap is none.
    if d == 1 or (s == 1 and k > 1)
]


def names(options):
    return "-".join(map(str, options.values()))


def check(layer, definition, arrays):
    """The definition holds for each sequence in each layout."""
    # A batch holds float32.
    arrays = [x.astype("float32").astype("float64") for x in arrays]
    expected = [definition(x) for x in arrays]
    for layout, found in answers(layer, arrays):
        for index, (ours, wanted) in enumerate(zip(found, expected, strict=True)):
            assert_close(ours, wanted, f"{layout}, sequence {index} of {len(arrays[index])} frames")


def long_enough(layer):
    shortest = layer.time_layer.span if layer.padding == "valid" else 1
    return sequences([length for length in (*LENGTHS, shortest) if length >= shortest])


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("options", TIMES, ids=names)
def test_convolution(options, groups):
    layer = shake(MaskedConv1D(6 // (3 - groups), groups=groups, **options, **DOUBLE))
    w = reference.weights(layer)
    check(layer, lambda x: reference.conv(x, w["kernel"], w["bias"], layer.time_layer, groups), long_enough(layer))


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("options", TIMES, ids=names)
def test_depthwise_convolution(options, multiplier):
    layer = shake(MaskedDepthwiseConv1D(depth_multiplier=multiplier, **options, **DOUBLE))
    w = reference.weights(layer)
    check(layer, lambda x: reference.depthwise_conv(x, w["kernel"], layer.time_layer) + w["bias"], long_enough(layer))


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize("options", TIMES, ids=names)
def test_separable_convolution(options, multiplier):
    layer = shake(MaskedSeparableConv1D(3, depth_multiplier=multiplier, **options, **DOUBLE))
    w = reference.weights(layer)

    def definition(x):
        steps = reference.depthwise_conv(x, w["depthwise_kernel"], layer.time_layer)
        return steps @ w["pointwise_kernel"][0] + w["bias"]

    check(layer, definition, long_enough(layer))


@pytest.mark.parametrize("padding", ["same", "causal"])
@pytest.mark.parametrize(("size", "strides"), [(1, 1), (1, 3), (2, 2), (3, 1), (3, 2), (4, 4), (5, 3)])
@pytest.mark.parametrize(("make", "reduce"), [(MaskedMaxPooling1D, np.max), (MaskedAveragePooling1D, np.mean)])
def test_pooling_over_time(make, reduce, size, strides, padding):
    layer = make(size, strides=strides, padding=padding, **DOUBLE)
    check(layer, lambda x: reference.pool(x, layer.time_layer, reduce), sequences())


@pytest.mark.parametrize(
    ("head", "definition"),
    [
        (MaskedGlobalAveragePooling1D(**DOUBLE), lambda x: x.mean(axis=0)),
        (MaskedGlobalMaxPooling1D(**DOUBLE), lambda x: x.max(axis=0)),
        (MaskedLastFrame1D(**DOUBLE), lambda x: x[-1]),
        (MaskedStatisticsPooling1D(**DOUBLE), reference.statistics),
        (MaskedLogSumExpPooling1D(0.3, **DOUBLE), lambda x: reference.log_sum_exp(x, 0.3)),
        (MaskedLogSumExpPooling1D(8.0, **DOUBLE), lambda x: reference.log_sum_exp(x, 8.0)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_head_without_weights(head, definition):
    check(head, definition, sequences())
    # Far from zero, where an unmasked zero or a lost digit would show.
    check(head, definition, [x - 20 for x in sequences()])


@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_generalized_mean(power):
    layer = MaskedGeneralizedMeanPooling1D(power, **DOUBLE)
    layer.build((None, None, 4))
    # Keras's initializers round to float32.
    learned = np.exp(reference.weights(layer)["log_power"])
    assert learned == pytest.approx(power, rel=1e-7)
    check(layer, lambda x: reference.generalized_mean(x, learned), sequences())


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("context", [False, True])
def test_attentive_statistics(per_channel, context):
    layer = shake(MaskedAttentiveStatisticsPooling1D(5, per_channel=per_channel, context=context, **DOUBLE))
    w = reference.weights(layer)
    assert w["scores/kernel"].shape == (5, 4 if per_channel else 1)
    check(layer, lambda x: reference.attentive_statistics(x, w, context), sequences())


@pytest.mark.parametrize(
    ("layer", "definition"),
    [
        (MaskedLayerNormalization(**DOUBLE), reference.layer_norm),
        (MaskedGroupNormalization(2, **DOUBLE), lambda x, w: reference.group_norm(x, w, 2)),
        (MaskedGroupNormalization(1, **DOUBLE), lambda x, w: reference.group_norm(x, w, 1)),
        (MaskedGroupNormalization(-1, **DOUBLE), lambda x, w: reference.group_norm(x, w, 4)),
        (MaskedBatchNormalization(**DOUBLE), reference.batch_norm),
        (MaskedSqueezeExcite(2, **DOUBLE), reference.squeeze_excite),
        (MaskedLengthChannel(20.0, **DOUBLE), lambda x, w: reference.length_channel(x, 20.0)),
        (MaskedSelfAttention(2, **DOUBLE), lambda x, w: reference.self_attention(x, w, 2)),
        (MaskedSelfAttention(3, key_dim=1, **DOUBLE), lambda x, w: reference.self_attention(x, w, 3)),
        (MaskedRelativeSelfAttention(2, **DOUBLE), lambda x, w: reference.relative_self_attention(x, w, 2)),
        (MaskedRelativeSelfAttention(3, key_dim=1, **DOUBLE), lambda x, w: reference.relative_self_attention(x, w, 3)),
        (FeatureNormalization(**DOUBLE), lambda x, w: (x - w["mean"]) / np.sqrt(w["variance"])),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_layer_that_keeps_frames(layer, definition):
    w = reference.weights(shake(layer))
    check(layer, lambda x: definition(x, w), sequences())
    check(layer, lambda x: definition(x, w), [x + 5 for x in sequences()])


def test_layer_scale():
    layer = shake(LayerScale(0.5, **DOUBLE))
    x = sequences()[2]
    assert_close(to_numpy(layer(x[None]))[0], x * reference.weights(layer)["gamma"])


def test_batch_statistics_in_training_are_those_of_all_real_frames():
    arrays = sequences()
    frames = np.concatenate(arrays)
    expected = (frames - frames.mean(axis=0)) / np.sqrt(frames.var(axis=0) + 1e-3)
    for features, segments in (padded(arrays), packed(arrays, rows=2)):
        layer = MaskedBatchNormalization(momentum=0.5, **DOUBLE)
        out = to_numpy(layer(features, segments, training=True))
        is_real = segments if segments.dtype == bool else segments >= 0
        by_frame = dict(zip(map(tuple, frames), expected, strict=True))
        wanted = np.array([by_frame[tuple(frame)] for frame in features[is_real]])
        assert_close(out[is_real], wanted)
        assert np.isfinite(out).all()
        assert_close(to_numpy(layer.moving_mean.value), frames.mean(axis=0) / 2)
        assert_close(to_numpy(layer.moving_variance.value), 0.5 + frames.var(axis=0) / 2)
