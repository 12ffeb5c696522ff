import json
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, mean_absolute_error

from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ManifestError, ModelError, StoreError
from seqconv.evaluation import evaluate
from seqconv.models import build_model
from seqconv.reports.folder import read_scores
from seqconv.tasks.target import fit_target

CLASSES = ["low", "middle", "high"]


def make_features(count=60, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, 2)) for n in rng.integers(3, 120, size=count)]


def make_model(target, seed=0):
    keras.utils.set_random_seed(seed)
    config = {"blocks": [{"filters": 8, "kernel_size": 3}], "pooling": ["mean", "max"]}
    card = {"task": target.task, "target": target.to_dict(), "features": {"kind": "precomputed"}}
    return build_model(config, num_features=2, num_outputs=target.num_outputs, card=card)


@pytest.fixture(scope="module")
def classified():
    rng = np.random.default_rng(1)
    features = make_features()
    labels = rng.choice(CLASSES, size=len(features)).tolist()
    groups = [f"speaker{i % 12}" for i in range(len(features))]
    metadata = pd.DataFrame({"room": rng.choice(["hall", "car"], size=len(features))})
    data = Sequences(features, labels, groups=groups, metadata=metadata)
    return make_model(fit_target("classification", labels)), data


@pytest.fixture(scope="module")
def evaluation(classified):
    model, data = classified
    return evaluate(model, data, slices=["room"], bootstrap=100)


def softmax_alone(model, data):
    logits = np.concatenate([np.asarray(model(data[i][None])) for i in range(len(data))]).astype(np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_scores_are_those_of_each_sequence_alone(classified, evaluation):
    model, data = classified
    probabilities = softmax_alone(model, data)
    names = sorted(CLASSES)
    predicted = [names[i] for i in probabilities.argmax(axis=1)]
    metrics = evaluation.metrics
    assert metrics["num_sequences"] == 60
    assert metrics["accuracy"] == pytest.approx(accuracy_score(data.labels, predicted))
    assert metrics["macro_f1"] == pytest.approx(f1_score(data.labels, predicted, average="macro"))
    assert metrics["log_loss"] == pytest.approx(log_loss(data.labels, probabilities, labels=names), rel=1e-4)
    assert metrics["loss"] == pytest.approx(evaluation.predictions["loss"].mean())
    assert list(metrics["per_class"]) == names


@pytest.mark.parametrize("strategy", ["packed", "bucketed", "padded", "single"])
def test_the_strategy_changes_nothing(classified, evaluation, strategy):
    model, data = classified
    other = evaluate(model, data, strategy=strategy, bootstrap=0)
    pd.testing.assert_frame_equal(other.predictions, evaluation.predictions, rtol=1e-4, atol=1e-6)
    assert other.metrics["confusion_matrix"] == evaluation.metrics["confusion_matrix"]


def test_predictions_have_a_row_for_each_sequence_in_order(classified, evaluation):
    _, data = classified
    frame = evaluation.predictions
    assert list(frame.columns) == ["id", "num_frames", "label", "prediction", "p_high", "p_low", "p_middle", "loss"]
    assert frame["id"].tolist() == data.ids
    assert frame["num_frames"].tolist() == data.lengths.tolist()
    assert frame["label"].tolist() == data.labels
    of_label = [row[f"p_{row['label']}"] for _, row in frame.iterrows()]
    np.testing.assert_allclose(frame["loss"], -np.log(of_label))


def test_errors_come_worst_first(evaluation):
    worst = evaluation.errors(5)
    assert worst["loss"].tolist() == sorted(evaluation.predictions["loss"], reverse=True)[:5]


def test_intervals_hold_the_score_and_draw_whole_groups(classified, evaluation):
    for name in ("accuracy", "balanced_accuracy", "macro_f1", "loss"):
        low, high = evaluation.metrics["intervals"][name]
        assert low <= evaluation.metrics[name] <= high
    model, data = classified
    ungrouped = evaluate(model, Sequences(list(data), data.labels), bootstrap=100)
    assert ungrouped.metrics["intervals"] != evaluation.metrics["intervals"]
    assert evaluate(model, data, bootstrap=0).metrics["intervals"] == {}


def test_one_group_has_no_intervals_and_says_so(classified):
    model, data = classified
    evaluation = evaluate(model, Sequences(list(data), data.labels, groups=["one"] * 60))
    assert set(evaluation.metrics["intervals"].values()) == {None}
    assert "intervals: there are none, because all sequences are of one group" in str(evaluation)


def test_scores_by_length_and_by_slice_add_up(evaluation):
    accuracy = evaluation.metrics["accuracy"]
    rows = evaluation.metrics["by_length"]
    slices = evaluation.metrics["slices"]["room"]
    assert len(rows) == 4
    assert set(slices) == {"car", "hall"}
    for parts in (rows, slices.values()):
        assert sum(part["count"] for part in parts) == 60
        assert sum(part["count"] * part["accuracy"] for part in parts) / 60 == pytest.approx(accuracy)


def test_settings_of_the_config_are_used(classified):
    model, data = classified
    narrow = evaluate(
        model, data, settings={"bootstrap": 50, "confidence": 0.5, "length_bins": 2, "calibration_bins": 1}
    ).metrics
    wide = evaluate(model, data, settings={"bootstrap": 50, "confidence": 0.99}).metrics
    assert len(narrow["by_length"]) == 2
    assert narrow["calibration_error"] < wide["calibration_error"]
    assert np.ptp(narrow["intervals"]["accuracy"]) < np.ptp(wide["intervals"]["accuracy"])


def test_the_report_shows_scores_intervals_classes_and_lengths(evaluation):
    text = str(evaluation)
    assert "test: 60 sequences, layout packed" in text
    for shown in ("accuracy", "macro F1", "95% interval", "label \\ prediction", "frames", "hall"):
        assert shown in text
    assert f"{evaluation.metrics['accuracy']:.4f}" in text
    assert max(map(len, text.splitlines())) <= 120


def test_saved_scores_are_merged_by_split(evaluation, tmp_path):
    folder = tmp_path / "new"
    evaluation.save(folder, "valid")
    evaluation.save(folder)
    saved = json.loads((folder / "metrics.json").read_text())
    assert saved.pop("format_version") == 1
    assert set(saved) == {"valid", "test"}
    assert read_scores(folder / "metrics.json") == saved
    assert saved["test"] == json.loads(evaluation.to_json())["test"] == evaluation.metrics
    frame = pd.read_csv(folder / "predictions.csv", dtype={"id": str})
    pd.testing.assert_frame_equal(frame, evaluation.predictions)
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.json", "predictions.csv"]


def test_predictions_are_saved_worst_first_on_request(evaluation, tmp_path):
    evaluation.save(tmp_path, worst_first=True)
    assert pd.read_csv(tmp_path / "predictions.csv")["loss"].is_monotonic_decreasing


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "not readable as JSON"),
        ("[" * 100_000, "not readable as JSON"),
        ("[1]", "does not hold scores by split"),
        ('{"test": 1}', "does not hold scores by split: 'test' has none"),
        ('{"format_version": 2, "test": {}}', "has format_version 2, and this version of seqconv reads up to 1"),
        ('{"format_version": "x"}', "has format_version 'x'"),
    ],
)
def test_scores_that_cannot_be_read_are_not_overwritten(evaluation, tmp_path, content, reason):
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(StoreError, match=rf"metrics\.json: {reason}.* Move it away"):
        evaluation.save(tmp_path)
    assert (tmp_path / "metrics.json").read_text() == content


def test_a_saved_model_gives_the_same_scores(classified, evaluation, tmp_path):
    model, data = classified
    model.save(tmp_path / "model.keras")
    again = evaluate(tmp_path / "model.keras", data, slices=["room"], bootstrap=100)
    assert again.metrics == evaluation.metrics


def test_multilabel_end_to_end():
    features = make_features(30)
    labels = ["low;high" if i % 3 else "" if i % 2 else "middle" for i in range(30)]
    target = fit_target("multilabel", labels)
    evaluation = evaluate(make_model(target), Sequences(features, labels), bootstrap=20)
    frame = evaluation.predictions
    assert 0 < evaluation.metrics["map"] <= 1
    assert frame["label"][1] == "high;low"
    expected = [";".join(n for n in target.names if row[f"p_{n}"] >= 0.5) for _, row in frame.iterrows()]
    assert frame["prediction"].tolist() == expected
    assert "mAP" in str(evaluation)


def test_thresholds_of_the_card_are_used():
    labels = ["a;b", "a", "b"]
    target = fit_target("multilabel", labels)
    model = make_model(target)
    model.card = replace(model.card, thresholds=(0.0, 1.1))
    frame = evaluate(model, Sequences(make_features(3), labels), bootstrap=0).predictions
    assert frame["prediction"].tolist() == ["a", "a", "a"]


@pytest.mark.parametrize("columns", [1, 2])
def test_regression_is_scored_in_original_units(columns):
    features = make_features(25)
    values = 1000 + 50 * np.random.default_rng(2).normal(size=(25, columns))
    target = fit_target("regression", values)
    evaluation = evaluate(make_model(target), Sequences(features, values), bootstrap=20)
    frame = evaluation.predictions
    suffixes = [""] if columns == 1 else [f"_{name}" for name in target.names]
    labels = frame[[f"label{suffix}" for suffix in suffixes]].to_numpy()
    np.testing.assert_allclose(labels, values)
    predicted = frame[[f"prediction{suffix}" for suffix in suffixes]].to_numpy()
    assert evaluation.metrics["mae"] == pytest.approx(mean_absolute_error(values, predicted))
    standardized = (predicted - values) / np.asarray(target.std)
    np.testing.assert_allclose(frame["loss"], (standardized**2).mean(axis=1))
    assert "RMSE" in str(evaluation)


def test_a_stock_keras_model_is_evaluated_with_its_target():
    layers = [
        keras.Input((None, 2)),
        keras.layers.GlobalAveragePooling1D(),
        keras.layers.Dense(1, activation="sigmoid"),
    ]
    stock = keras.Sequential(layers)
    labels = ["no", "yes"] * 10
    data = Sequences(make_features(20), labels)
    evaluation = evaluate(stock, data, target=fit_target("classification", labels), bootstrap=0)
    alone = np.concatenate([np.asarray(stock(data[i][None])) for i in range(20)])[:, 0]
    np.testing.assert_allclose(evaluation.predictions["p_yes"], alone, rtol=1e-5)
    assert "layout single (a stock Keras model: padding would change its answers)" in str(evaluation)


def test_a_stock_model_without_a_target_says_what_to_pass():
    stock = keras.Sequential([keras.Input((None, 2)), keras.layers.GlobalAveragePooling1D()], name="mine")
    with pytest.raises(ConfigError, match=r"'mine' does not say what its outputs mean. Pass target=fit_target"):
        evaluate(stock, Sequences(make_features(2), ["a", "b"]))


def test_outputs_that_do_not_fit_the_target_are_counted(classified):
    model, data = classified
    with pytest.raises(ModelError, match="has 3 outputs, but the target has 2: 'a', 'b'"):
        evaluate(model, Sequences(list(data)[:2], ["a", "b"]), target=fit_target("classification", ["a", "b"]))


def test_sequences_without_labels_cannot_be_scored(classified):
    model, data = classified
    with pytest.raises(ManifestError, match="no labels to score against"):
        evaluate(model, Sequences(list(data)))


def test_labels_that_training_did_not_have_are_named(classified):
    model, data = classified
    with pytest.raises(ManifestError, match="'huge'"):
        evaluate(model, Sequences(list(data)[:2], ["low", "huge"]))


def test_a_slice_that_is_no_column_lists_the_columns(classified):
    model, data = classified
    with pytest.raises(ConfigError, match="no column 'town' to slice by; these sequences have: room"):
        evaluate(model, data, slices=["town"])


def test_groups_can_be_sliced_by(classified):
    model, data = classified
    assert len(evaluate(model, data, slices=["group"], bootstrap=0).metrics["slices"]["group"]) == 12
