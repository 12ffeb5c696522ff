"""Pictures show the numbers: what lies in their axes is what the layers hold."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from support.kernel_cases import built

from seqconv.errors import ModelError, ShapeError
from seqconv.features import FeatureKind, extract_features
from seqconv.inspection import contributions, kernels
from seqconv.inspection.pictures import (
    draw_activations,
    draw_before_after,
    draw_channel_norms,
    draw_contributions,
    draw_filters,
    draw_responses,
    frequency_responses,
)
from seqconv.inspection.pictures.activations import activations
from seqconv.layers import MaskedConv1D, MaskedConv2D
from seqconv.models import build_model

MEL = FeatureKind(kind="log_mel", sample_rate=8000, n_fft=256, hop_length=80, n_mels=12)


def images(figure):
    return [image for axes in figure.get_axes() for image in axes.get_images()]


def shown(figure):
    return np.array([np.asarray(image.get_array()) for image in images(figure)])


def written(figure, tmp_path):
    figure.savefig(tmp_path / "x.png", dpi=40)
    return (tmp_path / "x.png").stat().st_size


def test_every_filter_is_a_tile_and_all_share_one_scale(tmp_path):
    layer = built(layers.Conv1D(7, 5), channels=3)
    figure = draw_filters(layer)
    np.testing.assert_array_equal(shown(figure), kernels(layer).transpose(0, 2, 1))
    limit = np.abs(kernels(layer)).max()
    assert {image.get_clim() for image in images(figure)} == {(-limit, limit)}
    assert all(image.origin == "lower" for image in images(figure))
    assert written(figure, tmp_path) > 1000


@pytest.mark.parametrize(("channels", "tiles"), [(1, 6), (3, 18), (20, 6)])
def test_two_axes_are_shown_upright_and_by_channel(channels, tiles):
    layer = built(layers.Conv2D(6, (3, 2)), 2, channels)
    figure, values = draw_filters(layer), kernels(layer)
    assert shown(figure).shape == (tiles, 3, 2)
    assert all(image.origin == "upper" for image in images(figure))
    expected = np.linalg.norm(values, axis=-1) if channels == 20 else values.transpose(0, 3, 1, 2).reshape(-1, 3, 2)
    np.testing.assert_array_equal(shown(figure), expected)


def test_kernels_of_size_one_are_a_matrix():
    layer = built(layers.Conv1D(7, 1), channels=3)
    (matrix,) = shown(draw_filters(layer))
    np.testing.assert_array_equal(matrix, layer.get_weights()[0][0])


def test_the_first_layer_on_log_mel_has_milliseconds_and_hertz():
    layer = built(MaskedConv1D(4, 5, dilation_rate=2), channels=12)
    labeled = [axes for axes in draw_filters(layer, MEL).get_axes() if axes.get_xlabel()]
    (corner,) = labeled
    assert (corner.get_xlabel(), corner.get_ylabel()) == ("ms", "Hz")
    assert corner.get_xticks().tolist() == [-40, 40]
    # 1000 Hz is 15 mels, and 12 bands lie evenly between 0 and 35.2 mels.
    place = dict(zip([text.get_text() for text in corner.get_yticklabels()], corner.get_yticks(), strict=True))["1k"]
    top = 15 + 27 * np.log(4) / np.log(6.4)
    assert place == pytest.approx(15 / (top / 13) - 1, abs=0.05)


@pytest.mark.parametrize("channels", [1, 2])
def test_kernels_over_bands_have_time_to_the_right_and_bands_upwards(channels, tmp_path):
    layer = built(MaskedConv2D(3, (5, 2), dilation_rate=(2, 1)), 2, channels)
    figure, values = draw_filters(layer, MEL), kernels(layer)
    expected = values.transpose(0, 3, 2, 1).reshape(-1, 2, 5)
    np.testing.assert_array_equal(shown(figure), expected)
    assert all(image.origin == "lower" for image in images(figure))
    (corner,) = [axes for axes in figure.get_axes() if axes.get_xlabel()]
    assert (corner.get_xlabel(), corner.get_xticks().tolist()) == ("ms", [-40, 40])
    # The band next to 1000 Hz, and the distance of the one above it.
    near = np.abs(MEL.axis - 1000).argmin()
    assert corner.get_ylabel() == f"Hz from {MEL.axis[near]:.0f}"
    assert [text.get_text() for text in corner.get_yticklabels()] == [
        "0",
        f"+{MEL.axis[near + 1] - MEL.axis[near]:.0f}",
    ]
    assert written(figure, tmp_path) > 1000
    (plain,) = [axes for axes in draw_filters(layer).get_axes() if axes.get_xlabel()]
    assert (plain.get_xlabel(), plain.get_ylabel()) == ("frames", "bands")


def test_before_and_after_stand_side_by_side_on_one_scale():
    before, after = built(layers.Conv1D(4, 3), channels=2), built(layers.Conv1D(4, 3), channels=2)
    after.set_weights([2 * weight for weight in after.get_weights()])
    figure = draw_before_after(before, after)
    both = np.concatenate([kernels(before), kernels(after)]).transpose(0, 2, 1)
    order = sorted(range(8), key=lambda i: images(figure)[i].axes.get_subplotspec().colspan.start > 4)
    drawn = shown(figure)[order]
    assert sorted(map(np.sum, drawn)) == pytest.approx(sorted(map(np.sum, both)))
    assert {image.get_clim()[1] for image in images(figure)} == {np.abs(both).max()}
    assert "changed by 100% of its norm" in figure.get_suptitle()
    with pytest.raises(ModelError, match="not the same layer before and after"):
        draw_before_after(before, built(layers.Conv1D(5, 3), channels=2))


@pytest.mark.parametrize(
    "layer", [layers.Conv1D(6, 3), layers.Conv1D(6, 3, groups=2), layers.DepthwiseConv1D(3, depth_multiplier=2)]
)
def test_norms_are_those_of_each_input_channel(layer):
    layer = built(layer)
    kernel = layer.get_weights()[0]
    if getattr(layer, "groups", 1) == 2:
        kernel = np.concatenate([kernel[..., :3], kernel[..., 3:]], axis=1)
    heights = [bar.get_height() for bar in draw_channel_norms(layer).get_axes()[0].patches]
    np.testing.assert_allclose(heights, np.sqrt((kernel**2).sum(axis=(0, 2))), rtol=1e-5)


def test_the_response_of_a_filter_is_what_it_does_to_a_sine():
    """Over samples, and over frames of them that overlap."""
    rate, hop, size = 8000, 4, 12
    layer = built(layers.Conv1D(2, 3, use_bias=False), channels=size)
    frequencies, decibels = frequency_responses(layer, rate, hop_length=hop)
    chosen = 96
    wave = np.sin(2 * np.pi * frequencies[chosen] / rate * np.arange(4000))
    settings = {"kind": "waveform", "sample_rate": rate, "n_fft": size, "hop_length": hop}
    outputs = np.asarray(ops.convert_to_numpy(layer(extract_features(wave, rate, settings)[None])))[0]
    amplitude = np.sqrt(2 * (outputs[20:-20].astype(float) ** 2).mean(axis=0))
    np.testing.assert_allclose(20 * np.log10(amplitude), decibels[:, chosen], atol=0.1)


def test_the_picture_of_responses_is_ordered_by_frequency():
    taps = np.arange(64)
    layer = built(layers.Conv1D(3, 64, use_bias=False), channels=1)
    tones = [np.sin(2 * np.pi * tone / 8000 * taps) for tone in (3000, 500, 1500)]
    layer.set_weights([np.stack(tones, axis=-1)[:, None]])
    (drawn,) = shown(draw_responses(layer, 8000))
    best = np.linspace(0, 4000, drawn.shape[1])[drawn.argmax(axis=1)]
    assert best == pytest.approx([500, 1500, 3000], abs=40)
    assert drawn.max(axis=1) == pytest.approx([0, 0, 0])


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    blocks = [{"filters": 6, "kernel_size": 5}, {"filters": 4, "strides": 2}, {"type": "gru", "units": 3}]
    return build_model({"blocks": blocks, "pooling": ["mean", "max"]}, num_features=12, num_outputs=3)


@pytest.fixture
def features(rng):
    return rng.normal(size=(30, 12)).astype("float32")


def test_activations_are_what_leaves_each_layer(model, features):
    found = activations(model, features)
    assert {name: (values.shape, stride) for name, (values, stride) in found.items()} == {
        "block0_conv": ((30, 6), 1),
        "block1_conv": ((15, 4), 2),
        "block2_gru": ((15, 3), 2),
    }
    assert found["block0_conv"][0].min() == 0
    figure = draw_activations(model, features, MEL, title="a.wav")
    drawn = {
        axes.get_title(): axes.get_images()[0] for axes in figure.get_axes() if axes.get_images() and axes.get_title()
    }
    np.testing.assert_array_equal(drawn["a.wav"].get_array(), features.T)
    np.testing.assert_array_equal(drawn["block2_gru: 3 values a frame, stride 2"].get_array(), found["block2_gru"][0].T)
    assert drawn["block2_gru: 3 values a frame, stride 2"].get_extent()[:2] == pytest.approx([-0.005, 0.295])
    with pytest.raises(ShapeError, match="one sequence"):
        activations(model, features[None])


def test_frames_with_bands_are_drawn_channel_by_channel(features):
    blocks = [
        {"type": "to_bands"},
        {"type": "conv2d", "filters": 3, "strides": [2, 3], "norm": "none"},
        {"type": "from_bands"},
        {"filters": 2},
    ]
    model = build_model({"blocks": blocks}, num_features=12, num_outputs=2)
    found = activations(model, features)
    values, stride = found["block1_conv"]
    assert (values.shape, stride) == ((15, 3 * 4), 2)
    part = keras.Model(model.inputs[0], model.get_layer("block1_relu").output)
    expected = keras.ops.convert_to_numpy(part(features[None]))[0]
    for channel, band in np.ndindex(3, 4):
        np.testing.assert_allclose(values[:, channel * 4 + band], expected[:, band, channel], rtol=1e-5, atol=1e-5)
    assert len(draw_activations(model, features, MEL).get_axes()) >= 3


def test_contributions_are_drawn_frame_by_frame_under_the_features(model, features):
    found = contributions(model, features)
    upper, lower = draw_contributions(found, features, MEL).get_axes()
    np.testing.assert_array_equal(upper.get_images()[0].get_array(), features.T)
    lines = np.array(lower.collections[0].get_segments())
    np.testing.assert_allclose(lines[:, 0, 0], found.positions * 0.01)
    np.testing.assert_allclose(lines[:, 1, 1], found.frames)
    assert f"logit {found.logit:.2f} (exact)" in lower.get_title()
    assert upper.get_xlim() == lower.get_xlim()


def test_no_picture_touches_the_state_of_pyplot(model, features):
    from matplotlib import pyplot

    draw_activations(model, features)
    assert pyplot.get_fignums() == []


def test_a_model_within_a_model_is_told(features):
    inner = keras.Sequential([keras.Input((None, 12)), layers.Conv1D(3, 3)], name="inner")
    outer = keras.Sequential([keras.Input((None, 12)), inner, layers.GlobalAveragePooling1D(), layers.Dense(2)])
    with pytest.raises(ModelError, match="holds another model"):
        activations(outer, features)
    with pytest.raises(ModelError, match="holds another model"):
        contributions(outer, features)
