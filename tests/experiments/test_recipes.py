"""Recipe auto: what it chooses depends on train alone, its plain config gives the same model, and it can be stopped."""

import csv
import io
import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from rich.console import Console
from support.forking import Child
from support.training_data import classified, quick, toned
from support.waiting import is_alive_when

from seqconv.cli.main import main
from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError
from seqconv.experiments import train_recipe, train_sweep
from seqconv.experiments.recipes import auto, search
from seqconv.experiments.recipes.candidates import (
    DEEP,
    FEW,
    average_config,
    deep_config,
    form_config,
    rocket_config,
)
from seqconv.experiments.recipes.clock import Clock, OutOfTime, Pace
from seqconv.experiments.recipes.folder import publish
from seqconv.experiments.recipes.folds import NEVER, make_folds
from seqconv.experiments.recipes.scores import Judge
from seqconv.models import load_model
from seqconv.training import resume, train
from seqconv.training.ridge.unseen import leave_out, pool_training
from seqconv.training.run.trial import score_trial, train_trial
from seqconv.training.state.interrupts import RunStopped

PICKUP = Path(__file__).parents[2] / "data" / "pickup_gesture"
# Nothing here ends because time is up.
AUTO = {"recipe": "auto", "budget": "20h", "features": {"kind": "precomputed"},
        "evaluation": {"report": False, "bootstrap": 20}}  # fmt: skip


def rows_of(folder):
    """The table of what was tried, without its times."""
    with (folder / "recipe.csv").open() as file:
        return [{name: row[name] for name in row if name not in ("seconds", "at")} for row in csv.DictReader(file)]


def weights_of(folder):
    return load_model(folder).get_weights()


def assert_same_weights(one, other):
    for left, right in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.fixture
def without_networks(monkeypatch):
    monkeypatch.setattr(search, "DEEP", {})


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "DEEP", {})
        folder = tmp_path_factory.mktemp("recipes") / "auto"
        return train_recipe(AUTO, folder, train_data=classified(40), test_data=classified(20, seed=1))


def test_the_test_split_changes_nothing(found, tmp_path, without_networks):
    labels = classified(20).labels[::-1]
    noise = [np.random.default_rng(3).normal(scale=1e3, size=(9, 3)).astype("float32") + i for i in range(20)]
    run = train_recipe(AUTO, tmp_path / "run", train_data=classified(40), test_data=Sequences(noise, labels))
    assert rows_of(run.path) == rows_of(found.path)
    assert_same_weights(run.path, found.path)
    assert run.metrics["test"]["accuracy"] < found.metrics["test"]["accuracy"]


def test_the_plain_config_trains_the_same_model_again(found, tmp_path):
    config = load_config(found.path / "config.yaml")
    assert (config.recipe, config.budget) == (None, None)
    again = train(config, tmp_path / "again", train_data=classified(40), test_data=classified(20, seed=1))
    assert_same_weights(again.path, found.path)
    assert again.metrics["test"] == found.metrics["test"]


def test_the_plain_config_of_an_average_trains_the_same_members_again(tmp_path):
    config = load_config({**AUTO, "training": {"class_weight": "balanced"}})
    members = [rocket_config(config, forms) for forms in (FEW, ("standardized",))]
    plain = average_config(config, members)
    assert [each.model for each in plain.member_configs()] == [each.model for each in members]
    assert {each.training.class_weight for each in plain.member_configs()} == {"balanced"}
    data = load_datasets(plain.data_spec, classified(24), None, classified(12, seed=1))
    console = Console(file=io.StringIO())
    train_trial(plain, data, tmp_path / "trial", [], console)
    (tmp_path / "published").mkdir()
    publish(tmp_path / "trial", tmp_path / "published")
    scored = score_trial(data, tmp_path / "published", console, console)
    again = train(plain, tmp_path / "again", train_data=classified(24), test_data=classified(12, seed=1))
    assert_same_weights(again.path, scored.path)
    assert (scored.path / "members" / "1" / "metrics.json").exists()
    assert again.metrics["test"] == scored.metrics["test"]


def test_the_folder_says_what_was_tried_and_what_was_chosen(found):
    rows = rows_of(found.path)
    assert rows[0]["tried"] == "rocket few"
    assert rows[0]["note"].startswith("saved: ")
    scored = {row["tried"]: row for row in rows if row["loss"]}
    assert set(scored) >= {"rocket few", "rocket all", "rocket recording"}
    # Levels tell these classes apart, and standardized sequences have none.
    assert float(scored["rocket recording"]["loss"]) > 2 * float(scored["rocket few"]["loss"])
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in scored.values())
    assert found.metrics["test"]["accuracy"] > 0.8
    assert json.loads((found.path / "metrics.json").read_text())["test"]["num_sequences"] == 20


def test_networks_are_tried_by_folds(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "DEEP", {"deep train": DEEP["deep train"]})
    config = {**AUTO, "training": {"epochs": 2}}
    data = Sequences(classified(40).features, classified(40).labels, groups=[str(i // 20) for i in range(40)])
    run = train_recipe(config, tmp_path / "run", train_data=data, test_data=classified(20, seed=1))
    scored = {row["tried"]: row for row in rows_of(run.path) if row["loss"]}
    assert float(scored["deep train"]["sequences"]) == 40
    folds = sorted((run.path / "tried" / "deep-train").iterdir())
    assert [fold.name for fold in folds] == ["fold-0", "fold-1"]
    average = next(row for name, row in scored.items() if name.startswith("average of rocket"))
    assert float(average["loss"]) < float(scored["deep train"]["loss"])
    # Two epochs teach nothing, and the simpler model stays.
    assert load_config(run.path / "config.yaml").training.solver == "ridge"


def datasets(labels, groups=None, features=None):
    config = load_config({**AUTO, "target": {"task": "classification"}})
    train_data = Sequences(features or toned([0] * len(labels)), labels, groups=groups)
    return load_datasets(config.data_spec, train_data, None, Sequences(toned([0], seed=9), labels[:1]))


def test_folds_keep_groups_whole_and_leave_some_of_each_class():
    groups = [str(number % 13) for number in range(60)]
    labels = ["rare" if group == "5" else "ab"[int(group) % 2] for group in groups]
    data = datasets(labels, groups)
    folds = make_folds(data, seed=0)
    for group in set(groups):
        assert len({folds[row] for row in range(60) if groups[row] == group}) == 1
    assert (folds[np.array(labels) == "rare"] == NEVER).all()
    assert (folds[np.array(labels) != "rare"] != NEVER).all()
    for fold in range(folds.max() + 1):
        assert {labels[row] for row in np.flatnonzero(folds != fold)} == {"a", "b", "rare"}
    np.testing.assert_array_equal(make_folds(data, seed=0), folds)


def test_each_fold_holds_something_out():
    labels = [*"ab" * 8, *"cccc"]
    groups = [*"0" * 8, *"1" * 8, *"2222"]
    folds = make_folds(datasets(labels, groups), seed=0)
    # The only group of a class is never held out, and was a fold of its own.
    assert sorted(set(folds)) == [NEVER, 0, 1]
    assert (folds[16:] == NEVER).all()
    # One fold that is left cannot be compared by.
    assert make_folds(datasets([*"ab" * 8, *"ccca"], [*"0" * 16, *"1" * 4]), seed=0) is None


@pytest.mark.parametrize("labels", [list("ab"), list("abcdefgh"), list("aabbccdd")[:6]])
def test_there_are_no_folds_of_too_few(labels):
    assert make_folds(datasets(labels), seed=0) is None


@pytest.mark.parametrize("task", ["regression", "multilabel"])
def test_left_out_answers_of_other_tasks_are_compared(task):
    levels = np.arange(30) % 3
    labels = {
        "regression": (2.0 * levels).tolist(),
        "multilabel": [["", "a", "a;b"][level] for level in levels],
    }[task]
    config = load_config({**AUTO, "target": {"task": task}})
    train_data = Sequences(toned(levels), labels)
    data = load_datasets(config.data_spec, train_data, None, Sequences(toned([1], seed=9), labels[1:2]))
    pooled = pool_training(form_config(config, "frames"), data)
    judge = Judge(data, pooled.weights, config.evaluation, 0)
    good = judge.score(leave_out(data, pooled))
    noise = replace(pooled, features=np.random.default_rng(0).normal(size=(30, 40)).astype("float32"))
    bad = judge.score(leave_out(data, noise))
    assert good.loss < bad.loss
    gain = judge.compare(good.losses, bad.losses)
    assert gain.value == pytest.approx(bad.loss - good.loss)
    assert gain.is_lower
    assert not judge.compare(bad.losses, good.losses).is_lower
    assert not judge.compare(good.losses, good.losses).is_lower


def test_sequences_of_a_group_count_as_one_observation():
    labels = list("ab") * 16
    losses = np.repeat(np.random.default_rng(0).normal(size=8), 4)
    alone = Judge(datasets(labels), np.ones(32), None, 0).compare(losses, np.zeros(32))
    groups = [str(number // 4) for number in range(32)]
    grouped = Judge(datasets(labels, groups), np.ones(32), None, 0).compare(losses, np.zeros(32))
    assert grouped.value == alone.value
    # Of four equal ones, three say nothing new.
    few = np.random.default_rng(0).normal(size=8)
    assert grouped.error == pytest.approx(few.std(ddof=1) / np.sqrt(8))
    assert alone.error < grouped.error


def test_what_cannot_end_in_time_is_ended():
    class Set:
        spent, budget, left = 0.0, 100.0, 100.0
        check = Clock.check

    clock = Set()
    pace = Pace(clock, trainings=2.0)
    pace.set_params({"epochs": 10})
    pace.on_epoch_end(0)
    # Four seconds an epoch: 2 * 10 - 2 of them are to come.
    clock.spent, clock.left = 4.0, 73.0
    pace.on_epoch_end(1)
    clock.left = 71.0
    with pytest.raises(OutOfTime, match="about 72 s, and 71 s are left"):
        pace.on_epoch_end(1)


def test_epochs_follow_from_the_number_of_sequences_unless_they_are_given():
    config = load_config(AUTO)
    assert [deep_config(config, "deep train", count).training.epochs for count in (50, 300, 10**5)] == [120, 43, 15]
    given = deep_config(config.with_(training={"epochs": 4}), "deep both", 50).training
    assert (given.epochs, given.warmup_epochs <= 4) == (4, True)


def test_seeds_draw_other_kernels():
    config = load_config(AUTO)
    seeds = [rocket_config(config.with_(seed=seed), FEW).model.blocks[0].seed for seed in (0, 1)]
    assert abs(seeds[1] - seeds[0]) > len(FEW)


def write_config(folder, **more):
    values = {**AUTO, "split": {"valid": 0}, "target": {"task": "classification"}, **more,
              "data": {"manifest": {part: str(PICKUP / f"PickupGestureWiimoteZ_{part.upper()}.ts")
                                    for part in ("train", "test")}}}  # fmt: skip
    (folder / "auto.yaml").write_text(json.dumps(values))
    return folder / "auto.yaml"


def test_a_signal_ends_the_search_and_keeps_the_best(tmp_path):
    config, run = write_config(tmp_path), tmp_path / "run"
    child = Child(tmp_path / "log", "-m", "seqconv", "train", "--config", config, "--run-dir", run)
    log = run / "logs" / "deep both.txt"
    # The first epoch of the first network.
    assert is_alive_when(child, lambda: log.exists() and "epoch   1/120" in log.read_text()), (
        tmp_path / "log"
    ).read_text()
    child.send_signal(signal.SIGTERM)
    assert child.wait() == 128 + signal.SIGTERM, (tmp_path / "log").read_text()
    assert "SIGTERM ended the search; the best model so far is kept and scored" in (tmp_path / "log").read_text()
    assert json.loads((run / "metrics.json").read_text())["test"]["accuracy"] > 0.6
    assert load_config(run / "config.yaml").training.solver == "ridge"
    assert load_model(run).num_features == 1


def test_a_signal_while_the_model_is_exchanged_leaves_a_whole_one(tmp_path, without_networks, monkeypatch):
    copied, copy = [], shutil.copyfile

    def interrupted(source, target):
        copied.append(source)
        if source.name == "config.yaml":
            signal.raise_signal(signal.SIGINT)
        return copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", interrupted)
    with pytest.raises(RunStopped, match="the best model so far is kept and scored"):
        train_recipe(AUTO, tmp_path / "run", train_data=classified(40), test_data=classified(20, seed=1))
    trial = copied[-1].parent
    assert (tmp_path / "run" / "config.yaml").read_text() == (trial / "config.yaml").read_text()
    assert_same_weights(tmp_path / "run", trial)
    assert (tmp_path / "run" / "metrics.json").exists()


def test_a_signal_while_the_best_is_scored_keeps_it(tmp_path, without_networks, monkeypatch):
    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)
        return score_trial(*arguments)

    monkeypatch.setattr(auto, "score_trial", interrupted)
    with pytest.raises(RunStopped, match=r"SIGINT ended the scoring; the best model so far is kept.*evaluate --model"):
        train_recipe(AUTO, tmp_path / "run", train_data=classified(40), test_data=classified(20, seed=1))
    assert load_model(tmp_path / "run").num_features == 3
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert "--resume" not in (tmp_path / "run" / "unfinished.txt").read_text()


def test_a_signal_at_the_end_of_a_trial_is_not_lost(tmp_path):
    class Interrupting(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            signal.raise_signal(signal.SIGTERM)

    plain = rocket_config(load_config(AUTO), FEW)
    data = load_datasets(plain.data_spec, classified(24), None, classified(12, seed=1))
    with pytest.raises(RunStopped, match="SIGTERM"):
        train_trial(plain, data, tmp_path / "trial", [Interrupting()], Console(file=io.StringIO()))


def test_a_killed_search_leaves_a_whole_model_and_is_not_taken_for_a_run(tmp_path):
    config, run = write_config(tmp_path), tmp_path / "run"
    child = Child(tmp_path / "log", "-m", "seqconv", "train", "--config", config, "--run-dir", run)
    assert is_alive_when(child, lambda: (run / "recipe.csv").exists()), (tmp_path / "log").read_text()
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert load_model(run).num_features == 1
    assert load_config(run / "config.yaml").recipe is None
    with pytest.raises(ConfigError, match=r"search of recipe auto.*evaluate --model .*train --config .*config\.yaml"):
        resume(run)


def test_a_search_that_finds_nothing_leaves_nothing(tmp_path, without_networks):
    data = Sequences(toned([0, 1] * 10), ["a", "b"] * 10, groups=["one"] * 20)
    with pytest.raises(ConfigError, match="all 20 training sequences are of the group 'one'"):
        train_recipe(AUTO, tmp_path / "run", train_data=data, test_data=Sequences(toned([0], seed=9), ["a"]))
    assert not (tmp_path / "run").exists()


def test_what_trains_one_model_refuses_to_search(tmp_path):
    with pytest.raises(ConfigError, match=r"recipe: auto tries several models.*train_recipe"):
        train(AUTO, tmp_path / "run", train_data=classified(12), test_data=classified(6))
    with pytest.raises(ConfigError, match="recipe auto would choose anew"):
        train_sweep(AUTO, tmp_path / "runs", seeds=[0, 1], data={"train_data": classified(12)})
    with pytest.raises(ConfigError, match="recipe is null, and this is for recipe auto"):
        train_recipe(quick(), tmp_path / "run", train_data=classified(12), test_data=classified(6))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--seeds", "2"], "recipe auto would choose anew each time"),
        (["--set", "model.pooling=[max]"], "model.pooling: recipe auto chooses it"),
        (["--budget", "soon"], "'soon': no time"),
    ],
)
def test_options_that_a_search_cannot_have(tmp_path, capsys, monkeypatch, arguments, match):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--config", str(write_config(tmp_path)), *arguments]) == 2
    assert match in capsys.readouterr().err


def test_a_manifest_is_enough(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    manifest = str(PICKUP / "PickupGestureWiimoteZ_TRAIN.ts")
    assert main(["train", "--manifest", manifest]) == 2
    assert "add --recipe auto, rocket or deep" in capsys.readouterr().err
    assert main(["train", "--manifest", manifest, "--recipe", "auto", "--budget", "1h", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "auto: 3600 s for what 40 training sequences say is best" in said
    # A draft would have 35, and 5 to choose the epoch by.
    assert "train 35" not in said
    assert "LOOK AT THIS: nothing says which sequences belong together" in said
    assert "random convolutions over frames, smoothed, saved at once" in said
    assert "a network by 5 folds" in said
    assert not list(tmp_path.glob("runs/*"))
