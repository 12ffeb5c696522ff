"""Models that say sequences of tokens: trained, stopped, scored, and used from arrays and from the command line."""

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from support.resuming import Stopping, assert_same_run
from support.spoken import TOKENS, spoken
from support.training_data import quick

from seqconv.cli.commands import evaluate as evaluate_command
from seqconv.cli.commands import predict as predict_command
from seqconv.errors import ConfigError, ManifestError
from seqconv.evaluation import evaluate
from seqconv.features import FeatureKind
from seqconv.models import build_model, load_model
from seqconv.models.card import ModelCard
from seqconv.prediction.dispatch import predict
from seqconv.prediction.streaming.live import LivePredictions
from seqconv.tasks.target import fit_target
from seqconv.training import resume, train
from seqconv.training.state.interrupts import RunStopped


def config(**sections):
    return quick(**{**TOKENS, "evaluation": {"bootstrap": 50}, **sections})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokens") / "run"
    sections = config(evaluation={"bootstrap": 50, "report": True})
    return train(sections, folder, train_data=spoken(160), valid_data=spoken(30, 1), test_data=spoken(50, 2))


def test_tokens_are_learned_and_scored(run):
    scores = run.metrics["test"]
    assert scores["token_error_rate"] < 0.05
    assert scores["tokens"] == sum(map(len, spoken(50, 2).labels))
    edits = scores["substitutions"] + scores["deletions"] + scores["insertions"]
    assert scores["token_error_rate"] == pytest.approx(edits / scores["tokens"])
    low, high = scores["intervals"]["token_error_rate"]
    assert low <= scores["token_error_rate"] <= high
    assert sum(row["count"] for row in scores["by_length"]) == 50
    assert {"loss", "val_loss", "val_token_error_rate", "val_sequence_accuracy"} <= set(run.history)
    # What is stopped on goes down.
    assert run.history["val_token_error_rate"].iloc[-1] < run.history["val_token_error_rate"].iloc[0]
    assert "token error rate" in str(run.evaluation)
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "token error rate" in page
    # The hardest, with what was said instead.
    hardest = run.evaluation.errors(1)
    assert f">{hardest['alignment'].item()}<" in page.replace("&gt;", ">").replace(">\n", ">")


def test_the_table_has_text_times_and_losses(run):
    table = pd.read_csv(run.path / "predictions.csv", dtype={"id": str}, keep_default_na=False)
    said = ["prediction", "confidence", "times", "confidences", "alignment"]
    assert list(table.columns) == ["id", "num_frames", "label", *said, "loss"]
    assert table["label"].tolist() == list(spoken(50, 2).labels)
    right = table["label"] == table["prediction"]
    assert (table["alignment"] == table["label"]).tolist() == right.tolist()
    assert run.metrics["test"]["sequence_accuracy"] == pytest.approx(right.mean())
    assert run.metrics["test"]["loss"] == pytest.approx(table["loss"].mean())
    for row in table.itertuples():
        times = [float(time) for time in row.times.split()]
        assert len(times) == len(row.confidences.split()) == len(row.prediction)
        # Input frames, because these have no clock; every second of them has an answer.
        assert times == sorted(times)
        assert all(time % 2 == 0 and time < row.num_frames for time in times)
    assert run.evaluation.errors(3)["loss"].is_monotonic_decreasing


def test_the_loss_of_validation_is_that_of_training(run):
    """One is summed by the backend over packed rows, the other by NumPy over each sequence."""
    data, model = spoken(30, 1), load_model(run.path / "model.keras")
    training = {"epochs": 1, "learning_rate": 1e-30, "optimizer": "sgd", "weight_decay": None}
    still = config(training=training, data={"on_leak": "warn"})
    still["model"] = {**TOKENS["model"], "defaults": {"norm": "none"}}
    found = train(still, run.path.parent / "still", train_data=data, valid_data=data, test_data=data)
    assert found.history["val_loss"][0] == pytest.approx(found.history["loss"][0], rel=1e-4)
    alone = evaluate(model, data, strategy="single", bootstrap=0).predictions
    for strategy in ("padded", "bucketed", "packed"):
        other = evaluate(model, data, strategy=strategy, bootstrap=0).predictions
        assert other["prediction"].tolist() == alone["prediction"].tolist()
        np.testing.assert_allclose(other["loss"], alone["loss"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("strategy", ["packed", "bucketed"])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(strategy, tmp_path):
    training = {"epochs": 3, "checkpoint": {"steps": 3, "minutes": None}}
    sections = config(batching={"strategy": strategy}, training=training, augment={"time_stretch": {}})
    data = {"train_data": spoken(60), "valid_data": spoken(12, 1)}
    whole = train(sections, tmp_path / "whole", **data)
    with pytest.raises(RunStopped, match="its state is saved"):
        train(sections, tmp_path / "stopped", **data, callbacks=[Stopping(1, 4)])
    assert_same_run(resume(tmp_path / "stopped", **data), whole)


def test_weights_of_sequences_reach_the_loss(tmp_path):
    still = {"epochs": 1, "learning_rate": 1e-30, "optimizer": "sgd", "weight_decay": None}
    sections = config(training=still)
    sections["model"] = {**TOKENS["model"], "defaults": {"norm": "none"}}
    data, valid = spoken(24), spoken(8, 1)
    weights = np.linspace(0.0, 3.0, 24)
    weighted = type(data)(list(data), data.labels, weights=weights)
    found = train(sections, tmp_path / "run", train_data=weighted, valid_data=valid)
    losses = evaluate(found.model, data, bootstrap=0).predictions["loss"]
    assert found.history["loss"][0] == pytest.approx(np.average(losses, weights=weights), rel=1e-4)
    assert found.history["loss"][0] != pytest.approx(losses.mean(), rel=1e-2)


def test_labels_that_the_frames_cannot_say_are_named_before_training(tmp_path):
    data, valid = spoken(20), spoken(6, 1)
    wide = config(model={**TOKENS["model"], "blocks": [{"filters": 4, "strides": 4}, {"filters": 4, "strides": 3}]})
    message = r"train: \d+ sequences have fewer output frames than their labels need.*the model is 12: give the blocks"
    with pytest.raises(ManifestError, match=message):
        train(wide, tmp_path / "a", train_data=data, valid_data=valid)
    # Of three frames, "ab" needs two and "aa" three; at twice the speed, there are two.
    rng = np.random.default_rng(0)
    short = type(data)(
        [rng.normal(size=(length, 4)) for length in [6] * 8 + [40]], ["ab"] * 4 + ["aa"] * 4 + ["abcabc"]
    )
    train(config(training={"epochs": 1}), tmp_path / "b", train_data=short, valid_data=valid)
    fast = config(augment={"time_stretch": {"rate": [1.0, 2.0]}})
    message = r"4 sequences .* '4 \(2 output frames where augmentation makes it shortest, needs 3\)'"
    with pytest.raises(ManifestError, match=message):
        train(fast, tmp_path / "c", train_data=short, valid_data=valid)


def test_other_problems_of_labels_are_named_before_training(tmp_path):
    data, valid = spoken(20), spoken(6, 1)
    unknown = valid.with_labels(["abx", *valid.labels[1:]])
    with pytest.raises(ManifestError, match=r"valid: '0' have tokens that are not in the vocabulary: 'x'. Known: 'a'"):
        train(config(), tmp_path / "a", train_data=data, valid_data=unknown)
    empty = data.with_labels(["", *data.labels[1:]])
    with pytest.raises(ManifestError, match="'0' have an empty label"):
        train(config(), tmp_path / "b", train_data=empty, valid_data=valid)


def test_lists_and_a_vocabulary_of_a_file(tmp_path):
    data, valid = spoken(60), spoken(12, 1)
    names = {"a": "alpha", "b": "beta", "c": "gamma"}
    lists = [[names[letter] for letter in label] for label in data.labels]
    texts = [" ".join(names[letter] for letter in label) for label in valid.labels]
    (tmp_path / "tokens.txt").write_text("gamma\nalpha\nbeta\ndelta\n", encoding="utf-8")
    target = {"task": "tokens", "separator": " ", "vocabulary": str(tmp_path / "tokens.txt")}
    found = train(
        config(target=target), tmp_path / "run", train_data=data.with_labels(lists), valid_data=valid.with_labels(texts)
    )
    assert found.model.card.target.names == ("", "gamma", "alpha", "beta", "delta")
    scores, table = found.metrics["valid"], found.evaluation.predictions
    assert scores["token_error_rate"] < 0.3
    assert table["label"].tolist() == texts
    assert set(" ".join(table["prediction"]).split()) <= {"gamma", "alpha", "beta", "delta"}
    assert 0 <= scores["character_error_rate"] < 0.4


@pytest.fixture(scope="module")
def causal(tmp_path_factory):
    """A model of arrays with a clock, which hears nothing of what comes."""
    folder = tmp_path_factory.mktemp("causal")
    model = {**TOKENS["model"], "defaults": {"norm": "batch", "padding": "causal"}}
    features = {"kind": "precomputed", "frame_rate": 100}
    sections = config(model=model, features=features)
    found = train(sections, folder / "run", train_data=spoken(160), valid_data=spoken(30, 1))
    long = spoken(1, 5, most=400)
    np.save(folder / "long.npy", long[0])
    return found, folder / "long.npy", long


def test_long_files_in_chunks_say_what_they_say_whole(causal):
    found, path, long = causal
    whole = predict(found.model, [long[0]], strategy="single")
    text, times = whole["prediction"].item(), whole["times"].item()
    assert len(text) > 100
    for chunk_frames in (64, 250, 1000):
        table = predict(found.model, path, chunk_frames=chunk_frames)
        assert table["prediction"].item() == text
        assert table["num_frames"].item() == len(long[0])
        assert table["times"].item() == times
    # In seconds, a frame being a hundredth of one.
    assert 0 < float(times.split()[0]) < 0.3
    assert float(times.split()[-1]) == pytest.approx(len(long[0]) / 100, abs=0.3)


def test_running_answers_grow_to_the_whole(causal):
    found, path, long = causal
    features = FeatureKind(kind="precomputed", frame_rate=100)
    live = LivePredictions(found.model, found.model.card.target, features, every=1.0)
    tables = list(live.play(path))
    texts = [table["prediction"].item() for table in tables]
    assert [table["time"].item() for table in tables[:3]] == [1.0, 2.0, 3.0]
    whole = predict(found.model, path)
    assert texts[-1] == whole["prediction"].item()
    # A causal model says at once what it knows, and takes nothing back.
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert live.delay_frames == 0
    first = predict(found.model, [long[0][:300]])
    assert texts[2] == first["prediction"].item()


def test_commands(causal, tmp_path, capsys):
    found, path, _ = causal
    assert predict_command.main(["--model", str(found.path), str(path), "--output", str(tmp_path / "out.csv")]) == 0
    table = pd.read_csv(tmp_path / "out.csv")
    assert list(table.columns) == ["id", "num_frames", "prediction", "confidence", "times", "confidences"]
    data = spoken(9, 7)
    rows = []
    for index, label in enumerate(data.labels):
        np.save(tmp_path / f"{index}.npy", data[index])
        rows.append({"id": index, "path": f"{index}.npy", "label": label})
    pd.DataFrame(rows).to_csv(tmp_path / "m.csv", index=False)
    given = ["--model", str(found.path), "--manifest", str(tmp_path / "m.csv"), "--output", str(tmp_path / "scored")]
    assert evaluate_command.main(given) == 0
    assert "token error rate" in capsys.readouterr().out
    scores = json.loads((tmp_path / "scored/metrics.json").read_text())
    assert scores["test"]["tokens"] == sum(map(len, data.labels))


def test_a_model_that_pools_cannot_say_tokens():
    data = spoken(3)
    card = ModelCard(target=fit_target("tokens", data.labels, separator=""))
    model = build_model({"blocks": [{"filters": 4}]}, num_features=4, num_outputs=4, card=card)
    with pytest.raises(ConfigError, match="one prediction per sequence, but the frames of a sequence say its tokens"):
        predict(model, data)
