"""Recipes in a config: defaults under what it says itself, and nothing that is ignored."""

from pathlib import Path

import pytest

from seqconv.config import load_config
from seqconv.config.recipes import PRESETS, budget_seconds
from seqconv.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.parametrize(
    ("recipe", "file", "more"),
    [
        ("rocket", "pickup_rocket.yaml", {}),
        ("rocket", "rocket.yaml", {"split": {}, "training": {"class_weight": "balanced"}}),
        ("deep", "pickup_gesture.yaml", {}),
        ("deep", "audio.yaml", {"split": {}, "training": {"class_weight": "balanced"}}),
    ],
)
def test_a_recipe_is_the_config_of_the_project_that_is_named_after_it(recipe, file, more):
    expected = load_config(CONFIGS / file)
    sections = {name: expected.to_dict()[name] for name in ("name", "data", "target", "features")}
    # The configs of recordings set some aside to validate.
    split = {"valid": expected.split.valid}
    if recipe == "deep":
        # How sequences share a batch is left to their lengths.
        expected = expected.with_(batching={"strategy": "auto"})
    found = load_config({**sections, **more, "split": split, "recipe": recipe})
    assert found.to_dict() == expected.to_dict()


@pytest.mark.parametrize("recipe", PRESETS)
@pytest.mark.parametrize("kind", ["precomputed", "log_mel"])
def test_what_comes_out_is_complete_and_reads_back(recipe, kind, tmp_path):
    config = load_config({"recipe": recipe, "features": {"kind": kind}})
    assert config.recipe is None
    assert config.split.valid == 0
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    assert load_config(tmp_path / "config.yaml").to_dict() == config.to_dict()


def test_keys_beside_a_recipe_and_overrides_go_on_top_of_it(tmp_path):
    values = "recipe: deep\nfeatures: {kind: precomputed}\ntraining: {epochs: 7}\nmodel: {defaults: {dropout: 0.5}}\n"
    (tmp_path / "own.yaml").write_text(values)
    config = load_config(tmp_path / "own.yaml", ["model.blocks.1.filters=11", "training.learning_rate=1e-4"])
    assert (config.training.epochs, config.training.learning_rate, config.training.schedule) == (7, 1e-4, "cosine")
    assert (config.model.defaults.dropout, config.model.defaults.norm) == (0.5, "batch")
    assert config.model.blocks[1].filters == 11
    # A recipe, and what it depends on, may come from the command line, too.
    other = load_config(tmp_path / "own.yaml", ["features.kind=log_mel"])
    assert [block.filters for block in other.model.blocks] == [64, 128, 128]
    ridge = load_config({"features": {"kind": "precomputed"}}, ["recipe=rocket", "model.blocks.0.num_dilations=2"])
    assert (ridge.training.solver, ridge.model.blocks[0].num_dilations) == ("ridge", 2)


def test_a_recipe_of_the_command_line_takes_the_place_of_model_and_training():
    config = load_config(CONFIGS / "audio.yaml", ["training.device=CPU:0"], recipe="rocket")
    assert config.training.solver == "ridge"
    assert (config.training.class_weight, config.training.device) == ("balanced", "CPU:0")
    assert config.features == load_config(CONFIGS / "audio.yaml").features
    auto = load_config(CONFIGS / "audio.yaml", ["budget=5min"], recipe="auto")
    assert (auto.recipe, auto.budget_seconds, auto.training.class_weight) == ("auto", 300, "balanced")
    # One that averages others is none of a recipe, unless the recipe is what its members have in common.
    assert load_config({"members": [{"training": {"epochs": 3}}, {}]}, recipe="rocket").members == ()
    assert len(load_config({"recipe": "deep", "members": [{}, {}]}).member_configs()) == 2


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), ("2.5 min", 150), ("1h", 3600)])
def test_a_budget_is_a_time(text, seconds):
    assert budget_seconds(text) == seconds


@pytest.mark.parametrize(
    ("values", "overrides", "match"),
    [
        ({"recipe": "rocket", "model": {"blocks": [{"filters": 8}]}}, [], "recipe: rocket gives model.blocks, but the"),
        ({"recipe": "deep", "training": {"init": "m.keras"}}, [], "training.init begins with a trained one"),
        ({"recipe": "rockt"}, [], "recipe: .*rockt"),
        ({"recipe": "auto", "budget": "soon"}, [], "budget: 'soon': no time"),
        ({"recipe": "auto", "budget": 120}, [], "budget: 120: no time.*120s"),
        ({"recipe": "auto", "budget": "2s"}, [], "too short.*10s"),
        ({"budget": "60s"}, [], "budget: 60s is the time of recipe auto, but recipe is null"),
        ({"recipe": "rocket", "budget": "60s"}, [], "budget: 60s is the time of recipe auto"),
        ({"recipe": "auto", "model": {"pooling": ["max"]}}, [], r"model\.pooling: recipe auto chooses it"),
        ({"recipe": "auto"}, ["training.learning_rate=1e-4"], r"training\.learning_rate: recipe auto chooses it"),
        (
            {"recipe": "auto", "augment": {"noise": {"deviation": [0.1, 0.2]}}},
            [],
            r"augment\.noise: recipe auto chooses it",
        ),
        ({"recipe": "rocket", "training": {"learning_rate": 1e-4}}, [], "no use for learning_rate"),
        ({"recipe": "auto", "target": {"task": "tokens"}}, [], "target.task: recipe auto compares models .* tokens"),
        (
            {"recipe": "rocket", "target": {"task": "tokens"}, "model": {"pooling": "frames"}},
            [],
            "target.task: tokens, but training.solver 'ridge' fits .* to gradient",
        ),
        ({"recipe": "auto", "members": [{}, {}]}, [], "members: recipe auto chooses whether models are averaged"),
    ],
)
def test_what_a_recipe_cannot_have_beside_it_is_refused(values, overrides, match):
    with pytest.raises(ConfigError, match=match):
        load_config(values, overrides)


def test_a_complete_config_is_not_filled_in_without_a_word():
    complete = load_config({})
    for make in (lambda: complete.with_(recipe="rocket"), lambda: load_config(complete, ["recipe=rocket"])):
        with pytest.raises(ConfigError, match="recipe: rocket fills in what a config leaves out"):
            make()
    with pytest.raises(ConfigError, match=r"gives model\.blocks"):
        load_config(complete.to_dict(), ["recipe=rocket"])
    assert load_config(complete, recipe="rocket").training.solver == "ridge"
