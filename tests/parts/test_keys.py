"""Dotted keys: one written form, and roles that stand at the key."""

import pytest

from seqconv.config import Config, load_config
from seqconv.errors import ConfigError
from seqconv.experiments.run_specs import read_grid
from seqconv.experiments.tuning.space import read_space
from seqconv.parts import Role
from seqconv.parts.keys import flatten, written_key
from seqconv.parts.problems import roles_of

MODEL = {"model": {"blocks": [{"filters": 4}, {"type": "residual", "filters": 4}], "dense_units": [8, 8]}}


@pytest.mark.parametrize(
    ("bad", "good"),
    [
        ({"model": {"blocks": [{"filters": 4}, {"type": "residual", "filters": "x"}]}}, 6),
        ({"model": {**MODEL["model"], "dense_units": [8, 0]}}, 3),
        ({**MODEL, "augment": {"time_stretch": {"rate": [0.1, 1.0]}}}, 0.9),
    ],
)
def test_the_key_of_an_error_can_be_given_to_set(bad, good):
    with pytest.raises(ConfigError) as caught:
        load_config(bad)
    key = str(caught.value).partition(":")[0]
    assert flatten(load_config(bad, [f"{key}={good}"]).to_dict()).get(key, good) == good


@pytest.mark.parametrize("key", ["model.blocks.1.filters", "model.blocks[1].filters"])
def test_both_forms_of_a_key_are_taken_and_one_is_written(key):
    config = load_config(MODEL, [f"{key}=6"])
    assert config.model.blocks[1].filters == 6
    with pytest.raises(ConfigError, match=r"^model\.blocks\.1\.filters: expected a whole number, got 'x'"):
        load_config(MODEL, [f"{key}=x"])
    assert list(read_space({key: [4, 6]}, config)) == ["model.blocks.1.filters"]
    assert dict(read_grid(config, None, None, [f"{key}=4,6"]).sweeps) == {"model.blocks.1.filters": (4, 6)}


def test_a_config_with_other_values_is_checked_like_a_file():
    config = load_config(MODEL, ["training.early_stopping.patience=3"])
    other = config.with_({"model.blocks.0.filters": 6}, training={"early_stopping": {"min_delta": 0.1}})
    assert (other.model.blocks[0].filters, config.model.blocks[0].filters) == (6, 4)
    assert other.training.early_stopping.model_dump() == {"patience": 3, "min_delta": 0.1}
    # A dotted key takes the place of all that is there.
    other = other.with_({"training.early_stopping": {"min_delta": 0.2}})
    assert other.training.early_stopping.patience == 5
    with pytest.raises(ConfigError, match=r"2 problems\n.*epochz: unknown key.*\n.*training\.epochs: expected.*'x'"):
        config.with_({"training.epochz": 3}, training={"epochs": "x"})
    with pytest.raises(ConfigError, match=r"^training\.epochs: expected a number, got '3'"):
        config.with_(training={"epochs": "3"})
    with pytest.raises(ConfigError, match=r"^model\.blocks\.2\.filters: '2' is not one of the 2 places 0 to 1"):
        config.with_({"model.blocks.2.filters": 3})


ROLES = {
    "name": {Role.RUN},
    "split.fold": {Role.RUN},
    "training.loss_scale": {Role.RUN},
    "data.manifest": {Role.PATH},
    "data.manifest.train": {Role.PATH},
    "data.cache_dir": {Role.PATH, Role.MACHINE},
    "audio_augment.room.folder": {Role.PATH},
    "training.device": {Role.MACHINE},
    "training.jit_compile": {Role.MACHINE},
    "training.checkpoint.minutes": {Role.MACHINE},
    "training.mlflow.experiment": {Role.MACHINE},
    "training.tensorboard": {Role.COSMETIC},
    "evaluation.bootstrap": {Role.COSMETIC},
    "evaluation.thresholds": set(),
    "model.blocks.0.filters": set(),
    "training.mixed_precision": set(),
    "backend": set(),
    "nonsense": set(),
}


@pytest.mark.parametrize("key", ROLES)
def test_the_roles_of_a_key(key):
    assert roles_of(written_key(key), Config) == ROLES[key]


def test_paths_of_the_command_line_begin_here_and_those_of_a_file_there(tmp_path, monkeypatch):
    (tmp_path / "file").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    values = {"data": {"manifest": {"train": "m.csv"}, "events": "e.csv", "cache_dir": "c"}}
    (tmp_path / "file" / "run.yaml").write_text(str(values))
    config = load_config(tmp_path / "file" / "run.yaml", ["data.events=e.csv", "data.manifest.train=m.csv"])
    assert config.data.cache_dir == str(tmp_path / "file" / "c")
    assert config.data.events == str(tmp_path / "here" / "e.csv")
    assert config.data.manifest == {"train": str(tmp_path / "here" / "m.csv")}
    # A config that is read already keeps the paths that it has.
    assert config.with_(seed=3).data == config.data
