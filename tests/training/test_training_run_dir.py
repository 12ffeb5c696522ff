"""The run directory: refused, shared with nobody, complete, and enough to do the run again."""

import importlib.metadata
import json
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pandas as pd
import pytest
from support.training_data import classified, quick

import seqconv
from seqconv.config import load_config
from seqconv.errors import ConfigError
from seqconv.models import load_model
from seqconv.models.card import read_card
from seqconv.reports.folder import read_scores
from seqconv.training import train
from seqconv.training.run.run_dir import make_run_dir

JAPANESE_VOWELS = [
    "training.epochs=2",
    "training.monitor=val_accuracy",
    "model.blocks=[{filters: 16, kernel_size: 3}]",
    "model.dense_dropout=0.2",
    "evaluation.bootstrap=20",
    "data.num_workers=0",
]
DATA = {"train_data": classified(), "valid_data": classified(20, seed=1)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run on JapaneseVowels, whose valid split seqconv makes."""
    config = load_config("japanese_vowels.yaml", JAPANESE_VOWELS)
    return train(config, tmp_path_factory.mktemp("japanese_vowels") / "run")


def test_a_folder_in_use_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"exists and is not empty\. Choose another with --run-dir"):
        train({"data": {"manifest": "nowhere.csv"}}, tmp_path)
    with pytest.raises(ConfigError, match=r"notes\.txt' is a file"):
        train({"data": {"manifest": "nowhere.csv"}}, tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_runs_that_start_in_one_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda form: "20260101-000000")
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: make_run_dir(None, "vowels"), range(24)))
    assert len(set(paths)) == 24
    assert all(path.is_dir() and path.name.startswith("vowels-20260101-000000") for path in paths)


def test_a_run_holds_all_that_belongs_to_it(finished):
    names = {path.name for path in finished.path.iterdir()}
    assert names == {
        "config.yaml", "history.csv", "lengths.csv", "metrics.json", "model.json", "model.keras", "predictions.csv",
        "report.html", "splits.csv", "versions.json",
    }  # fmt: skip
    versions = json.loads((finished.path / "versions.json").read_text())
    assert versions["keras"] == keras.__version__
    assert {"seqconv", "tensorflow", "numpy", "python", "librosa"} <= set(versions)
    facts = json.loads((finished.path / "model.json").read_text())
    assert facts["parameters"] == finished.model.count_params()
    assert facts["model_bytes"] == (finished.path / "model.keras").stat().st_size
    assert 0 < facts["latency_seconds"] < 1
    assert "JapaneseVowels" in (finished.path / "config.yaml").read_text()
    assert f"{finished.metrics['test']['accuracy']:.4f}" in (finished.path / "report.html").read_text()


def test_a_package_on_the_path_that_is_not_installed_trains(tmp_path, monkeypatch):
    known = importlib.metadata.distribution

    def find(name):
        if name == "seqconv":
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "distribution", find)
    run = train(quick(training={"epochs": 1}), tmp_path / "run", **DATA)
    assert json.loads((run.path / "versions.json").read_text())["seqconv"] == seqconv.__version__
    assert read_card(load_model(run.path / "model.keras")).seqconv_version == seqconv.__version__


def test_metrics_are_by_split_and_are_those_of_the_run(finished):
    metrics = read_scores(finished.path / "metrics.json")
    assert set(metrics) == {"valid", "test"}
    assert metrics == finished.metrics
    assert finished.evaluation.split_name == "test"
    predictions = pd.read_csv(finished.path / "predictions.csv", dtype={"label": str, "prediction": str})
    assert (predictions["label"] == predictions["prediction"]).mean() == pytest.approx(metrics["test"]["accuracy"])
    low, high = metrics["test"]["intervals"]["accuracy"]
    assert low <= metrics["test"]["accuracy"] <= high


def test_splits_lists_every_sequence(finished):
    splits = pd.read_csv(finished.path / "splits.csv", dtype=str)
    assert splits["split"].value_counts().to_dict() == {"test": 370, "train": 236, "valid": 34}
    assert splits["id"].is_unique


def test_the_config_of_a_run_gives_the_run_again(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_config(finished.path / "config.yaml")
    assert all(path.startswith("/") for path in config.data.manifest.values())
    again = train(config, "again")
    for ours, theirs in zip(finished.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert again.metrics == finished.metrics
    assert (again.path / "config.yaml").read_text() == (finished.path / "config.yaml").read_text()
    assert (again.path / "splits.csv").read_text() == (finished.path / "splits.csv").read_text()


def test_the_config_of_a_run_on_arrays_names_no_manifest(tmp_path):
    (tmp_path / "other.csv").write_text("path,label\n")
    config = quick(data={"manifest": str(tmp_path / "other.csv")}, training={"epochs": 1})
    run = train(config, tmp_path / "run", **DATA)
    written = load_config(run.path / "config.yaml")
    assert written.data.manifest is None
    assert written.features.kind == "precomputed"
    assert not (run.path / "splits.csv").exists()


class Failing(keras.callbacks.Callback):
    """Fails in the middle of an epoch."""

    def __init__(self, epoch, error):
        super().__init__()
        self.epoch, self.error = epoch, error

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise self.error


@pytest.mark.parametrize("existed", [False, True])
def test_a_run_that_fails_at_once_leaves_nothing(tmp_path, existed):
    path = tmp_path / "run"
    if existed:
        path.mkdir()
    with pytest.raises(RuntimeError, match="no power"):
        train(quick(training={"tensorboard": True}), path, callbacks=[Failing(0, RuntimeError("no power"))], **DATA)
    assert path.exists() == existed
    assert list(tmp_path.rglob("*")) == [path] * existed


@pytest.mark.parametrize("error", [RuntimeError("no power"), KeyboardInterrupt()])
def test_a_run_that_fails_later_keeps_its_best_model_and_says_what_happened(tmp_path, error):
    path = tmp_path / "run"
    with pytest.raises(type(error), match=r"^no power$|^$"):
        train(quick(training={"epochs": 4}), path, callbacks=[Failing(2, error)], **DATA)
    assert len(pd.read_csv(path / "history.csv")) == 2
    assert load_model(path / "model.keras").num_outputs == 3
    text = (path / "unfinished.txt").read_text()
    assert text.startswith(f"This run did not finish: {str(error) or 'KeyboardInterrupt'}\nmodel.keras is the best")
    assert not (path / "metrics.json").exists()
    assert not list(path.glob(".*"))
