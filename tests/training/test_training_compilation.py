"""When the training step is compiled, how often, and that finding it out changes nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.training_data import NUM_FEATURES, classified, quick

from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.errors import ConfigError
from seqconv.models import build_model
from seqconv.training.run.batches import plan_batches
from seqconv.training.run.runtime import machine_for
from seqconv.training.run.setup import prepare
from seqconv.training.step.train_step import StepTime
from seqconv.training.step.xla_choice import choose_compilation, weigh

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return the results of a separate process without op determinism, and what XLA compiled."""
    folder = tmp_path_factory.mktemp("xla")
    flags = f"--xla_dump_to={folder / 'dump'} --xla_dump_hlo_as_text"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "XLA_FLAGS": flags}
    command = [sys.executable, "-m", "support.xla_worker", str(folder)]
    done = subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    compiled = {path.name.split(".")[0] for path in (folder / "dump").glob("module_*train_step*")}
    return json.loads(done.stdout.splitlines()[-1]) | {"compiled": compiled, "told": done.stdout}


def test_xla_is_used_where_it_pays_and_stands_in_the_config(found):
    assert found["choose slow"]["note"] == "XLA: not used, 2.0x slower"
    assert found["choose fast"]["note"] == "XLA: 100.0x faster, compiles 2 shapes in about 2 s"
    assert found["choose slow"]["jit"] is False
    assert found["choose fast"]["jit"] is found["fast"]["jit"] is True


def test_what_a_short_run_could_not_gain_is_not_tried(found):
    assert found["choose short"]["jit"] is False
    assert found["choose short"]["note"].startswith("XLA: not tried, the steps of this run take about 0 s without")


def test_a_run_does_not_depend_on_the_measurement(found):
    for name in ("choose short", "choose slow", "choose fast"):
        assert len(found[name]["same"]) > 6
        assert all(found[name]["same"])
        assert found[name]["iterations"] == 0
    assert found["fast"]["loss"] == found["asked"]["loss"]
    assert found["fast"]["weights"] == found["asked"]["weights"]


def test_no_more_is_compiled_than_max_shapes_and_all_of_it_is_counted(found):
    assert [found[name]["count"] for name in ("fast", "asked")] == [2, 2]
    assert [found[name]["count"] for name in ("choose short", "choose slow", "choose fast")] == [None, None, 1]
    # Two shapes in each run, and the one that each choice timed: a run that chooses XLA goes on with it.
    assert len(found["compiled"]) == 2 + 2 + 1 + 1
    assert "XLA runs without TensorFlow's op determinism" in found["told"]
    assert found["told"].count("compiled 2 shapes") == 2


def test_only_a_compiled_step_limits_the_shapes(found):
    assert found["choose fast"]["shapes"] == [2, 2]
    assert found["choose slow"]["shapes"][0] == 2
    assert found["choose slow"]["shapes"][1] > 2


def test_weighing_counts_the_compiling_of_all_shapes():
    plain, xla = StepTime(1.0, 0.2), StepTime(10.1, 0.1)
    assert weigh(plain, xla, num_steps=250, num_shapes=2)[0]
    pays, why = weigh(plain, xla, num_steps=250, num_shapes=3)
    assert not pays
    assert why == "not used, 2.0x faster, but compiling 3 shapes takes about 30 s, longer than this run gains"


def prepared(**sections):
    config = load_config(quick(features={"kind": "precomputed"}, **sections))
    return prepare(config, load_datasets(config.data_spec, classified(), classified(20, seed=1)))


def test_nothing_is_measured_where_the_config_decides():
    for training in ({}, {"jit_compile": False, "deterministic": False}):
        experiment = prepared(training=training)
        assert choose_compilation(experiment) is experiment


def planned(**sections):
    """The plan alone: XLA and the determinism of other runs in this process exclude each other."""
    config = load_config(quick(features={"kind": "precomputed"}, **sections))
    model = build_model(config.model, num_features=NUM_FEATURES, num_outputs=3)
    return plan_batches(config, model, classified().lengths)[0]


def test_single_sequences_of_many_lengths_are_not_compiled_one_by_one():
    count = len(np.unique(classified().lengths))
    match = rf"these single batches have {count} shapes, but batching\.max_shapes is 4\. Either set .*'padded' or"
    with pytest.raises(ConfigError, match=match):
        planned(training={"jit_compile": True}, batching={"strategy": "single"})
    plan = planned(training={"jit_compile": True}, batching={"strategy": "single", "max_shapes": count})
    assert len(plan.shapes) == count


def test_xla_is_not_tried_on_more_shapes_than_may_be_compiled():
    experiment = prepared(training={"deterministic": False}, batching={"strategy": "single"})
    chosen = choose_compilation(experiment)
    assert chosen.config.training.jit_compile is False
    assert any("shapes are more than batching.max_shapes 4" in note for note in chosen.notes)


def test_xla_is_not_tried_after_a_deterministic_run():
    with machine_for(load_config({})):
        pass
    chosen = choose_compilation(prepared(training={"deterministic": False}))
    assert chosen.config.training.jit_compile is False
    assert "not tried, an earlier run of this process has switched on TensorFlow's op determinism" in chosen.notes[-1]


@pytest.mark.parametrize("strategy", ["padded", "bucketed", "packed"])
def test_plans_of_a_compiled_step_keep_to_max_shapes(strategy):
    for jit_compile in (True, False):
        batching = {"strategy": strategy, "max_shapes": 2, "batch_size": 3}
        plan = planned(training={"jit_compile": jit_compile}, batching=batching)
        assert (len(plan.shapes) <= 2) is (jit_compile or strategy == "packed")
