"""Runs whose model is the average of several: members are ordinary runs, and their mean is scored, used and resumed."""

import json
import signal

import numpy as np
import pandas as pd
import pytest
from support.killing import Process
from support.resuming import Stopping, numbers
from support.training_data import classified, framed, quick

from seqconv.cli.commands.inspect import main as inspect_command
from seqconv.cli.commands.predict import main as predict_command
from seqconv.config import load_config
from seqconv.errors import ConfigError, ManifestError, ModelError
from seqconv.evaluation import evaluate
from seqconv.experiments import train_sweep
from seqconv.experiments.run_specs import Grid, make_specs
from seqconv.experiments.tuning import tune
from seqconv.inspection import contributions
from seqconv.models import AverageModel, load_model
from seqconv.prediction import predict
from seqconv.prediction.forward import forward
from seqconv.reports import write_report
from seqconv.training import resume, train
from seqconv.training.state.interrupts import RunStopped

DEEP = {"name": "deep", "seed": 1, "model": {"blocks": [{"filters": 6, "kernel_size": 3, "dropout": 0.2}]}}
RANDOM = {
    "name": "random",
    "training": {"solver": "ridge", "epochs": 1},
    "model": {"blocks": [{"type": "random_convolutions", "num_dilations": 2}], "pooling": "thresholds"},
}


def config(*members, **sections):
    evaluation = {"calibration": "temperature", "bootstrap": 0, "report": False}
    settings = quick(evaluation=evaluation, **sections)
    return {
        **settings,
        "training": {"epochs": 2, **sections.get("training", {})},
        "model": {},
        "members": list(members),
    }


def splits():
    return {"train_data": classified(44), "valid_data": classified(20, seed=1), "test_data": classified(24, seed=2)}


def weights_of(model):
    return [array.tobytes() for array in model.get_weights()]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(config(DEEP, RANDOM), tmp_path_factory.mktemp("average") / "run", **splits())


def test_each_member_is_the_run_that_it_would_be_alone(run, tmp_path):
    for index, member in enumerate((DEEP, RANDOM)):
        settings = config()
        training = {**settings["training"], **member.get("training", {})}
        # A member that says no seed has one of its own.
        seed = member.get("seed", 1_000_003 * index)
        alone = train({**settings, **member, "seed": seed, "training": training}, tmp_path / str(index), **splits())
        assert weights_of(load_model(run.path / "members" / str(index))) == weights_of(alone.model)
        assert weights_of(run.model.members[index]) == weights_of(alone.model)
        history = run.history[run.history["member"] == index].drop(columns="member").reset_index(drop=True)
        pd.testing.assert_frame_equal(numbers(history)[list(numbers(alone.history))], numbers(alone.history))


def test_the_average_is_the_mean_of_calibrated_members(run):
    test, members = splits()["test_data"], [load_model(run.path / "members" / str(index)) for index in (0, 1)]
    assert members[0].card.temperature != 1
    expected = np.mean([forward(member, test) / member.card.temperature for member in members], axis=0)
    np.testing.assert_allclose(forward(run.model, test), expected, rtol=1e-5, atol=1e-5)
    # Its own temperature is chosen on what it says, not on what they say.
    assert run.model.card.temperature not in (1, members[0].card.temperature, members[1].card.temperature)
    scored = evaluate(run.path / "model.keras", test, bootstrap=0).metrics
    assert scored["loss"] == run.metrics["test"]["loss"]


def test_the_folder_says_what_each_member_scores(run):
    facts = json.loads((run.path / "members.json").read_text())
    assert [(each["name"], each["folder"]) for each in facts] == [("deep", "members/0"), ("random", "members/1")]
    for each in facts:
        scores = json.loads((run.path / each["folder"] / "metrics.json").read_text())
        assert each["scores"]["test"]["accuracy"] == scores["test"]["accuracy"]
    page = write_report(run.path, parts={"test": splits()["test_data"]}).read_text()
    assert "Members and their average" in page
    assert page.count("members/1") >= 1
    assert "members" in run._repr_html_()


def test_predictions_come_in_every_form(run, tmp_path):
    arrays = [splits()["test_data"][index] for index in range(5)]
    table = predict(run.path, arrays)
    chunked = predict(run.path, arrays, chunk_frames=7)
    pd.testing.assert_frame_equal(table, chunked, rtol=1e-4, atol=1e-5)
    loaded = load_model(run.path)
    assert isinstance(loaded, AverageModel)
    loaded.save(tmp_path / "again.keras")
    pd.testing.assert_frame_equal(predict(tmp_path / "again.keras", arrays), table)


def test_members_that_predict_frames_are_averaged_frame_by_frame(tmp_path):
    blocks = [{"filters": 6, "kernel_size": 5, "strides": 2}]
    wide = [{"filters": 4, "kernel_size": 9}, {"filters": 6, "kernel_size": 3, "strides": 2, "padding": "causal"}]
    members = {"model": {"blocks": blocks}}, {"model": {"blocks": wide}, "seed": 3}
    settings = quick(members=list(members), model={"pooling": "frames", "blocks": blocks})
    found = train(settings, tmp_path / "run", train_data=framed(24), valid_data=framed(10, 1), test_data=framed(10, 2))
    frames = [forward(member, framed(10, 2)) for member in found.model.members]
    for ours, *theirs in zip(forward(found.model, framed(10, 2)), *frames, strict=True):
        np.testing.assert_allclose(ours, np.mean(theirs, axis=0), rtol=1e-5, atol=1e-5)
    assert found.metrics["test"]["num_frames"] > 0


@pytest.mark.parametrize(("epoch", "step"), [(0, 2), (1, "end")])
def test_an_average_that_is_stopped_goes_on(run, tmp_path, epoch, step):
    parts, path = splits(), tmp_path / "run"
    settings = config(DEEP, {**DEEP, "seed": 2}, training={"checkpoint": {"steps": 1, "minutes": None}})
    whole = train(settings, tmp_path / "whole", **parts)

    class StoppingTheSecond(Stopping):
        """Stops the second run that it sees."""

        count = 0

        def on_train_begin(self, logs=None):
            self.count += 1

        def _stop_at(self, at):
            if self.count == 2:
                super()._stop_at(at)

    with pytest.raises(RunStopped, match=f"Go on with: .*--resume {path}$"):
        train(settings, path, **parts, callbacks=[StoppingTheSecond(epoch, step)])
    assert (path / "members" / "0" / "model.json").exists()
    assert not (path / "model.keras").exists()
    assert f"--resume {path}" in (path / "unfinished.txt").read_text()
    found = resume(path, **parts)
    assert weights_of(found.model) == weights_of(whole.model)
    assert found.metrics == whole.metrics
    pd.testing.assert_frame_equal(numbers(found.history), numbers(whole.history))
    assert not list(path.rglob("unfinished.txt"))
    # A finished one is scored again.
    assert resume(path, **parts).metrics == whole.metrics


def test_an_average_that_is_killed_goes_on(tmp_path):
    settings = {
        "members": "[{seed: 1, training: {epochs: 3}}, {seed: 2, training: {epochs: 25}}, {seed: 3}]",
        "training.checkpoint": "{steps: 1, minutes: null}",
        "model.blocks": "[{filters: 6, kernel_size: 3, dropout: 0.2}]",
        "training.epochs": "2",
        "evaluation": "{bootstrap: 0, report: false}",
        "data.num_workers": "0",
    }
    given = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    results = []
    for name in ("whole", "killed"):
        path = tmp_path / name
        process = Process(tmp_path / f"{name}.log", "--config", "japanese_vowels.yaml", "--run-dir", path, *given)
        if name == "killed":
            # In the middle of the second member.
            assert process.wait_for((path / "members" / "1" / "history.csv").exists)
            process.end(signal.SIGKILL)
            assert not (path / "members" / "2").exists()
            process = Process(tmp_path / "resumed.log", "--resume", path)
        process.finish()
        model = load_model(path)
        results.append((weights_of(model), (path / "metrics.json").read_text(), (path / "predictions.csv").read_text()))
    assert results[0] == results[1]


def test_a_member_that_cannot_be_trained_is_named_before_any_is(tmp_path):
    long = {"blocks": [{"filters": 4, "kernel_size": 9, "padding": "valid"}]}
    with pytest.raises(ManifestError, match=r"(?s)members\.1: .*shorter than the 9 frames"):
        train(config(DEEP, {"model": long}), tmp_path / "run", **splits())
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match=r"training\.copy_to: it is the place of one run"):
        train(config(DEEP, RANDOM, training={"copy_to": "s3://bucket/run"}), tmp_path / "run", **splits())


def test_members_are_resumed_by_the_config_that_they_began_with(run):
    with pytest.raises(ConfigError, match=r"members are trained by another config:\n  training\.epochs: 2 then, 5 now"):
        resume(run.path, ["training.epochs=5"], **splits())


def test_a_sweep_varies_a_member(tmp_path):
    settings = {**config(DEEP, {}), "model": {"blocks": [{"filters": 4}]}}
    sweep = train_sweep(settings, tmp_path / "sweep", sweeps={"members.0.training.epochs": [1, 3]}, data=splits())
    assert not sweep.failures
    epochs = [len(pd.read_csv(path)) for path in sorted(tmp_path.glob("sweep/*/members/0/history.csv"))]
    assert epochs == [1, 3]
    table = pd.read_csv(tmp_path / "sweep" / "runs.csv")
    assert len(table) == 2
    assert table["accuracy"].notna().all()


def test_seeds_change_every_member_unless_one_is_fixed():
    settings = load_config({**config({}, {"training": {"epochs": 1}})})
    seeds = [
        [member.seed for member in each.config.member_configs()] for each in make_specs(settings, Grid(seeds=(0, 1)))
    ]
    assert len({seed for of_run in seeds for seed in of_run}) == 4
    split_seeds = {
        member.split_seed
        for each in make_specs(settings, Grid(seeds=(0, 1)))
        for member in each.config.member_configs()
    }
    assert split_seeds == {0}
    with pytest.raises(ConfigError, match=r"--seeds: 'members\.0\.seed' would be the same in all runs"):
        make_specs(load_config(config(DEEP, {})), Grid(seeds=(0, 1)))


def test_what_an_average_cannot_is_refused_by_name(run, tmp_path):
    with pytest.raises(ConfigError, match=r"an average \(members\) has no epochs of its own"):
        tune(config(DEEP, RANDOM), {"training.learning_rate": [1e-3, 1e-2]}, tmp_path / "search", data=splits())
    for sections in ({}, {"model": {"blocks": [{"filters": 4}]}, "features": {"kind": "precomputed"}}):
        init = {**sections, "training": {"init": str(run.path / "model.keras")}}
        with pytest.raises((ConfigError, ModelError), match="RUN/members/0"):
            train(init, tmp_path / "fine", **splits())
    with pytest.raises(ModelError, match=r"an average of 2 models, each with a head of its own.*--member 0"):
        contributions(run.model, splits()["test_data"][0])


def test_commands_take_an_average(run, tmp_path, capsys):
    arrays = splits()["test_data"]
    np.save(tmp_path / "one.npy", arrays[0])
    path = str(run.path)
    assert inspect_command([path, "--audit"]) == 0
    assert inspect_command([path, "--member", "1"]) == 0
    shown = capsys.readouterr().out
    assert "passes: one sequence, one answer" in shown
    assert "block0_frames_conv" in shown
    assert inspect_command([path, "--member", "2"]) == 2
    assert "its members are 0 to 1" in capsys.readouterr().err
    assert inspect_command([path, "--member", "0", "--recording", str(tmp_path / "one.npy")]) == 0
    assert predict_command(["--model", path, str(tmp_path / "one.npy"), "--output", str(tmp_path / "out.csv")]) == 0
    found, expected = pd.read_csv(tmp_path / "out.csv"), predict(path, [arrays[0]])
    assert found["prediction"].tolist() == expected["prediction"].tolist()
    np.testing.assert_allclose(found["p_low"], expected["p_low"], rtol=1e-4, atol=1e-5)
