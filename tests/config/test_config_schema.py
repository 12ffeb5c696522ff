"""The JSON schema of configs: current, described, and of one mind with the loader about what may be written."""

import json

import pytest
from jsonschema import Draft202012Validator

from seqconv.cli.main import main
from seqconv.config import load_config
from seqconv.config.files import configs_folder, read_yaml
from seqconv.config.loading import config_schema
from seqconv.errors import ConfigError

CONFIGS = sorted(configs_folder().glob("*.yaml"))
FIRST_LINE = "# yaml-language-server: $schema=schema.json"


@pytest.fixture(scope="module")
def validator():
    Draft202012Validator.check_schema(config_schema())
    return Draft202012Validator(config_schema())


def test_the_committed_schema_is_current(capsys):
    assert main(["schema"]) == 0
    committed = (configs_folder() / "schema.json").read_text(encoding="utf-8")
    assert committed == capsys.readouterr().out, "run: seqconv schema > configs/schema.json"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_valid_and_names_the_schema(path, validator):
    validator.validate(read_yaml(path))
    assert path.read_text(encoding="utf-8").splitlines()[0] == FIRST_LINE


def test_a_complete_config_is_valid(validator):
    validator.validate(json.loads(json.dumps(load_config({}).to_dict())))


@pytest.mark.parametrize(
    "config",
    [
        {"model": {"blocks": [{"filters": 8}]}},
        {"model": {"blocks": [{"filters": 8, "kernel_size": 3}, {"type": "tcn", "filters": 8, "dilations": [1, 2]}]}},
        {"model": {"blocks": [{"type": "max_pool"}, {"type": "lstm", "units": 4}, {"type": "squeeze_excite"}]}},
        {"model": {"blocks": [{"type": "length", "reference": 40}, {"filters": 4}]}},
        {"model": {"pooling": "mean"}},
        {"model": {"pooling": ["mean", "max"]}},
        {"model": {"pooling": {"type": "attentive_statistics", "per_channel": True}}},
        {"model": {"pooling": ["mean", {"type": "generalized_mean", "power": 2}]}},
        {"model": {"pooling": "frames", "defaults": {"norm": "layer"}}},
        {"data": {"manifest": {"train": "a.csv", "test": "b.csv"}}},
        {"training": {"early_stopping": {"patience": 3}, "class_weight": "balanced"}},
        {"training": {"class_weight": {"a": 1, "b": 2.5}}},
    ],
    ids=str,
)
def test_what_the_loader_takes_the_schema_takes(config, validator):
    load_config(config)
    validator.validate(config)


@pytest.mark.parametrize(
    "config",
    [
        {"modle": {}},
        {"training": {"epochs": 0}},
        {"training": {"epochs": "many"}},
        {"model": {"blocks": [{"kernel_size": 3}]}},
        {"model": {"blocks": [{"filters": 8, "padding": "full"}]}},
        {"model": {"blocks": [{"type": "tnc", "filters": 8}]}},
        {"model": {"blocks": [{"type": "tcn", "filters": 8, "padding": "valid"}]}},
        {"model": {"blocks": [{"type": "lstm", "units": 4, "norm": "batch"}]}},
        {"model": {"blocks": [{"type": "max_pool", "filters": 8}]}},
        {"model": {"pooling": "median"}},
        {"model": {"pooling": []}},
        {"model": {"pooling": [{"type": "mean", "power": 2}]}},
    ],
    ids=str,
)
def test_what_the_loader_refuses_the_schema_refuses(config, validator):
    with pytest.raises(ConfigError, match=r"\w"):
        load_config(config)
    assert not validator.is_valid(config)


def test_every_key_has_a_description():
    for name, section in config_schema()["$defs"].items():
        assert section["description"], name
        for key, value in section["properties"].items():
            assert value.get("description"), f"{name}.{key}"
