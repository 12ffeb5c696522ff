"""Runs in MLflow, against a folder: settings, numbers and files, and one MLflow run for a run that was resumed."""

import os
import signal
from pathlib import Path

import keras
import pytest
from support.extras import require
from support.training_data import classified, quick

from seqconv.errors import ConfigError
from seqconv.training import MLflowLogger, resume, train
from seqconv.training.output import mlflow
from seqconv.training.state.interrupts import RunStopped

require("mlflow")
PARTS = {"train_data": classified(40), "valid_data": classified(12, seed=1), "test_data": classified(20, seed=2)}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A folder for MLflow, and a function that gives the runs in it."""
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "mlruns").as_uri()
    client = MlflowClient(tracking_uri=uri)

    def runs(experiment="seqconv"):
        found = client.get_experiment_by_name(experiment)
        return [] if found is None else list(client.search_runs([found.experiment_id]))

    return uri, client, runs


class Stop(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGTERM)


def values_of(client, run, name):
    return [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, name)]


def test_settings_numbers_and_files_are_written(store, tmp_path):
    from mlflow.artifacts import download_artifacts

    uri, client, runs = store
    run = train(quick(evaluation={"report": True}), tmp_path / "run", **PARTS, callbacks=[MLflowLogger(uri)])
    (logged,) = runs()
    assert logged.info.status == "FINISHED"
    assert logged.info.run_name == "run"
    assert logged.data.params["training.learning_rate"] == "0.01"
    assert logged.data.params["model.blocks.0.filters"] == "6"
    assert values_of(client, logged, "val_loss") == [
        (int(row["epoch"]), row["val_loss"]) for row in run.history.to_dict("records")
    ]
    assert logged.data.metrics["test/accuracy"] == run.metrics["test"]["accuracy"]
    assert "valid/macro_f1" in logged.data.metrics
    names = {file.path for file in client.list_artifacts(logged.info.run_id)}
    assert {"config.yaml", "model.keras", "metrics.json", "predictions.csv", "history.csv", "report.html"} <= names
    # By the address of the run: earlier clients look for its artifacts in another store than their own.
    copy = download_artifacts(artifact_uri=f"{logged.info.artifact_uri}/model.keras", dst_path=str(tmp_path))
    assert Path(copy).read_bytes() == (tmp_path / "run" / "model.keras").read_bytes()


def test_a_resumed_run_goes_on_in_the_same_mlflow_run(store, tmp_path):
    uri, client, runs = store
    config = quick(training={"epochs": 4, "mlflow": {"tracking_uri": uri, "experiment": "mine"}})
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(config, tmp_path / "run", **PARTS, callbacks=[Stop()])
    (stopped,) = runs("mine")
    assert stopped.info.status == "KILLED"
    assert [step for step, _ in values_of(client, stopped, "loss")] == [1, 2]
    run = resume(tmp_path / "run", **PARTS)
    (logged,) = runs("mine")
    assert logged.info.run_id == stopped.info.run_id
    assert logged.info.status == "FINISHED"
    assert values_of(client, logged, "loss") == list(enumerate(run.history["loss"], start=1))


def test_no_epoch_is_written_twice(store, tmp_path):
    """The checkpoint is older than what MLflow knows, as after a crash."""
    uri, client, runs = store
    checkpoints = tmp_path / "run" / "checkpoints"
    config = quick(training={"epochs": 4, "checkpoint": {"steps": 1, "minutes": None, "keep": 100}})
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(config, tmp_path / "run", **PARTS, callbacks=[MLflowLogger(uri), Stop()])
    for file in checkpoints.glob("epoch-0001*"):
        file.unlink()
    for file in checkpoints.glob("epoch-0002*"):
        file.unlink()
    run = resume(tmp_path / "run", **PARTS, callbacks=[MLflowLogger(uri)])
    (logged,) = runs()
    assert values_of(client, logged, "loss") == list(enumerate(run.history["loss"], start=1))


def test_a_run_that_begins_anew_is_the_one_that_mlflow_knows(store, tmp_path):
    uri, _, runs = store
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(quick(training={"epochs": 4}), tmp_path / "run", **PARTS, callbacks=[MLflowLogger(uri), Stop()])
    for file in (tmp_path / "run" / "checkpoints").glob("*.npz"):
        file.unlink()
    resume(tmp_path / "run", **PARTS, callbacks=[MLflowLogger(uri)])
    assert [run.info.status for run in runs()] == ["FINISHED"]


def test_a_run_that_fails_says_so_there(store, tmp_path):
    uri, _, runs = store
    with pytest.raises(ConfigError, match="diverged"):
        train(quick(training={"learning_rate": 1e30}), tmp_path / "run", **PARTS, callbacks=[MLflowLogger(uri)])
    assert [run.info.status for run in runs()] == ["FAILED"]


def test_an_address_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    uri = (tmp_path / "file" / "mlruns").as_uri()
    with pytest.raises(ConfigError, match=r"MLflow at '.*mlruns' cannot be written to"):
        train(quick(), tmp_path / "run", **PARTS, callbacks=[MLflowLogger(uri)])


def test_mlflow_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(mlflow, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'seqconv\[mlflow\]'"):
        MLflowLogger()
    with pytest.raises(ConfigError, match="MLflow is not installed"):
        train(quick(training={"mlflow": {}}), **PARTS)


@pytest.mark.parametrize("by", ["config", "callback"])
def test_members_of_an_average_are_runs_of_their_own(store, tmp_path, by):
    uri, _, runs = store
    settings = quick(members=[{}, {"training": {"epochs": 1}}])
    given = [MLflowLogger(uri)] if by == "callback" else []
    if by == "config":
        settings["training"]["mlflow"] = {"tracking_uri": uri}
    run = train(settings, tmp_path / "run", **PARTS, callbacks=given)
    logged = {each.info.run_name: each for each in runs()}
    assert set(logged) == {"0", "1", *(["run"] if by == "config" else [])}
    assert {each.info.status for each in logged.values()} == {"FINISHED"}
    assert [logged[name].data.params["training.epochs"] for name in ("0", "1")] == ["2", "1"]
    if by == "config":
        assert logged["run"].data.metrics["test/accuracy"] == run.metrics["test"]["accuracy"]
