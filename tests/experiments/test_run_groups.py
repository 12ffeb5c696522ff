"""Runs of one kind: those that differ in seed, fold, machine and what is measured afterwards."""

from types import SimpleNamespace

import pytest

from seqconv.config import load_config
from seqconv.experiments.run_groups import group_runs


def grouped(tmp_path, *settings):
    """The names of the runs of each group; every run has settings of its own."""
    config = load_config({})
    runs = {
        f"run{number}": SimpleNamespace(config=config.with_({"seed": number, **each}), path=tmp_path / f"run{number}")
        for number, each in enumerate(settings)
    }
    return [len(contender.runs) for contender in group_runs(runs)]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("training.device", [None, "GPU:1"]),
        ("training.jit_compile", [True, False]),
        ("training.loss_scale", [32.0, 31.0]),
        ("training.tensorboard", [True, False]),
        ("training.mlflow", [None, {"experiment": "x"}]),
        ("data.made_by", [None, "make data"]),
        ("data.num_workers", [0, 4]),
        ("evaluation.slices", [[], ["speaker"]]),
    ],
)
def test_what_changes_no_model_parts_no_runs_of_one_kind(tmp_path, key, values):
    assert grouped(tmp_path, *({key: value} for value in values)) == [2]


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("training.epochs", [3, 4]),
        ("training.mixed_precision", [True, False]),
        ("evaluation.thresholds", [None, "f1"]),
        ("data.manifest", ["a.csv", "b.csv"]),
        ("model.dense_units", [[], [8]]),
    ],
)
def test_other_settings_make_another_kind(tmp_path, key, values):
    assert grouped(tmp_path, *({key: value} for value in values)) == [1, 1]
