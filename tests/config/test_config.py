"""Configs: sections, overrides, and what the messages say."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqconv.config import Config, dump_config, load_config
from seqconv.config.training import OPTIMIZERS
from seqconv.errors import ConfigError
from seqconv.metrics.records import larger_is_better
from seqconv.tasks import find_task


def test_an_empty_config_works():
    config = load_config({})
    assert config == Config()
    assert (config.name, config.seed, config.training.epochs, config.batching.strategy) == ("run", 0, 20, "auto")


def test_overrides_win_and_leave_the_given_dict_alone():
    given_values = {"training": {"epochs": 9}, "model": {"blocks": [{"filters": 8}]}}
    config = load_config(given_values, ["training.epochs=3", "model.blocks.0.filters=16", "training.schedule=cosine"])
    assert (config.training.epochs, config.training.schedule) == (3, "cosine")
    assert config.model.blocks[0].filters == 16
    assert given_values == {"training": {"epochs": 9}, "model": {"blocks": [{"filters": 8}]}}


def test_an_override_may_open_a_section_and_close_one():
    assert load_config({}, ["training.early_stopping.patience=2"]).training.early_stopping.patience == 2
    assert (
        load_config({"training": {"early_stopping": {}}}, ["training.early_stopping=null"]).training.early_stopping
        is None
    )


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["training.epochz=3"],
            r"^training\.epochz: unknown key; did you mean 'epochs'\? Its value is 3\. Known: ",
        ),
        (["trainig.epochs=3"], r"^trainig: unknown key; did you mean 'training'\?"),
        (["training.epochs"], "^override 'training.epochs': expected KEY=VALUE"),
        (["training..epochs=1"], "expected KEY=VALUE"),
        (["training.epochs=[1"], "^override 'training.epochs=.1', line 1: "),
        (["training.epochs.more=1"], r"^override .* has no keys|expected a whole number"),
        (["seed=1", "seed.x=1"], "^override 'seed.x=1': seed is 1, which has no keys"),
        (["data.manifest=''"], "data.manifest=.*an empty path"),
    ],
)
def test_a_bad_override_is_named(overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_config({}, overrides)


def test_an_override_beyond_the_blocks_says_how_many_there_are():
    with pytest.raises(ConfigError, match="'3' is not one of the 1 places"):
        load_config({"model": {"blocks": [{"filters": 8}]}}, ["model.blocks.3.filters=16"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"training": {"epochs": "3"}}, r"^training\.epochs: expected a number, got '3'$"),
        ({"training": {"epochs": True}}, r"^training\.epochs: expected a number, got True$"),
        ({"training": {"epochs": 2.5}}, r"^training\.epochs: expected a whole number, got 2\.5$"),
        ({"training": {"epochs": 0}}, r"^training\.epochs: expected a number of at least 1, got 0$"),
        ({"training": {"tensorboard": 1}}, r"^training\.tensorboard: expected true or false, got 1$"),
        ({"training": {"tensorboard": "no"}}, r"^training\.tensorboard: expected true or false, got 'no'$"),
        ({"training": {"learning_rate": float("inf")}}, "expected a finite number, got inf"),
        ({"training": 3}, "^training: expected a mapping with keys such as epochs"),
        ({"training": {"class_weight": "balance"}}, r"^training\.class_weight: expected 'balanced' or a mapping, got"),
        ({"training": {"class_weight": {"a": "b"}}}, r"^training\.class_weight\.a: expected a number, got 'b'$"),
        ({"training": {"jit_compile": "gpu"}}, r"^training\.jit_compile: expected 'auto' or true or false, got"),
        ({"training": {"optimizer": "adamx"}}, r"^training\.optimizer: 'adamx': .*did you mean 'adamax'\?"),
        (
            {"training": {"early_stopping": 5}},
            "early_stopping: expected a mapping with keys such as patience, min_delta",
        ),
        ({"model": {"blocks": [{"filterz": 8, "filters": 8}]}}, r"^model\.blocks\.0\.filterz: .* mean 'filters'\?"),
        ({"model": {"blocks": [{"kernel_size": 8}]}}, r"^model\.blocks\.0\.filters: missing"),
        ({"model": {"blocks": [{"type": "lsm"}]}}, r"^model\.blocks\.0\.type: expected 'conv', .*, got 'lsm'$"),
        ({"model": {"blocks": [{"filters": 8}, 5]}}, r"^model\.blocks\.1: expected a mapping with keys such as"),
        ({"model": {"blocks": [{"filters": 3, "groups": 2}]}}, r"^model\.blocks\.0: filters=3 must be a multiple"),
        ({"model": {"pooling": "flatten"}}, r"^model\.pooling: 'flatten': .* no fixed number .* Use mean, max"),
        ({"data": {"manifest": 3}}, r"^data\.manifest: expected text or a mapping, got 3$"),
        ({"data": {"manifest": {}}}, r"^data\.manifest: .*lists no manifest"),
        ({"batching": {"batch_size": 8, "frames_per_batch": 8}}, "^batching: batch_size=8 and frames_per_batch=8 both"),
        ({"target": {"columns": ["a"]}}, "^target: classification reads one column"),
        ({"target": {"task": "regression", "columns": ["a", "a"]}}, "^target: columns names a more than once"),
        ({"name": "a/b"}, "^name: 'a/b': .* no slashes"),
        ({1: 2}, r"^1: .*should be strings"),
    ],
)
def test_a_bad_value_is_named_by_its_key(values, message):
    with pytest.raises(ConfigError, match=message):
        load_config(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"batching": {"strategy": "packed"}, "model": {"blocks": [{"filters": 8}, {"type": "lstm", "units": 4}]}},
            r"^model\.blocks\.1 \(lstm\): .*'packed' cannot be used\. Set it to 'bucketed' or 'auto'",
        ),
        ({"target": {"task": "regression"}, "training": {"label_smoothing": 0.1}}, r"^training\.label_smoothing: 0\.1"),
        ({"target": {"task": "regression"}, "training": {"class_weight": "balanced"}}, r"^training\.class_weight: "),
        (
            {"training": {"monitor": "val_macro_f"}},
            r"^training\.monitor: .*did you mean 'val_macro_f1'\?",
        ),
        ({"target": {"task": "regression"}, "training": {"monitor": "val_accuracy"}}, "Known: val_r2, val_mae"),
        ({"training": {"warmup_epochs": 30}}, r"^training\.warmup_epochs: 30\.0 is more than training\.epochs 20"),
    ],
)
def test_impossible_combinations_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        load_config(values)


def test_all_problems_come_in_one_error():
    values = {"seed": -1, "trainin": {}, "model": {"blocks": [{"filters": "x"}, {"type": "lstm"}]}}
    with pytest.raises(ConfigError) as caught:
        load_config(values, ["nonsense", "training.epochs=0"])
    lines = str(caught.value).splitlines()
    assert lines[0] == "config: 6 problems"
    keys = {line.split(":")[0].strip() for line in lines[1:]}
    assert keys == {
        "override 'nonsense'", "seed", "trainin", "model.blocks.0.filters", "model.blocks.1.units", "training.epochs",
    }  # fmt: skip


def test_what_is_monitored_follows_the_task():
    assert load_config({}).monitor == "val_macro_f1"
    assert load_config({"target": {"task": "multilabel"}}).monitor == "val_map"
    loss = load_config({"training": {"monitor": "val_loss"}})
    assert (loss.monitor, loss.monitor_mode) == ("val_loss", "min")
    assert load_config({"training": {"monitor": "val_loss", "mode": "max"}}).monitor_mode == "max"


def test_every_monitor_is_a_score_of_its_task():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    truth = {"classification": [0, 1, 1, 0], "multilabel": [[1, 0], [0, 1], [1, 1], [0, 0]]}
    smaller = set()
    for task in ("classification", "multilabel", "regression"):
        monitors = find_task(task).monitors
        scores = find_task(task).score(truth.get(task, probabilities + 1), probabilities, ["a", "b"])
        scalars = {f"val_{name}" for name, value in scores.items() if isinstance(value, float)}
        assert set(monitors) == scalars | {"val_loss"}
        smaller |= {name for name in monitors if not larger_is_better(name.removeprefix("val_"))}
    assert smaller == {"val_log_loss", "val_calibration_error", "val_loss", "val_mae", "val_rmse"}


def test_optimizers_are_those_of_keras():
    # Read from Keras's source: importing it would cost this file ten seconds.
    package = Path(importlib.util.find_spec("keras").submodule_search_locations[0])
    tree = ast.parse((package / "optimizers" / "__init__.py").read_text())
    classes = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    offered = {name.lower() for name in classes if name[0].isupper()}
    # These wrap other optimizers, are unknown to keras.optimizers.get (lamb), or must be switched between training
    # and evaluation (schedule-free).
    special = {"lamb", "optimizer", "lossscaleoptimizer", "multioptimizer", "optimizermap", "schedulefreeadamw"}
    assert set(OPTIMIZERS) <= offered
    assert offered - set(OPTIMIZERS) <= special


def test_numpy_values_and_paths_may_stand_in_a_dict(tmp_path):
    config = load_config(
        {"seed": np.int64(3), "data": {"manifest": tmp_path / "m.csv"}, "training": {"epochs": np.int32(2)}}
    )
    assert (config.seed, config.training.epochs, config.data.manifest) == (3, 2, str(tmp_path / "m.csv"))


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0", exclude_categories=["C"]), min_size=1)


@given(
    name=NAMES.filter(lambda text: text.strip(" .")),
    weights=st.none() | st.dictionaries(NAMES | st.sampled_from(["no", "1e-3", "001", "null", "~"]), st.floats(0, 9)),
    rate=st.floats(1e-300, 1e300),
    columns=st.none() | st.lists(NAMES, min_size=1, max_size=3, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_a_dumped_config_loads_back_to_the_same(tmp_path_factory, name, weights, rate, columns):
    config = load_config(
        {
            "name": name,
            "data": {"manifest": {"train": "a.csv", "test": "b.csv"}},
            "target": {"task": "multilabel", "columns": columns},
            "model": {"blocks": [{"filters": 4, "repeat": 2}, {"type": "max_pool"}, {"type": "lstm", "units": 3}]},
            "training": {"class_weight": weights, "learning_rate": rate, "early_stopping": {"patience": 2}},
        }
    )
    path = tmp_path_factory.mktemp("config") / "resolved.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    assert load_config(path) == config
    assert load_config(config.to_dict()) == config
    assert load_config(config) == config


def test_importing_the_config_pulls_in_nothing_heavy():
    heavy = ("tensorflow", "keras", "pandas", "librosa")
    code = f"import seqconv.config, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
