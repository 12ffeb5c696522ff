"""Blocks over time and bands: what they compute, what they refuse, and how they follow each other."""

from typing import ClassVar, Literal

import keras
import numpy as np
import pytest
from support.registries import registered
from support.training_data import classified, quick

import seqconv
from seqconv.config import load_config
from seqconv.errors import ConfigError
from seqconv.features import FeatureKind, extract_features
from seqconv.inspection import describe, explain
from seqconv.layers import SplitBands
from seqconv.models import build_model, load_model
from seqconv.models.blocks import Block
from seqconv.prediction.streaming.network import values_per_frame
from seqconv.prediction.streaming.running import running_answers
from seqconv.prediction.streaming.whole import ChunkRunner

BEGIN, CONV = {"type": "to_bands"}, {"type": "conv2d", "filters": 4}
END, OVER_TIME = {"type": "from_bands"}, {"filters": 4}
FRONT = [
    BEGIN,
    {"type": "conv2d", "filters": 4, "kernel_size": [5, 3], "strides": [2, 1], "repeat": 2},
    {"type": "average_pool2d", "pool_size": [1, 2]},
    {"type": "residual2d", "filters": 6, "strides": [1, 2]},
    {"type": "broadcast_residual", "filters": 8, "band_strides": 2, "dilation_rate": 2, "repeat": 2},
    {"type": "from_bands", "bands": "flatten"},
]


def build(*blocks, num_features=16, **options):
    return build_model({"blocks": list(blocks), **options}, num_features=num_features, num_outputs=2)


def shaken(model, seed=0):
    rng = np.random.default_rng(seed)
    model.set_weights([w + 0.3 * np.abs(rng.normal(size=w.shape)) for w in model.get_weights()])
    return model


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            [CONV, END],
            r"blocks\.0: 'conv2d' reads time and bands, but.*the features has no bands: put \{type: to_bands\}",
        ),
        (
            [BEGIN, CONV | {"strides": [2, 1, 1]}, END],
            r"strides: expected a whole number or at most 2 of them, got \[2, 1,",
        ),
        (
            [BEGIN, CONV | {"strides": [2]}, END],
            r"blocks\.1\.strides: expected a whole number or at least 2 of them, got \[",
        ),
        ([END], r"blocks\.0: 'from_bands' reads time and bands.*put \{type: to_bands\} before it"),
        (
            [OVER_TIME, CONV, END],
            r"blocks\.1: 'conv2d' reads time and bands, but.*blocks\.0 \('conv'\) has no bands.*to the front",
        ),
        ([OVER_TIME, BEGIN, END], r"blocks\.1: 'to_bands' makes bands of features.*Make it the first block"),
        (
            [BEGIN, CONV],
            r"'conv2d', returns \(time, bands, channels\).*\{type: from_bands, bands: mean\}, or max or flatten",
        ),
        ([BEGIN, CONV, OVER_TIME], r"blocks\.2: 'conv' reads frames without bands, but blocks\.1 \('conv2d'\)"),
        ([BEGIN, {"type": "max_pool"}, END], r"blocks\.1: 'max_pool' reads frames without bands"),
        ([{"type": "to_bands", "channels": 3}, END], r"blocks\.0\.channels: 16 features cannot be 3 channels"),
        ([BEGIN, {"type": "max_pool2d", "pool_size": [1, 17]}, END], r"blocks\.1: 16 bands arrive, fewer than"),
        (
            [BEGIN, {**CONV, "kernel_size": [1, 9], "band_padding": "valid", "repeat": 3}, END],
            r"blocks\.1: 16 bands arrive, fewer than its kernels or windows read\. Set band_padding to same",
        ),
        (
            [BEGIN, {**CONV, "strides": 2, "dilation_rate": [2, 1]}, END],
            r"strides=2 and dilation_rate=\(2, 1\) cannot both",
        ),
        ([BEGIN, {**CONV, "kernel_size": [3, 0]}, END], r"blocks\.1\.kernel_size.*at least 1"),
        ([BEGIN, {**CONV, "groups": 4}, END], r"blocks\.1\.groups: 4 groups cannot share 1 input channels"),
    ],
)
def test_what_cannot_follow_is_refused_by_name(blocks, message):
    with pytest.raises(ConfigError, match=message):
        build(*blocks)


def test_the_refusal_of_flatten_names_what_may_be_flattened():
    with pytest.raises(
        ConfigError, match=r"flatten.*Bands of a frame.*may be flattened: \{type: from_bands, bands: flatten\}"
    ):
        build(OVER_TIME, pooling="flatten")


def test_derivatives_beside_a_spectrum_become_channels():
    model = build({"type": "to_bands", "channels": 3}, END, num_features=12)
    assert [row.output for row in describe(model)][:3] == ["(T, 12)", "(T, 4, 3)", "(T, 3)"]
    wide = build({"type": "to_bands", "channels": 3}, {"type": "from_bands", "bands": "flatten"}, num_features=12)
    assert describe(wide)["block1_flatten"].output == "(T, 12)"


def test_channels_of_log_mel_with_derivatives_are_the_spectrum_and_its_derivatives():
    options = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 8}
    samples = np.random.default_rng(0).normal(size=4000).astype("float32")
    plain, both = (extract_features(samples, 8000, FeatureKind(**options, delta=delta)) for delta in (0, 2))
    split = keras.ops.convert_to_numpy(SplitBands(8)(both[None]))[0]
    assert split.shape == (len(plain), 8, 3)
    np.testing.assert_array_equal(split[..., 0], plain)
    np.testing.assert_array_equal(split[..., 2], both[:, 16:])


def test_blocks_over_bands_say_how_they_read_time_and_bands():
    keras.utils.set_random_seed(0)
    model = shaken(build(*FRONT, OVER_TIME, num_features=64, defaults={"norm": "none", "activation": "linear"}))
    assert model.time_geometry == model.config.time_geometry
    assert (model.total_stride, model.packable, model.chunkable) == (2, True, True)
    table = describe(model)
    assert table["block3_body1_conv"].output == "(ceil(T/2), 16, 6)"
    assert table["block5_flatten"].output == "(ceil(T/2), 64)"
    x = np.random.default_rng(0).normal(size=(1, 60, 64)).astype("float32")
    for name in ("block1_0_conv", "block1_1_conv", "block2_average_pool2d", "block3_body1_conv"):
        part = keras.Model(model.inputs[0], model.get_layer(name).output)
        before = keras.ops.convert_to_numpy(part(x))
        place = (0, before.shape[1] // 2, before.shape[2] // 2)
        seen = []
        for axis in (1, 2):
            moved = np.repeat(x, x.shape[axis], axis=0)
            np.moveaxis(moved, axis, 1)[np.arange(x.shape[axis]), np.arange(x.shape[axis])] += 1
            change = keras.ops.convert_to_numpy(part(moved))[:, place[1], place[2]] - before[place]
            # Above rounding.
            seen.append(int((np.abs(change).max(axis=-1) > 1e-5 * np.abs(before).max()).sum()))
        assert table[name].receptive_field == tuple(seen), name


def test_a_broadcast_residual_block_is_what_its_paper_says():
    keras.utils.set_random_seed(0)
    block = {"type": "broadcast_residual", "filters": 4, "repeat": 2, "norm": "none", "kernel_size": [3, 3]}
    model = shaken(build(BEGIN, block, END, pooling="frames", num_features=6))
    layers = {layer.name: layer for layer in model.stack.layers()}

    def run(name, x):
        return layers[f"block1_{name}"](x)

    x = model.feature_normalization(np.random.default_rng(1).normal(size=(1, 9, 6)).astype("float32"))[..., None]
    x = keras.ops.relu(run("0_transition_conv", x))
    for copy in (0, 1):
        over_bands = run(f"{copy}_bands_conv", x)
        mean = keras.ops.mean(over_bands, axis=2, keepdims=True)
        over_time = run(f"{copy}_mixing_conv", keras.ops.silu(run(f"{copy}_time_conv", mean)))
        x = keras.ops.relu(over_bands + over_time + (x if copy else 0))
    expected = layers["logits"](keras.ops.mean(x, axis=2))
    found = model(np.random.default_rng(1).normal(size=(1, 9, 6)).astype("float32"))
    np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (found, expected)), rtol=1e-5, atol=1e-6)
    shapes = {name: tuple(layer.weights[0].shape) for name, layer in layers.items() if name.endswith("_conv")}
    assert shapes["block1_1_bands_conv"] == (1, 3, 4, 1)
    assert shapes["block1_1_time_conv"] == (3, 1, 4, 1)


@pytest.mark.parametrize("name", ["block1_0_conv", "block3_body0_conv", "block3_shortcut_conv", "block4_0_bands_conv"])
def test_layers_over_bands_are_explained_and_their_sums_are_right(name):
    model = shaken(build(*FRONT, OVER_TIME))
    explanation = explain(model, name)
    assert explanation.check.difference < 1e-5
    assert "(T, F, " in str(explanation)
    assert ("number of bands" in str(explanation)) == (name != "block1_0_conv")


def test_chunks_and_running_answers_are_those_of_the_whole():
    model = shaken(build(*FRONT, {**OVER_TIME, "padding": "causal"}))
    x = np.random.default_rng(0).normal(size=(301, 16)).astype("float32")
    whole = keras.ops.convert_to_numpy(model(x[None]))[0]
    pieces = np.split(x, [7, 100, 103])
    answer = ChunkRunner(model, chunk_frames=40, fill=np.nan).answer(pieces)
    np.testing.assert_allclose(answer.logits, whole, rtol=1e-4, atol=1e-5)
    *_, last = running_answers(model, iter(pieces), every=50, fill=np.nan)
    assert last.is_final
    np.testing.assert_allclose(last.logits, whole, rtol=1e-4, atol=1e-5)


def test_memory_of_a_chunk_counts_bands():
    front = [BEGIN, {**CONV, "filters": 8}]
    assert values_per_frame(build(*front, END, num_features=40)) == 8 * 40
    assert (
        values_per_frame(build(*front, {"type": "max_pool2d"}, {**CONV, "filters": 8}, END, num_features=40)) == 8 * 40
    )


def test_a_model_over_bands_trains_saves_and_predicts(tmp_path):
    rng = np.random.default_rng(0)
    labels = ["low", "high"] * 20
    # One of two bands is loud, for five frames anywhere.
    arrays = []
    for label in labels:
        x = rng.normal(scale=0.3, size=(rng.integers(8, 30), 8)).astype("float32")
        start = rng.integers(0, len(x) - 5)
        x[start : start + 5, 1 if label == "low" else 6] += 2.0
        arrays.append(x)
    model = {
        "blocks": [
            BEGIN,
            {**CONV, "filters": 8, "strides": [1, 2], "spatial_dropout": 0.1},
            {**END, "bands": "flatten"},
        ],
        "pooling": ["max"],
    }
    config = quick(model=model, training={"epochs": 8, "learning_rate": 0.02})
    run = seqconv.train(config, tmp_path / "run", train_data=seqconv.Sequences(arrays, labels))
    loaded = load_model(run.path)
    assert loaded.config.blocks[1].type == "conv2d"
    found = seqconv.predict(loaded, arrays)
    assert (found["prediction"].to_numpy() == np.array(labels)).mean() > 0.9


def test_a_config_of_bands_is_read_and_written_alike():
    config = load_config({"model": {"defaults": {"norm": "layer"}, "blocks": [*FRONT, OVER_TIME]}})
    again = load_config({"model": config.model.model_dump(mode="json")})
    assert again.model == config.model
    assert config.model.blocks[1].norm == "layer"


def test_a_block_of_ones_own_may_read_bands():
    class Halves(Block):
        type: Literal["halves"] = "halves"
        takes_bands: ClassVar[bool] = True
        gives_bands: ClassVar[bool] = True

        def build(self, channels, scope):
            from seqconv.layers import LayerScale

            assert scope.bands == 16
            return (LayerScale(0.5, **scope.options("scale")),), channels

    with registered(Halves):
        assert describe(build(BEGIN, {"type": "halves"}, END))["block1_scale"].output == "(T, 16, 1)"


def test_derivatives_are_not_taken_for_further_bands():
    features = {"kind": "log_mel", "delta": 2}
    model = {"blocks": [BEGIN | {"channels": 2}, CONV, END]}
    config = {"data": {"manifest": "m.csv"}, "target": {"task": "regression", "column": "y"}, "features": features}
    with pytest.raises(
        ConfigError, match=r"model\.blocks\.0\.channels: 2, but features\.delta 2 puts 3 values.*to 3\."
    ):
        load_config(config | {"model": model})
    model["blocks"][0] = BEGIN | {"channels": 3}
    assert load_config(config | {"model": model}).model.blocks[0].channels == 3


@pytest.mark.parametrize(("norm", "bands"), [("batch", "flatten"), ("instance", "max"), ("none", "flatten")])
def test_dilated_kernels_train_in_a_compiled_step_of_any_length(norm, bands):
    over_both, over_bands = {"dilation_rate": [2, 1]}, {"dilation_rate": [1, 2], "kernel_size": [3, 2]}
    blocks = [
        BEGIN,
        CONV | {"norm": norm, **over_both},
        {"type": "average_pool2d", "pool_size": [1, 3], "strides": 1, "band_padding": "same"},
        {"type": "depthwise_conv2d", "norm": norm, **over_bands},
        {"type": "broadcast_residual", "filters": 4, "dilation_rate": 2, "norm": norm},
        END | {"bands": bands},
    ]
    run = seqconv.train(quick(model={"blocks": blocks}, training={"epochs": 1}), train_data=classified(20))
    assert np.isfinite(run.history["loss"]).all()
