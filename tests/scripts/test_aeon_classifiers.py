"""The script that runs aeon's classifiers: what it feeds them, and how it scores. aeon itself is an extra."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from support.training_data import quick

from seqconv.training import train

DATA = Path(__file__).parents[2] / "data" / "japanese_vowels"
SCRIPT = Path(__file__).parents[2] / "scripts" / "aeon_classifiers.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("aeon_classifiers", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_reads_the_splits_of_a_run_as_aeon_wants_them(script, tmp_path):
    manifests = {split: str(DATA / f"JapaneseVowels_{split.upper()}.ts") for split in ("train", "test")}
    config = {**quick(training={"epochs": 1}), "data": {"manifest": manifests}}
    config["features"] = {"kind": "precomputed"}
    train(config, tmp_path / "run")
    (learned, labels), (test, test_labels) = script._read(tmp_path / "run")
    assert len(learned) == len(labels) == 270
    assert len(test) == len(test_labels) == 370
    assert {array.shape[0] for array in [*learned, *test]} == {12}
    assert {array.shape[1] for array in test} <= set(range(7, 30))
    assert len({array.shape[1] for array in test}) > 10
    assert sorted(set(labels)) == sorted(set(test_labels)) == [str(number) for number in range(1, 10)]


def test_the_score_is_the_mean_over_seeds_and_its_interval_is_over_sequences(script):
    is_right = np.array([[True] * 90 + [False] * 10, [True] * 80 + [False] * 20])
    value, interval, spread = script._scores(is_right)
    low, high = map(float, interval.split(" to "))
    assert value == "0.8500"
    assert 0.75 < low < 0.82
    assert 0.88 < high < 0.95
    assert spread == "0.8000 to 0.9000 (2 seeds)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "dtw,rocket"], "no classifier is called rocket. Known: dtw, catch22, rdst, shapelets, proximity"),
        (["--seeds", "0"], "--seeds: 0 runs give no score"),
        ([], "holds no config.yaml. Pass the run directory of a finished run."),
    ],
)
def test_bad_arguments_are_refused(script, tmp_path, capsys, arguments, message):
    assert script.main(["--run", str(tmp_path), *arguments]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
