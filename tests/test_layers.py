"""Each layer against its definition in plain NumPy, in padded and packed rows, with NaN where nothing may look."""

import itertools

import keras
import numpy as np
import pytest

from seqconv.frames import TimeLayer, conv_output_length, next_start
from seqconv.layers import (
    FeatureNormalization,
    MaskedAveragePooling1D,
    MaskedBatchNormalization,
    MaskedConv1D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
    MaskedLSTM,
    MaskedMaxPooling1D,
)

to_numpy = keras.ops.convert_to_numpy
LENGTHS = (7, 12, 9, 30)


def sequences(lengths=LENGTHS, channels=4, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, channels)).astype("float32") for n in lengths]


def padded(arrays, extra=5):
    width = max(map(len, arrays)) + extra
    features = np.full((len(arrays), width, arrays[0].shape[1]), np.nan, "float32")
    mask = np.zeros((len(arrays), width), bool)
    for row, array in enumerate(arrays):
        features[row, : len(array)], mask[row, : len(array)] = array, True
    return features, mask


def packed(arrays, geometry):
    """All sequences in one row, NaN between them, with the smallest gap that the geometry allows."""
    starts, end = [], 0
    for array in arrays:
        starts.append(next_start(end, geometry) if starts else 0)
        end = starts[-1] + len(array)
    features = np.full((1, end + 3, arrays[0].shape[1]), np.nan, "float32")
    segments = np.full((1, end + 3), -1, "int32")
    for slot, (start, array) in enumerate(zip(starts, arrays, strict=True)):
        features[0, start : start + len(array)], segments[0, start : start + len(array)] = array, slot
    return features, segments


def numpy_conv(x, kernel, bias, layer, groups=1):
    """out[t, o] = sum_{k, i} w[k, i, o] x[t * stride + k * dilation - left, i] + b[o], written as loops."""
    num_filters, in_group = kernel.shape[2], kernel.shape[1]
    out = np.zeros((conv_output_length(len(x), layer), num_filters))
    for t, o in itertools.product(range(len(out)), range(num_filters)):
        first = (o // (num_filters // groups)) * in_group
        out[t, o] = bias[o]
        for k in range(layer.kernel_size):
            source = t * layer.stride + k * layer.dilation - layer.left
            if 0 <= source < len(x):
                out[t, o] += kernel[k, :, o] @ x[source, first : first + in_group]
    return out


CONVOLUTIONS = [
    {"kernel_size": k, "strides": s, "dilation_rate": d, "padding": p}
    for k, s, d, p in itertools.product((1, 2, 3, 5), (1, 2, 3), (1, 3), ("same", "causal", "valid"))
    if not (s > 1 and d > 1) and (k - 1) * d < min(LENGTHS)
]


@pytest.mark.parametrize("options", CONVOLUTIONS, ids=lambda o: "-".join(map(str, o.values())))
def test_convolution_is_its_definition_alone_padded_and_packed(options):
    layer = MaskedConv1D(6, bias_initializer="random_normal", **options)
    arrays = sequences()
    alone = [to_numpy(layer(x[None]))[0] for x in arrays]
    for x, out in zip(arrays, alone, strict=True):
        expected = numpy_conv(x, to_numpy(layer.kernel), to_numpy(layer.bias), layer.time_layer)
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)

    out, mask = map(to_numpy, layer(*padded(arrays)))
    for row, expected in enumerate(alone):
        assert mask[row].sum() == len(expected)
        np.testing.assert_allclose(out[row, mask[row]], expected, rtol=1e-4, atol=1e-5)

    out, segments = map(to_numpy, layer(*packed(arrays, [layer.time_layer])))
    for slot, expected in enumerate(alone):
        np.testing.assert_allclose(out[segments == slot], expected, rtol=1e-4, atol=1e-5)


def test_grouped_convolution_is_its_definition():
    layer = MaskedConv1D(6, 3, groups=2, bias_initializer="random_normal")
    x = sequences()[1]
    out = to_numpy(layer(x[None]))[0]
    expected = numpy_conv(x, to_numpy(layer.kernel), to_numpy(layer.bias), layer.time_layer, groups=2)
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


def test_keras_drifts_with_the_padded_length_where_ours_does_not():
    """The check bites: stock Keras fails it for strided same convolution."""
    x = sequences((10,))[0]
    stock, ours = keras.layers.Conv1D(3, 3, strides=2, padding="same"), MaskedConv1D(3, 3, strides=2)
    longer = np.concatenate([x, np.zeros((1, 4), "float32")])
    assert not np.allclose(to_numpy(stock(x[None]))[0, :5], to_numpy(stock(longer[None]))[0, :5], rtol=1e-3)
    np.testing.assert_allclose(
        to_numpy(ours(x[None]))[0, :5], to_numpy(ours(longer[None]))[0, :5], rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(("size", "strides"), [(1, 1), (2, 2), (3, 1), (3, 2), (5, 3), (4, 4)])
@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling_is_over_the_real_frames_of_each_window(kind, size, strides):
    layer = (MaskedMaxPooling1D if kind == "max" else MaskedAveragePooling1D)(size, strides=strides)
    reduce = np.max if kind == "max" else np.mean
    arrays = sequences((1, *LENGTHS))
    left = TimeLayer(size, strides).left
    expected = [
        np.array(
            [
                reduce(x[max(0, p * strides - left) : p * strides - left + size], axis=0)
                for p in range(-(-len(x) // strides))
            ]
        )
        for x in arrays
    ]
    out, mask = map(to_numpy, layer(*padded(arrays)))
    packed_out, segments = map(to_numpy, layer(*packed(arrays, [layer.time_layer])))
    for index, (x, wanted) in enumerate(zip(arrays, expected, strict=True)):
        np.testing.assert_allclose(to_numpy(layer(x[None]))[0], wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(out[index, mask[index]], wanted, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(packed_out[segments == index], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["mean", "max"])
def test_global_pooling_sees_each_sequence_alone(kind):
    layer = MaskedGlobalAveragePooling1D() if kind == "mean" else MaskedGlobalMaxPooling1D()
    arrays = sequences((1, *LENGTHS))
    expected = np.array([getattr(x, kind)(axis=0) for x in arrays])
    np.testing.assert_allclose(to_numpy(layer(*padded(arrays))), expected, rtol=1e-5, atol=1e-6)
    features, segments = packed(arrays, [])
    pooled = to_numpy(layer(features, segments, num_slots=7))
    np.testing.assert_allclose(pooled[0, :5], expected, rtol=1e-5, atol=1e-6)
    assert (pooled[0, 5:] == 0).all()


@pytest.mark.parametrize(("segments", "given"), [(None, "no segments"), (np.ones((1, 4), bool), "a mask")])
def test_slots_without_segments_are_refused(segments, given):
    with pytest.raises(ValueError, match=f"num_slots=2 and {given}; which frame belongs to which slot"):
        MaskedGlobalMaxPooling1D()(np.ones((1, 4, 2), "float32"), segments, num_slots=2)


def test_batch_statistics_are_those_of_real_frames():
    arrays = sequences(channels=3)
    frames = np.concatenate(arrays).astype("float64")
    for features, segments in (padded(arrays), packed(arrays, [])):
        layer = MaskedBatchNormalization(momentum=0.5)
        out = to_numpy(layer(features, segments, training=True))
        is_real = segments if segments.dtype == bool else segments >= 0
        expected = (frames - frames.mean(0)) / np.sqrt(frames.var(0) + layer.epsilon)
        np.testing.assert_allclose(out[is_real], expected, rtol=1e-4, atol=1e-5)
        assert np.isfinite(out).all()
        np.testing.assert_allclose(to_numpy(layer.moving_mean), frames.mean(0) / 2, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(to_numpy(layer.moving_variance), 0.5 + frames.var(0) / 2, rtol=1e-5)


def test_variance_survives_a_large_mean_and_a_constant_channel():
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(1000, 1, 4000), np.full(4000, 1000.1)], axis=-1).astype("float32")
    features, mask = padded([x])
    layer = MaskedBatchNormalization(momentum=0.0)
    out = to_numpy(layer(features, mask, training=True))[mask]
    np.testing.assert_allclose(to_numpy(layer.moving_variance), x.astype("float64").var(0), rtol=1e-3, atol=1e-3)
    assert (to_numpy(layer.moving_variance) >= 0).all()
    assert abs(out[:, 0].std() - 1) < 2e-3
    assert np.abs(out[:, 1]).max() < 0.1


def test_normalization_at_inference_uses_the_moving_statistics():
    layer = MaskedBatchNormalization()
    features, mask = padded(sequences())
    before = to_numpy(layer(features, mask, training=False))
    np.testing.assert_allclose(before[mask], features[mask] / np.sqrt(1 + layer.epsilon), rtol=1e-5)


def test_feature_normalization_standardizes_and_keeps_constants_finite():
    layer = FeatureNormalization()
    features, mask = padded(sequences(channels=2))
    layer(features, mask)
    layer.adapt(np.array([1.0, 2.0]), np.array([4.0, 0.0]))
    out = to_numpy(layer(features, mask))
    np.testing.assert_allclose(out[mask], (features[mask] - [1, 2]) / [2, 1], rtol=1e-5, atol=1e-6)
    assert np.isfinite(out).all()


@pytest.mark.parametrize("bidirectional", [False, True])
def test_lstm_stops_at_the_end_of_each_sequence(bidirectional):
    layer = MaskedLSTM(5, bidirectional=bidirectional)
    arrays = sequences()
    features, mask = padded(arrays)
    out = to_numpy(layer(features, mask))
    for row, x in enumerate(arrays):
        np.testing.assert_allclose(out[row, mask[row]], to_numpy(layer(x[None]))[0], rtol=1e-4, atol=1e-5)


def test_layers_serve_in_a_functional_model_of_the_user(tmp_path):
    inputs = keras.Input((None, 4), name="features")
    mask = keras.Input((None,), dtype="bool", name="mask")
    x, out_mask = MaskedConv1D(8, 5, strides=2)(inputs, mask)
    x = MaskedBatchNormalization()(x, out_mask)
    x = keras.layers.Activation("relu")(x)
    x, out_mask = MaskedMaxPooling1D(2)(x, out_mask)
    outputs = keras.layers.Dense(3)(MaskedGlobalAveragePooling1D()(x, out_mask))
    model = keras.Model([inputs, mask], outputs)
    arrays = sequences()
    together = model.predict(list(padded(arrays)), verbose=0)
    alone = [model.predict([x[None], np.ones((1, len(x)), bool)], verbose=0)[0] for x in arrays]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(reloaded.predict(list(padded(arrays)), verbose=0), together, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: MaskedConv1D(4, 3, data_format="channels_first"), "channels_last"),
        (lambda: MaskedBatchNormalization(axis=1), "last axis"),
    ],
)
def test_layers_refuse_another_axis_order(make, match):
    with pytest.raises(ValueError, match=match):
        make()
