"""Models that predict frames: trained, scored, and used from arrays, from manifests and from the command line."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score
from support.training_data import CLASSES, PLAIN_FRAMES, STRIDED_FRAMES, framed, quick

from seqconv.cli.commands import evaluate as evaluate_command
from seqconv.cli.commands import predict as predict_command
from seqconv.errors import ConfigError, ManifestError
from seqconv.evaluation import evaluate
from seqconv.models import build_model, load_model
from seqconv.prediction.dispatch import predict, predict_tables
from seqconv.tasks.target import fit_target
from seqconv.training import train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    sections = quick(model=STRIDED_FRAMES, training={"epochs": 6, "learning_rate": 0.03}, evaluation={"bootstrap": 50})
    folder = tmp_path_factory.mktemp("frames") / "run"
    return train(sections, folder, train_data=framed(80), valid_data=framed(20, 1), test_data=framed(30, 2))


def test_training_learns_and_the_report_says_which_frames(run, tmp_path, capsys):
    assert run.metrics["test"]["macro_f1"] > 0.75
    assert run.model.card.target.kind == "frame"
    assert {"val_macro_f1", "accuracy", "loss"} <= set(run.history)
    train(
        quick(model=STRIDED_FRAMES, training={"epochs": 1}),
        tmp_path / "run",
        train_data=framed(40),
        valid_data=framed(9, 1),
    )
    out = capsys.readouterr().out
    assert "labels   every 2nd frame, labeled are train " in out
    assert "the others are neither learned nor scored" in out


def test_scores_are_those_of_all_labeled_frames(run):
    data = framed(30, 2)
    table = run.evaluation.predictions
    truth = np.concatenate([labels[::2] for labels in data.labels])
    assert list(table.columns) == ["id", "frame", "label", "prediction", "p_low", "p_mid", "p_top", "loss"]
    assert table["label"].fillna("").tolist() == truth.tolist()
    assert table["frame"].tolist() == [t for length in data.lengths for t in range(0, length, 2)]
    assert table["loss"].isna().tolist() == (truth == "").tolist()
    labeled, metrics = table[table["label"].notna()], run.metrics["test"]
    assert metrics["num_frames"] == len(labeled)
    assert metrics["num_frames"] + metrics["num_unlabeled_frames"] == len(table)
    assert metrics["accuracy"] == pytest.approx(accuracy_score(labeled["label"], labeled["prediction"]))
    assert metrics["macro_f1"] == pytest.approx(f1_score(labeled["label"], labeled["prediction"], average="macro"))
    assert metrics["loss"] == pytest.approx(labeled["loss"].mean())
    low, high = metrics["intervals"]["accuracy"]
    assert low < metrics["accuracy"] < high
    assert sum(row["count"] for row in metrics["by_length"]) == 30
    assert "30 sequences, " in str(run.evaluation)
    assert "more without label" in str(run.evaluation)


def test_the_worst_sequences_come_first(run, tmp_path):
    worst = run.evaluation.errors(5)
    labeled = run.evaluation.predictions.dropna(subset="loss")
    by_id = labeled.groupby("id")["loss"].mean().sort_values(ascending=False)
    assert worst["id"].tolist() == by_id.index[:5].tolist()
    wrong = (labeled["label"] != labeled["prediction"]).groupby(labeled["id"]).mean()
    assert worst["error_rate"].tolist() == pytest.approx(wrong[worst["id"]].tolist())
    run.evaluation.save(tmp_path, worst_first=True)
    saved = pd.read_csv(tmp_path / "predictions.csv", dtype={"id": str})
    assert saved["id"].drop_duplicates().tolist()[:5] == worst["id"].tolist()
    assert saved.groupby("id")["frame"].apply(lambda frames: frames.is_monotonic_increasing).all()


def test_what_lies_in_frames_without_a_label_changes_no_score(run):
    data = framed(30, 2)
    relabeled = [np.where(labels == "", "", "mid") for labels in data.labels]
    before = evaluate(run.model, data, bootstrap=0).metrics
    after = evaluate(run.model, data.with_labels(relabeled), bootstrap=0).metrics
    assert before["num_frames"] == after["num_frames"]
    assert after["per_class"]["mid"]["support"] == after["num_frames"]
    nothing = data.with_labels([np.full(length, "") for length in data.lengths])
    with pytest.raises(ManifestError, match=r"none of the \d+ frames has a label to score against"):
        evaluate(run.model, nothing)


def test_predictions_have_a_row_for_each_output_frame(run):
    arrays = [framed(3)[index] for index in range(3)]
    table = predict(run.model, arrays)
    assert list(table.columns) == ["id", "frame", "prediction", "p_low", "p_mid", "p_top"]
    assert table["id"].tolist() == [str(i) for i, x in enumerate(arrays) for _ in range(0, len(x), 2)]
    assert table.filter(like="p_").sum(axis=1).to_numpy() == pytest.approx(1)
    for strategy in ("padded", "single"):
        other = predict(run.model, arrays, strategy=strategy)
        np.testing.assert_allclose(other.filter(like="p_"), table.filter(like="p_"), rtol=1e-4, atol=1e-6)


def test_tables_in_pieces_are_the_whole(run, monkeypatch):
    data = framed(30, 4)
    whole = predict(run.model, data)
    monkeypatch.setattr("seqconv.prediction.files._FRAMES_PER_TABLE", 100)
    pieces = list(predict_tables(run.model, data))
    assert len(pieces) > 3
    assert max(map(len, pieces)) < 140
    joined = pd.concat(pieces, ignore_index=True)
    pd.testing.assert_frame_equal(joined, whole, rtol=1e-5)


@pytest.mark.parametrize("task", ["multilabel", "regression"])
def test_other_tasks(task, tmp_path):
    def labeled(seed):
        data = framed(40, seed)
        levels = [array.mean(axis=1) for array in (data[index] for index in range(len(data)))]
        if task == "regression":
            return data.with_labels([np.where(level > 6, np.nan, 1000 + 10 * level) for level in levels])
        rows = [np.stack([level > 1, level > 3.5], axis=1).astype(float) for level in levels]
        rows[0][0] = np.nan
        return data.with_labels(rows)

    target = {"task": task, "columns": ["any", "high"] if task == "multilabel" else ["height"]}
    training = {"epochs": 8, "learning_rate": 0.03}
    sections = quick(model=PLAIN_FRAMES, target=target, training=training, evaluation={"bootstrap": 20})
    found = train(sections, tmp_path / "run", train_data=labeled(0), valid_data=labeled(1))
    scores, table = found.metrics["valid"], found.evaluation.predictions
    if task == "regression":
        assert scores["r2"] > 0.5
        assert {"frame", "label", "prediction"} <= set(table)
        assert table["prediction"].between(950, 1080).all()
        assert "spearman" not in scores["intervals"]
    else:
        assert scores["map"] > 0.9
        assert set(table["prediction"]) <= {"", "any", "high", "any;high"}
        assert scores["num_unlabeled_frames"] == 1
    assert load_model(found.path / "model.keras").card.target.kind == "frame"


def test_weights_of_classes_and_frames_reach_the_loss(tmp_path):
    still = {"learning_rate": 1e-30, "optimizer": "sgd", "weight_decay": None, "epochs": 1}
    data, valid = framed(30), framed(9, 1)

    def first_loss(name, **sections):
        training = {**still, **sections.pop("training", {})}
        found = train(
            quick(model=PLAIN_FRAMES, training=training, **sections), tmp_path / name, train_data=data, valid_data=valid
        )
        return found.history["loss"][0], evaluate(found.model, data, bootstrap=0)

    by_sequence, scored = first_loss("a")
    table = scored.predictions.dropna(subset="loss")
    assert by_sequence == pytest.approx(table.groupby("id")["loss"].mean().mean(), rel=1e-4)
    by_frame, _ = first_loss("b", target={"frame_weight": "frame"})
    assert by_frame == pytest.approx(table["loss"].mean(), rel=1e-4)
    one_class, _ = first_loss(
        "c", training={"class_weight": {"low": 0.0, "top": 0.0}}, target={"frame_weight": "frame"}
    )
    assert one_class == pytest.approx(table["loss"][table["label"] == "mid"].mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda data: data.with_labels(["a", "b"] * 15), ManifestError, "have a single label, .* model.pooling to 'm"),
        (
            lambda data: data.with_labels([labels[1:] for labels in data.labels]),
            ManifestError,
            r"problems\n  train: '0' has \d+ labels for \d+ frames: .* features.hop_length",
        ),
        (
            lambda data: data.with_labels([np.full(length, "") for length in data.lengths]),
            ManifestError,
            "no frame of the training sequences has a label",
        ),
    ],
)
def test_training_data_that_cannot_be_learned_from(tmp_path, change, error, match):
    with pytest.raises(error, match=match):
        train(quick(model=PLAIN_FRAMES), tmp_path / "run", train_data=change(framed(30)), valid_data=framed(9, 1))
    assert not (tmp_path / "run").exists()


def test_labels_that_training_lacks_and_valid_without_any_are_told(tmp_path):
    strange = framed(5, 1).with_labels([np.full(length, "deep") for length in framed(5, 1).lengths])
    with pytest.raises(
        ManifestError, match=r"valid: frames of '0', .* have unknown labels 'deep'. Known: 'low', 'mid'"
    ):
        train(quick(model=PLAIN_FRAMES), tmp_path / "run", train_data=framed(30), valid_data=strange)
    empty = framed(5, 1).with_labels([np.full(length, "") for length in framed(5, 1).lengths])
    with pytest.raises(ManifestError, match="no frame of valid that the model predicts has a label"):
        train(quick(model=PLAIN_FRAMES), tmp_path / "run", train_data=framed(30), valid_data=empty)
    assert not (tmp_path / "run").exists()


def test_labels_that_the_stride_steps_over_are_told(tmp_path):
    odd = [
        np.where(np.arange(length) % 2, labels, "")
        for labels, length in zip(framed(9).labels, framed(9).lengths, strict=True)
    ]
    with pytest.raises(ManifestError, match="the model predicts every 2nd frame, and none of these has a label"):
        train(
            quick(model=STRIDED_FRAMES),
            tmp_path / "run",
            train_data=framed(9).with_labels(odd),
            valid_data=framed(9, 1),
        )


def test_a_model_of_frames_needs_a_target_of_frames():
    model = build_model(PLAIN_FRAMES, num_features=3, num_outputs=3)
    target = fit_target("classification", list(CLASSES))
    with pytest.raises(
        ConfigError, match=r"one prediction per frame, but the target is one per sequence.*kind='frame'"
    ):
        evaluate(model, framed(3), target=target)
    pooled = build_model({**PLAIN_FRAMES, "pooling": "mean"}, num_features=3, num_outputs=3)
    with pytest.raises(ConfigError, match=r"one prediction per sequence, but .* per frame.*kind='sequence'"):
        predict(pooled, framed(3), target=fit_target("classification", framed(3).labels, kind="frame"))


def write_manifest(folder, count=30):
    data = framed(count)
    rows = []
    for index in range(count):
        np.save(folder / f"{index}.npy", data[index])
        labels = data.labels[index]
        rows += [(f"{index}.npy", t / 10, (t + 1) / 10, name) for t, name in enumerate(labels) if name]
    splits = ["train", "train", "valid", "train", "test"] * (count // 5)
    pd.DataFrame({"path": [f"{i}.npy" for i in range(count)], "split": splits}).to_csv(folder / "m.csv", index=False)
    pd.DataFrame(rows, columns=["id", "start", "end", "label"]).to_csv(folder / "events.csv", index=False)
    return {
        "data": {
            "manifest": str(folder / "m.csv"),
            "num_workers": 0,
            "events": str(folder / "events.csv"),
            "unlabeled": "negative",
        },
        "features": {"kind": "precomputed", "frame_rate": 10},
    }


def test_manifest_to_commands(tmp_path, capsys):
    found = train(quick(model=STRIDED_FRAMES, **write_manifest(tmp_path)), tmp_path / "run")
    assert "labels   every 2nd frame (200 ms), labeled are train" in capsys.readouterr().out
    model = str(found.path / "model.keras")
    assert evaluate_command.main(["--model", model, "--output", str(tmp_path / "again"), "--worst", "2"]) == 0
    again = json.loads((tmp_path / "again" / "metrics.json").read_text())["test"]
    assert again["accuracy"] == pytest.approx(found.metrics["test"]["accuracy"])
    assert "error rate" in capsys.readouterr().out.replace("_", " ")
    assert predict_command.main(["--model", model, str(tmp_path / "4.npy"), "--output", str(tmp_path / "p.csv")]) == 0
    table = pd.read_csv(tmp_path / "p.csv")
    own = found.evaluation.predictions
    own = own[own["id"] == "4.npy"]
    assert table["time"].tolist() == own["time"].tolist() == [round(0.2 * p, 6) for p in range(len(own))]
    assert table["p_mid"].to_numpy() == pytest.approx(own["p_mid"].to_numpy(), rel=1e-4)
    other = pd.read_csv(tmp_path / "events.csv").assign(label="mid")
    last = other.index[other["id"] == "4.npy"][-1]
    other.loc[last, "end"] += 50
    other.to_csv(tmp_path / "other.csv", index=False)
    arguments = ["--model", model, "--events", str(tmp_path / "other.csv"), "--output", str(tmp_path / "other")]
    assert evaluate_command.main(arguments) == 0
    scores = json.loads((tmp_path / "other" / "metrics.json").read_text())["test"]
    assert "note: 1 event ends after its recording, by up to 5" in capsys.readouterr().err
    assert scores["per_class"]["mid"]["support"] == scores["num_frames"] == again["num_frames"]
