"""A search: on valid alone, pruned, resumable to the same end, and its best config trains as it is."""

import json
import signal

import numpy as np
import pandas as pd
import pytest
from support.extras import require
from support.forking import Child
from support.training_data import classified, quick, toned
from support.waiting import is_alive_when

from seqconv.cli.main import main
from seqconv.config import load_config
from seqconv.errors import ConfigError
from seqconv.experiments.tuning import resume_tuning, search, tune
from seqconv.training.run import scoring as training_run
from seqconv.training.run.run_dir import read_history

require("optuna")

SPACE = {
    "training.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "model.blocks.0.filters": [4, 8],
    "model.pooling": [["mean"], ["mean", "max"]],
}
DATA = {"train_data": classified(40), "valid_data": classified(24, seed=1), "test_data": classified(20, seed=2)}
TRIALS = 4


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return tune(quick(), SPACE, tmp_path_factory.mktemp("tuning") / "whole", trials=TRIALS, data=DATA)


def test_the_best_is_the_best_of_the_trials(found):
    complete = found.trials[found.trials["state"] == "complete"]
    assert len(found.trials) == TRIALS
    assert found.value == complete["val_macro_f1"].max()
    for row in complete.to_dict("records"):
        history = read_history(found.path / f"trial-{row['trial']:03}")
        assert row["val_macro_f1"] == history["val_macro_f1"].max()
        assert 1e-4 <= row["training.learning_rate"] <= 1e-1
        assert row["model.blocks.0.filters"] in (4, 8)
    best = complete.loc[complete["val_macro_f1"].idxmax()]
    assert found.best == {key: best[key] for key in SPACE}


def test_the_test_split_is_never_scored(found, tmp_path, monkeypatch):
    for scores in found.path.glob("trial-*/metrics.json"):
        assert set(json.loads(scores.read_text())) - {"format_version"} == {"valid"}
    scored = []
    evaluate = training_run.evaluate

    def watch(model, data, **options):
        scored.append((options["split_name"], len(data)))
        return evaluate(model, data, **options)

    monkeypatch.setattr(training_run, "evaluate", watch)
    tune(quick(training={"epochs": 1}), SPACE, tmp_path / "watched", trials=1, data=DATA)
    assert scored == [("valid", 24)]


@pytest.fixture(scope="module")
def config_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    levels = [0, 1] * 30
    for number, array in enumerate(toned(levels)):
        np.save(folder / f"{number:02}.npy", array)
    rows = {"path": [f"{i:02}.npy" for i in range(60)], "label": [("low", "top")[level] for level in levels]}
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    values = quick(
        data={"manifest": str(folder / "manifest.csv"), "num_workers": 0},
        features={"kind": "precomputed"},
        evaluation={"bootstrap": 30},
        training={"epochs": 3, "checkpoint": {"steps": 2, "minutes": None}},
    )
    (folder / "base.yaml").write_text(json.dumps(values))
    (folder / "space.yaml").write_text(json.dumps(SPACE))
    return folder / "base.yaml"


def command(config_file, folder, *more):
    space = config_file.with_name("space.yaml")
    return ["tune", "--config", str(config_file), "--space", str(space), "--run-dir", str(folder), *more]


def test_the_best_config_trains_as_it_is(config_file, tmp_path, capsys):
    folder = tmp_path / "search"
    assert main(command(config_file, folder, "--trials", "3")) == 0
    printed = capsys.readouterr().out
    assert "3 trials for the largest val_macro_f1" in printed
    assert "1/3  trial-000  val_macro_f1" in printed
    assert f"train --config {folder / 'best.yaml'}" in printed
    best = load_config(folder / "best.yaml")
    base = load_config(config_file)
    assert best.evaluation == base.evaluation
    assert main(["train", "--config", str(folder / "best.yaml"), "--run-dir", str(tmp_path / "run")]) == 0
    assert "test" in json.loads((tmp_path / "run" / "metrics.json").read_text())
    trials = pd.read_csv(folder / "trials.csv")
    row = trials.loc[trials["val_macro_f1"].idxmax()]
    assert best.training.learning_rate == row["training.learning_rate"]
    # The best trial, trained again, is the same run.
    again = read_history(tmp_path / "run")
    assert again["val_macro_f1"].max() == row["val_macro_f1"]


def test_a_search_that_is_killed_goes_on_and_is_equal(config_file, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(command(config_file, whole, "--trials", "3", "--no-pruning")) == 0
    for wanted, number in (("trial-001/history.csv", signal.SIGKILL), ("trial-002/history.csv", signal.SIGTERM)):
        arguments = ["tune", "--resume", str(killed)]
        if not (killed / "tuning.yaml").exists():
            arguments = command(config_file, killed, "--trials", "3", "--no-pruning")
        process = Child(tmp_path / "log", "-m", "seqconv", *arguments)
        assert is_alive_when(process, (killed / wanted).exists)
        process.send_signal(number)
        assert process.wait() in (-signal.SIGKILL, 128 + signal.SIGTERM)
    resume_tuning(killed)
    assert (killed / "trials.csv").read_text() == (whole / "trials.csv").read_text()
    assert (killed / "best.yaml").read_text() == (whole / "best.yaml").read_text()


def test_more_trials_can_be_added(found):
    before = found.trials
    more = resume_tuning(found.path, trials=TRIALS + 1, data=DATA)
    assert more.trials.head(TRIALS).equals(before)
    assert len(more.trials) == TRIALS + 1


def test_a_trial_that_falls_behind_is_ended_early(tmp_path, capsys):
    space = {"training.learning_rate": [1e-2, 1e-9]}
    config = quick(training={"epochs": 5, "monitor": "val_loss"})
    found = tune(config, space, tmp_path / "pruned", trials=9, data=DATA)
    pruned = found.trials[found.trials["state"] == "pruned"]
    assert len(pruned) >= 1
    assert set(pruned["training.learning_rate"]) == {1e-9}
    assert (pruned["epochs"] < 5).all()
    assert "pruned after epoch" in capsys.readouterr().out
    path = found.path / f"trial-{pruned['trial'].iloc[0]:03}"
    assert "pruned after epoch" in (path / "unfinished.txt").read_text()
    assert not (path / "checkpoints").exists()
    assert found.best == {"training.learning_rate": 1e-2}


def test_a_trial_that_fails_is_named_and_the_others_go_on(tmp_path, capsys):
    space = {"training.learning_rate": [1e-2, 1e30]}
    found = tune(quick(training={"epochs": 1}), space, tmp_path / "some", trials=4, data=DATA)
    failed = found.trials[found.trials["state"] == "failed"]
    assert 1 <= len(failed) <= 3
    assert failed["reason"].str.contains("diverged").all()
    assert "failed: training diverged" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="all 5 trials have failed, the last one with: training diverged"):
        tune(quick(), {"training.learning_rate": [1e30, 2e30]}, tmp_path / "all", trials=9, data=DATA)


def test_optuna_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(search, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'seqconv\[tune\]'"):
        tune(quick(), SPACE, data=DATA)


def test_a_search_without_valid_is_refused(tmp_path):
    parts = {name: DATA[name] for name in ("train_data", "test_data")}
    with pytest.raises(ConfigError, match="trials are compared on valid"):
        tune(quick(split={"valid": 0}), SPACE, tmp_path / "search", trials=1, data=parts)
