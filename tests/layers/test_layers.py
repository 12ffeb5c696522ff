"""Properties of layers outside their definition: long sums, ends of sequences, models of the user, refusals."""

import keras
import numpy as np
import pytest
from support.rows import assert_close, packed, padded, sequences, to_numpy

from seqconv.layers import (
    FeatureNormalization,
    MaskedBatchNormalization,
    MaskedConv1D,
    MaskedDepthwiseConv1D,
    MaskedGeneralizedMeanPooling1D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
    MaskedGroupNormalization,
    MaskedLengthChannel,
    MaskedLogSumExpPooling1D,
    MaskedMaxPooling1D,
    MaskedSpatialDropout1D,
    MaskedSqueezeExcite,
    StochasticDepth,
)


@pytest.mark.parametrize(("segments", "given"), [(None, "no segments"), (np.ones((1, 4), bool), "a mask")])
def test_slots_without_segments_are_refused(segments, given):
    with pytest.raises(ValueError, match=f"num_slots=2 and {given}; which frame belongs to which slot"):
        MaskedGlobalMaxPooling1D()(np.ones((1, 4, 2), "float32"), segments, num_slots=2)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_mask_of_numbers_is_no_mask(dtype):
    with pytest.raises(ValueError, match=f"a boolean mask, or integers: .* got {dtype}.* pass mask > 0"):
        MaskedConv1D(3, 3)(np.ones((1, 4, 2), "float32"), np.ones((1, 4), dtype))


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


def test_feature_normalization_keeps_constants_finite():
    layer = FeatureNormalization()
    features, mask = padded(sequences(channels=2))
    layer(features, mask)
    layer.adapt(np.array([1.0, 2.0]), np.array([4.0, 0.0]))
    out = to_numpy(layer(features, mask))
    np.testing.assert_allclose(out[mask], (features[mask] - [1, 2]) / [2, 1], rtol=1e-5, atol=1e-6)
    assert np.isfinite(out).all()


@pytest.mark.parametrize(("make", "width"), [(MaskedSpatialDropout1D, 4), (StochasticDepth, 1)])
def test_noise_of_a_sequence_is_one_for_all_its_frames_and_its_own(make, width):
    arrays = [np.ones((length, 4), "float32") for length in [5] * 200]
    features, segments = packed(arrays, rows=2)
    layer = make(0.5, seed=0)
    out = to_numpy(layer(features, segments, num_slots=100, training=True))
    drawn = np.array([np.unique(out[row][segments[row] == slot], axis=0) for row in (0, 1) for slot in range(100)])
    assert drawn.shape == (200, 1, 4), "all frames of a sequence are alike"
    assert set(np.unique(drawn)) == {0.0, 2.0}
    assert 70 < (drawn[:, 0, 0] == 0).sum() < 130
    assert (len(np.unique(drawn[:, 0], axis=0)) > 2) == (width > 1)
    assert np.isfinite(out).all()
    np.testing.assert_array_equal(to_numpy(layer(features, segments, num_slots=100))[0, :5], 1)


def test_layers_serve_in_a_functional_model_of_the_user(tmp_path):
    inputs = keras.Input((None, 4), name="features")
    mask = keras.Input((None,), dtype="bool", name="mask")
    x, out_mask = MaskedConv1D(8, 5, strides=2)(inputs, mask)
    x = MaskedBatchNormalization()(x, out_mask)
    x = keras.layers.Activation("relu")(x)
    x, out_mask = MaskedMaxPooling1D(2)(x, out_mask)
    outputs = keras.layers.Dense(3)(MaskedGlobalAveragePooling1D()(x, out_mask))
    model = keras.Model([inputs, mask], outputs)
    arrays = [x.astype("float32") for x in sequences()]
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
        (lambda: MaskedDepthwiseConv1D(3, data_format="channels_first"), "channels_last"),
        (lambda: MaskedDepthwiseConv1D(3, padding="full"), "'same', 'causal' or 'valid', got 'full'"),
        (lambda: MaskedMaxPooling1D(2, padding="valid"), "'same' or 'causal', got 'valid'"),
        (lambda: MaskedBatchNormalization(axis=1), "last axis"),
        (lambda: MaskedGroupNormalization(0), "at least 1, or -1"),
        (lambda: MaskedGroupNormalization(3).build((None, None, 4)), "4 channels cannot be divided into 3 groups"),
        (lambda: MaskedSqueezeExcite(0), "reduction must be at least 1, got 0"),
        (lambda: MaskedLengthChannel(0), "reference must be above 0, got 0"),
        (lambda: MaskedLogSumExpPooling1D(0.0), "sharpness must be above 0"),
        (lambda: MaskedGeneralizedMeanPooling1D(-1.0), "power must be above 0, got -1"),
        (lambda: StochasticDepth(1.0), "at least 0 and below 1, got 1"),
    ],
)
def test_arguments_that_cannot_be_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize("num_slots", [40, 200])
def test_many_slots_in_a_row_are_pooled_alike(num_slots):
    arrays = sequences([1 + index % 7 for index in range(40)])
    features, segments = packed(arrays)
    for layer, definition in ((MaskedGlobalAveragePooling1D, np.mean), (MaskedGlobalMaxPooling1D, np.max)):
        out = to_numpy(layer(dtype="float64")(features, segments, num_slots=num_slots))[0]
        assert_close(out[:40], np.array([definition(x, axis=0) for x in arrays]))
        np.testing.assert_array_equal(out[40:], 0)
