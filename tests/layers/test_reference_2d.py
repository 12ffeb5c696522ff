"""Every layer over time and bands against loops in NumPy: alone, padded and packed, NaN where nothing may look."""

import keras
import numpy as np
import pytest
from support import reference
from support.rows import LENGTHS, answers, assert_close, sequences, shake

from seqconv.layers import (
    LayerScale,
    MaskedAveragePooling2D,
    MaskedBandPooling,
    MaskedBatchNormalization,
    MaskedConv2D,
    MaskedDepthwiseConv2D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
    MaskedGroupNormalization,
    MaskedLayerNormalization,
    MaskedMaxPooling2D,
    MaskedRelativeSelfAttention,
    MaskedSequenceStandardization,
    MaskedSqueezeExcite,
    SplitBands,
)

DOUBLE = {"dtype": "float64"}
BANDS, CHANNELS = 5, 2
# Kernel, strides, dilation: of time and of bands.
AXES = [
    ((1, 1), (1, 1), (1, 1)),
    ((1, 1), (2, 3), (1, 1)),
    ((3, 3), (1, 1), (1, 1)),
    ((3, 3), (2, 2), (1, 1)),
    ((2, 4), (3, 1), (1, 1)),
    ((5, 2), (1, 2), (1, 1)),
    ((1, 3), (2, 4), (1, 1)),
    ((3, 1), (1, 2), (1, 1)),
    ((3, 2), (1, 1), (3, 1)),
    ((2, 3), (1, 1), (1, 2)),
    ((3, 2), (1, 1), (2, 3)),
]
FRAMES = np.ones((1, 4, 2, 1), "float32")
PADDINGS = ["same", "causal", "valid"]


def check(layer, definition, channels=CHANNELS, bands=BANDS, lengths=LENGTHS):
    """The definition, of `(time, bands, channels)`, holds for each sequence in each layout."""
    time = getattr(layer, "time_layer", None)
    shortest = time.span if time is not None and time.padding == "valid" else 1
    lengths = [length for length in (*lengths, shortest) if length >= shortest]
    # A batch holds float32.
    arrays = [x.astype("float32").astype("float64") for x in sequences(lengths, bands * channels)]
    expected = [definition(x.reshape(len(x), bands, channels)).reshape(-1) for x in arrays]
    for layout, found in answers(layer, arrays, num_bands=bands):
        for index, (ours, wanted) in enumerate(zip(found, expected, strict=True)):
            assert_close(ours.reshape(-1), wanted, f"{layout}, sequence {index} of {len(arrays[index])} frames")


def built(layer, channels=CHANNELS):
    return shake(layer, channels, bands=(BANDS,))


def arguments(axes):
    return dict(zip(("kernel_size", "strides", "dilation_rate"), axes, strict=True))


@pytest.mark.parametrize("band_padding", ["same", "valid"])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("axes", AXES, ids=str)
def test_convolution(axes, padding, band_padding):
    if band_padding == "valid" and (axes[0][1] - 1) * axes[2][1] >= BANDS:
        pytest.skip("the kernel has more bands than there are")
    for groups in (1, 2):
        layer = MaskedConv2D(4, padding=padding, band_padding=band_padding, groups=groups, **arguments(axes), **DOUBLE)
        w = reference.weights(built(layer))
        time, bands = layer.time_layer, layer.band_layer
        check(
            layer,
            lambda x, w=w, time=time, bands=bands, groups=groups: reference.conv_2d(
                x, w["kernel"], w["bias"], time, bands, groups
            ),
        )


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("axes", AXES, ids=str)
def test_depthwise_convolution(axes, padding):
    layer = built(MaskedDepthwiseConv2D(padding=padding, depth_multiplier=2, **arguments(axes), **DOUBLE))
    w, read = reference.weights(layer), (layer.time_layer, layer.band_layer)
    check(layer, lambda x: reference.depthwise_conv_2d(x, w["kernel"], *read) + w["bias"])


@pytest.mark.parametrize("band_padding", ["same", "valid"])
@pytest.mark.parametrize("padding", ["same", "causal"])
@pytest.mark.parametrize(
    ("size", "strides"), [(1, (2, 1)), (2, None), ((3, 2), (2, 1)), ((2, 3), (1, 2)), ((4, 1), None), ((1, 5), (1, 1))]
)
@pytest.mark.parametrize(("make", "reduce"), [(MaskedMaxPooling2D, np.max), (MaskedAveragePooling2D, np.mean)])
def test_pooling(make, reduce, size, strides, padding, band_padding):
    layer = make(size, strides=strides, padding=padding, band_padding=band_padding, **DOUBLE)
    check(layer, lambda x: reference.pool_2d(x, layer.time_layer, layer.band_layer, reduce))


@pytest.mark.parametrize(
    ("layer", "definition"),
    [
        (MaskedBandPooling("mean", **DOUBLE), lambda x: x.mean(axis=1)),
        (MaskedBandPooling("max", **DOUBLE), lambda x: x.max(axis=1)),
        (MaskedBandPooling("flatten", **DOUBLE), lambda x: np.array([[*frame.reshape(-1)] for frame in x])),
        (MaskedGlobalAveragePooling1D(**DOUBLE), lambda x: x.mean(axis=(0, 1))),
    ],
    ids=["mean", "max", "flatten", "global mean"],
)
def test_pooling_of_bands(layer, definition):
    check(layer, definition)


def test_features_become_bands():
    layer = SplitBands(4, **DOUBLE)
    x = np.arange(2 * 12.0).reshape(2, 12)
    found = keras.ops.convert_to_numpy(layer(x[None]))[0]
    for t, band, channel in np.ndindex(2, 4, 3):
        assert found[t, band, channel] == x[t, channel * 4 + band]


@pytest.mark.parametrize(
    ("layer", "definition"),
    [
        (MaskedBatchNormalization(**DOUBLE), reference.batch_norm),
        (MaskedLayerNormalization(**DOUBLE), reference.layer_norm_of_bands),
        (MaskedGroupNormalization(2, **DOUBLE), lambda x, w: reference.group_norm_of_bands(x, w, 2)),
        (MaskedGroupNormalization(-1, **DOUBLE), lambda x, w: reference.group_norm_of_bands(x, w, 4)),
        (MaskedSqueezeExcite(2, **DOUBLE), reference.squeeze_excite_of_bands),
        (LayerScale(0.5, **DOUBLE), lambda x, w: x * w["gamma"]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_layer_that_keeps_frames(layer, definition):
    w = reference.weights(built(layer, 4))
    check(layer, lambda x: definition(x, w), channels=4)


def test_batch_statistics_in_training_are_over_frames_and_bands():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(3, 2, size=(length, BANDS, CHANNELS)) for length in LENGTHS]
    features = np.full((1, sum(LENGTHS) + 3 * len(LENGTHS), BANDS, CHANNELS), np.nan)
    segments, start, values = np.full(features.shape[:2], -1, "int32"), 2, np.concatenate(arrays)
    for slot, array in enumerate(arrays):
        features[0, start : start + len(array)], segments[0, start : start + len(array)] = array, slot
        start += len(array) + 3
    layer = MaskedBatchNormalization(momentum=0.5, **DOUBLE)
    out = keras.ops.convert_to_numpy(layer(features, segments, training=True))
    expected = (values - values.mean(axis=(0, 1))) / np.sqrt(values.var(axis=(0, 1)) + 1e-3)
    assert_close(out[segments >= 0], expected)
    assert (out[segments < 0] == 0).all()
    assert_close(keras.ops.convert_to_numpy(layer.moving_mean.value), values.mean(axis=(0, 1)) / 2)
    assert_close(keras.ops.convert_to_numpy(layer.moving_variance.value), 0.5 + values.var(axis=(0, 1)) / 2)


@pytest.mark.parametrize("make", [MaskedConv2D, MaskedDepthwiseConv2D], ids=["ordinary", "depthwise"])
def test_a_layer_may_meet_fewer_frames_and_bands_than_its_kernel_first(make):
    x = np.ones((1, 2, 2, 1), "float32")
    options = {"filters": 1} if make is MaskedConv2D else {}
    layer = make(kernel_size=(5, 4), **options)
    assert layer(x).shape == (1, 2, 2, 1)
    assert layer(np.ones((1, 9, 2, 1), "float32")).shape == (1, 9, 2, 1)


def test_a_functional_model_answers_alike_in_every_layout_and_after_loading(tmp_path):
    features, segments = keras.Input((None, 6, 1)), keras.Input((None,), dtype="int32")
    x, kept = MaskedConv2D(3, (3, 3), strides=(2, 1), use_bias=False)(features, segments)
    x = keras.layers.Activation("gelu")(MaskedBatchNormalization()(x, kept))
    x, kept = MaskedAveragePooling2D((2, 2))(x, kept)
    x, kept = MaskedDepthwiseConv2D((3, 1), padding="causal")(x, kept)
    frames = MaskedBandPooling("flatten")(x, kept)
    model = keras.Model([features, segments], [keras.layers.Dense(2)(frames), kept])
    model.save(tmp_path / "own.keras")
    arrays = [np.random.default_rng(n).normal(size=(n, 6, 1)).astype("float32") for n in (9, 1, 14)]
    alone = [keras.ops.convert_to_numpy(model([x[None], np.zeros((1, len(x)), "int32")])[0])[0] for x in arrays]
    row, slots = np.full((1, 60, 6, 1), np.nan, "float32"), np.full((1, 60), -1, "int32")
    # Starts are multiples of the total stride, and gaps wider than any kernel reaches.
    for slot, (start, x) in enumerate(zip((4, 24, 36), arrays, strict=True)):
        row[0, start : start + len(x)], slots[0, start : start + len(x)] = x, slot
    for each in (model, keras.saving.load_model(tmp_path / "own.keras")):
        outputs, kept = map(keras.ops.convert_to_numpy, each([row, slots]))
        for slot, expected in enumerate(alone):
            np.testing.assert_allclose(outputs[kept == slot], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MaskedMaxPooling2D((2, 2, 2)), r"pool_size must be a whole number from 1, or two.*got \(2, 2, 2\)"),
        (lambda: MaskedMaxPooling2D(2.5), r"pool_size must be a whole number from 1, or two.*got 2\.5"),
        (lambda: MaskedMaxPooling2D(2, padding="valid"), "padding must be 'same' or 'causal', got 'valid'"),
        (lambda: MaskedConv2D(2, 3, band_padding="causal"), "band_padding must be 'same' or 'valid'.*got 'causal'"),
        (lambda: MaskedConv2D(2, 3, padding="full"), "padding must be 'same', 'causal' or 'valid', got 'full'"),
        (lambda: MaskedBandPooling("sum"), "mode must be 'mean', 'max' or 'flatten', got 'sum'"),
        (lambda: SplitBands(0), "num_bands must be at least 1, got 0"),
        (lambda: SplitBands(3)(np.zeros((1, 2, 4))), "4 features cannot be channels of 3 bands"),
        (lambda: MaskedConv2D(2, 3)(np.zeros((1, 9, 4))), "expected min_ndim=4, found ndim=3"),
        (lambda: MaskedMaxPooling2D(2)(np.zeros((1, 9, 4))), "expected ndim=4, found ndim=3"),
        (lambda: MaskedBatchNormalization()(keras.Input((None, None, 4))), "unknown number of bands"),
        (lambda: MaskedConv2D(2, 3, strides=2)(keras.Input((None, None, 4))), "need a known number of bands"),
        (lambda: MaskedConv2D(2, 3, band_padding="valid")(FRAMES), "2 bands are fewer than the 3 that a kernel"),
        (lambda: MaskedMaxPooling2D(3)(FRAMES), "2 bands are fewer than the 3 that a kernel or window reads"),
        (lambda: MaskedGlobalMaxPooling1D()(FRAMES), r"takes \(batch, time, channels\), got \(1, 4, 2, 1\). Put"),
        (lambda: MaskedSequenceStandardization()(FRAMES), r"takes \(batch, time, channels\), got \(1, 4, 2, 1\)"),
        (lambda: MaskedRelativeSelfAttention(1)(FRAMES), "expected ndim=3, found ndim=4"),
        (lambda: MaskedRelativeSelfAttention(0), "num_heads must be at least 1, got 0"),
        (lambda: MaskedBandPooling("flatten")(keras.Input((None, None, 4))), "unknown number of bands cannot be"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
