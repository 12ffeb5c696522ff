"""Blocks and pooling heads of a user's own: checked, built, trained, saved and loaded as ours are."""

import json
import zipfile
from typing import Literal

import keras
import numpy as np
import pytest
from keras import ops
from support.contract_checks import SINGLE, check_logits, check_training
from support.random_models import NUM_OUTPUTS
from support.registries import registered
from support.training_data import classified, quick

from seqconv import train
from seqconv.batching.packing import plan_packed
from seqconv.batching.padding import plan_padded
from seqconv.config import load_config
from seqconv.config.loading import config_schema
from seqconv.errors import ConfigError, ModelError
from seqconv.geometry import TimeLayer
from seqconv.inspection.attribution import contributions
from seqconv.layers import GlobalPooling1D, MaskedMaxPooling1D
from seqconv.layers.reduction import as_double
from seqconv.models import Block, PoolingHead, build_model, load_model

MODEL = {
    "defaults": {"norm": "batch", "padding": "causal"},
    "blocks": [
        {"filters": 6, "kernel_size": 3},
        {"type": "toy_thinning", "widen": 3},
        {"filters": 5, "kernel_size": 3, "padding": "same"},
    ],
    "pooling": ["toy_rms", "mean"],
}


class Widening(keras.layers.Layer):
    """The same channels several times, each scaled by a weight."""

    def __init__(self, times, **options):
        super().__init__(**options)
        self.times = times

    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1] * self.times,), initializer="ones")

    def call(self, inputs):
        return ops.concatenate([inputs] * self.times, axis=-1) * self.scale


class Thinning(Block):
    """Every second frame, its channels several times."""

    type: Literal["toy_thinning"]
    widen: int = 2
    padding: Literal["same", "causal"] = "same"

    @property
    def time_layers(self):
        return (TimeLayer(3, 2, 1, self.padding),)

    def build(self, channels, scope):
        thin = MaskedMaxPooling1D(3, strides=2, padding=self.padding, **scope.options("thin"))
        return (thin, Widening(self.widen, **scope.options("wide"))), channels * self.widen


class RootMeanSquare(GlobalPooling1D):
    """The root of the mean square, of each segment."""

    def summarize_members(self, members):
        return {"count": members.count, "squares": members.total(ops.square(members.frames))}

    @staticmethod
    def merge(first, second):
        return {name: as_double(first[name]) + as_double(second[name]) for name in first}

    def pool(self, summary):
        return ops.sqrt(summary["squares"] / ops.maximum(summary["count"], 1) + 1e-6)


class RootMeanSquareHead(PoolingHead):
    """The root of the mean square."""

    type: Literal["toy_rms"]

    def build(self, **options):
        return RootMeanSquare(**options)


@pytest.fixture(autouse=True)
def own_parts():
    with registered(Thinning, RootMeanSquareHead):
        yield


def test_they_are_exact_in_every_layout(tmp_path):
    rng = np.random.default_rng(0)
    lengths = [1, 7, 12, 9, 30]
    arrays = [rng.normal(size=(length, 3)).astype("float32") for length in lengths]
    model = build_model(MODEL, num_features=3, num_outputs=NUM_OUTPUTS)
    geometry = model.time_geometry
    plans = {
        "padded": plan_padded(lengths, batch_size=8, time_geometry=geometry),
        "packed": plan_packed(lengths, frames_per_batch=120, time_geometry=geometry),
    }
    check_logits(model, arrays, plans, SINGLE.logits, tmp_path)
    check_training(model, arrays, plans, SINGLE.gradients, rng)


def test_they_are_in_configs_and_in_the_schema():
    config = load_config({"model": MODEL}).model
    assert config.blocks[1] == Thinning(type="toy_thinning", widen=3, padding="causal")
    assert [head.type for head in config.pooling] == ["toy_rms", "mean"]
    assert config_schema()["$defs"]["Thinning"]["properties"]["widen"]["default"] == 2
    assert "toy_rms" in json.dumps(config_schema()["$defs"]["ModelConfig"]["properties"]["pooling"])
    with pytest.raises(ConfigError, match=r"model\.blocks\.0\.widen: expected a whole number, got 'much'"):
        load_config({"model": {"blocks": [{"type": "toy_thinning", "widen": "much"}]}})
    with pytest.raises(ConfigError, match=r"unknown key; did you mean 'widen'\?"):
        load_config({"model": {"blocks": [{"type": "toy_thinning", "wide": 2}]}})


def test_they_train(tmp_path):
    run = train(quick(model=MODEL), tmp_path / "run", train_data=classified(40), valid_data=classified(12, seed=1))
    assert (run.model.total_stride, run.model.output_shape) == (2, (None, 3))
    loaded = load_model(tmp_path / "run" / "model.keras")
    assert [part["name"] for part in loaded.get_config()["parts"]] == ["toy_thinning", "toy_rms"]


def test_a_model_names_the_parts_that_it_lacks(tmp_path):
    path = tmp_path / "own.keras"
    build_model(MODEL, num_features=3, num_outputs=2).save(path)
    with zipfile.ZipFile(path) as archive:
        saved = json.loads(archive.read("config.json"))["config"]["parts"]
    assert {(part["kind"], part["name"], part["version"], part["plugin"]) for part in saved} == {
        ("block", "toy_thinning", 1, "test_own_parts.py"),
        ("pooling head", "toy_rms", 1, "test_own_parts.py"),
    }
    Block.registry._parts.pop("toy_thinning")
    needed = r"it has the block 'toy_thinning', version 1, of test_own_parts\.py"
    try:
        with pytest.raises(ModelError, match=f"{needed}, which is not registered here. Name that file in plugins"):
            load_model(path)
        with pytest.raises(ConfigError, match=f"training.init: .*{needed}"):
            load_config({"training": {"init": str(path)}})
    finally:
        Block.registry._parts["toy_thinning"] = Thinning


def test_a_model_of_another_version_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "own.keras"
    build_model(MODEL, num_features=3, num_outputs=2).save(path)
    monkeypatch.setattr(Thinning, "version", 2)
    with pytest.raises(ModelError, match=r"'toy_thinning', version 1, of .*, and here its version is 2"):
        load_model(path)


def test_a_block_that_reads_time_otherwise_than_it_says_is_refused():
    class Lying(Thinning):
        type: Literal["toy_lying"]

        @property
        def time_layers(self):
            return ()

    with registered(Lying), pytest.raises(ConfigError, match=r"model\.blocks\.0: its layers read time as .* make them"):
        build_model({"blocks": [{"type": "toy_lying"}]}, num_features=3, num_outputs=2)


def test_a_pooling_that_does_not_say_what_frames_bring_is_named():
    model = build_model(MODEL, num_features=3, num_outputs=2)
    with pytest.raises(ModelError, match="'pool_toy_rms' is a RootMeanSquare, of which nobody has said"):
        contributions(model, np.ones((8, 3)))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ({"blocks": [{"filters": "many"}]}, r"^model\.blocks\.0\.filters: expected a whole number, got 'many'$"),
        ({"blocks": []}, r"^model\.blocks: \[\]: a model needs at least one block, for example \{filters"),
        (
            {"blocks": [{"type": "convv"}]},
            r"^model\.blocks\.0\.type: expected 'conv', 'depthwise.*, got 'convv'",
        ),
        ({"pooling": "flatten"}, r"^model\.pooling: 'flatten': a sequence of any length has no fixed number"),
        ({"blocks": [{"filters": 4, "groups": 3}]}, r"^model\.blocks\.0: filters=4 must be a multiple of groups=3$"),
    ],
)
def test_settings_are_refused_in_the_words_of_a_config(model, reason):
    with pytest.raises(ConfigError, match=reason):
        build_model(model, num_features=3, num_outputs=2)
