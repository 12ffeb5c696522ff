"""Temperature and thresholds: chosen on valid, kept in the card, and the same wherever the model answers."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import f1_score, precision_score
from support.resuming import Stopping
from support.training_data import NUM_FEATURES, framed, quick, toned

from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ManifestError, ModelError
from seqconv.evaluation import choose_decision_rule, evaluate
from seqconv.models import build_model, load_model
from seqconv.models.card import ModelCard, read_decision_rule
from seqconv.prediction import predict
from seqconv.prediction.forward import forward
from seqconv.tasks.target import DecisionRule, Target, fit_target
from seqconv.training import resume, train
from seqconv.training.output.report import make_console, print_decisions
from seqconv.training.run.setup import prepare
from seqconv.training.state.interrupts import RunStopped

BINARY = Target("classification", ("fault", "fine"))
TAGS = Target("multilabel", ("high", "odd"))


def graded(count=120, seed=0):
    """Sequences of a class that few have."""
    levels = (np.arange(count) % 6 == 0).astype(int)
    names = np.array(["fine", "fault"])
    return Sequences(toned(levels.tolist(), seed=seed), names[levels].tolist())


def tagged(count=120, seed=0):
    levels = np.random.default_rng(seed + 100).integers(0, 4, count)
    rows = np.stack([levels >= 2, levels % 2], axis=1).astype(float)
    return Sequences(toned(levels.tolist(), seed=seed), rows)


def parts(made):
    return {"train_data": made(seed=0), "valid_data": made(seed=1), "test_data": made(seed=2)}


def settings(task="classification", **evaluation):
    return quick(target={"task": task}, training={"epochs": 3}, evaluation=evaluation)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Finished runs of two classes and of several labels, with all that can be chosen."""
    folder = tmp_path_factory.mktemp("runs")
    chosen = {"thresholds": "f1", "calibration": "temperature"}
    return {
        "classification": train(settings(**chosen), folder / "two", **parts(graded)),
        "multilabel": train(settings("multilabel", **chosen), folder / "tags", **parts(tagged)),
    }


MADE = {"classification": graded, "multilabel": tagged}


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_the_card_decides_in_evaluate_and_predict(runs, task):
    run, data = runs[task], MADE[task](seed=2)
    card = load_model(run.path / "model.keras").card
    logits = forward(run.model, data).astype(float) / card.temperature
    probabilities = softmax(logits, axis=1) if task == "classification" else expit(logits)
    told = predict(run.path / "model.keras", data)
    names = run.model.card.target.names
    np.testing.assert_allclose(told[[f"p_{name}" for name in names]], probabilities, rtol=1e-5)
    if task == "classification":
        assert card.thresholds[names.index("fine")] is None
        is_fault = probabilities[:, 0] >= card.thresholds[0]
        expected = np.where(is_fault, "fault", "fine").tolist()
        macro = f1_score(data.labels, expected, average="macro")
    else:
        given = probabilities >= np.array(card.thresholds)
        expected = [";".join(name for name, has in zip(names, row, strict=True) if has) for row in given]
        macro = f1_score(data.labels, given, average="macro")
    assert told["prediction"].tolist() == expected
    evaluation = evaluate(run.path / "model.keras", data, bootstrap=0)
    assert evaluation.predictions["prediction"].tolist() == expected
    assert evaluation.metrics["macro_f1"] == pytest.approx(macro)
    # Also the scores that are drawn and cut.
    by_length = evaluation.metrics["by_length"]
    assert all(row["macro_f1"] is not None for row in by_length)
    assert run.metrics["test"]["macro_f1"] == pytest.approx(macro)
    assert evaluation.metrics["decisions"]["temperature"] == card.temperature


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_valid_scores_are_the_best_that_a_threshold_gives(runs, task):
    run, valid = runs[task], MADE[task](seed=1)
    table = evaluate(run.model, valid, bootstrap=0, split_name="valid")
    assert "makes its scores too good" in table.metrics["notes"]["decisions"]
    assert "decisions" not in evaluate(run.model, valid, bootstrap=0).metrics["notes"]
    best = table.metrics["macro_f1"]
    for other in np.linspace(0.05, 0.95, 10):
        thresholds = [other, None] if task == "classification" else [other] * 2
        kept, run.model.card = run.model.card, replace(run.model.card, thresholds=tuple(thresholds))
        found = evaluate(run.model, valid, bootstrap=0).metrics["macro_f1"]
        run.model.card = kept
        assert found <= best + 1e-12


def test_what_was_chosen_is_printed_and_kept(runs, capsys):
    run = runs["multilabel"]
    assert run.model.card.decisions["chosen_on"] == "valid"
    assert "decided with temperature" in str(run.evaluation)
    scores = json.loads((run.path / "metrics.json").read_text())
    assert set(scores["test"]["decisions"]["thresholds"]) == {"0", "1"}
    assert scores["test"]["decisions"] == scores["valid"]["decisions"]
    chosen = choose_decision_rule(run.model, tagged(seed=1), {"thresholds": "f1", "calibration": "temperature"})
    lines = [told for name, told in chosen.describe() if name == "decision"]
    before, after = run.model.card.decisions["calibration_error"]
    assert lines[0].endswith(f"calibration error {before:.4f} before, {after:.4f} after")
    assert lines[1].startswith("thresholds for the best F1, chosen on valid: 0 0.")
    # It is chosen by the weights, whatever the card says already.
    assert chosen.apply_to(run.model.card) == chosen.apply_to(ModelCard.from_dict(run.model.card.to_dict()))
    assert chosen.apply_to(run.model.card) == run.model.card


def test_a_precision_is_reached_or_said_not_to_be(runs, capsys):
    model, data = runs["multilabel"].model, tagged(seed=1)
    # What the model thinks most probable of the second label is what is not true.
    data.labels[:, 1] = np.argsort(np.argsort(forward(model, data)[:, 1])) < 60
    chosen = choose_decision_rule(model, data, {"thresholds": {"precision": 0.9}})
    model.card, kept = chosen.apply_to(model.card), model.card
    scores = evaluate(model, data, bootstrap=0).metrics["per_class"]
    model.card = kept
    assert scores["0"]["precision"] >= 0.9
    assert (scores["1"]["precision"], scores["1"]["recall"]) == (0.5, 1.0)
    print_decisions([chosen], make_console())
    printed = " ".join(capsys.readouterr().out.split())
    assert "a precision of 0.9 is not reached for '1' on valid: its best is 0.500 (recall 1.000), at the" in printed
    assert "not reached for '0'" not in printed


def test_a_label_without_a_positive_keeps_a_half(runs):
    data = tagged(seed=1)
    data.labels[:, 1] = 0
    chosen = choose_decision_rule(runs["multilabel"].model, data, {"thresholds": "f1"})
    assert chosen.decisions.thresholds[1] == 0.5
    assert "valid has none of '1' to choose a threshold by: 0.5 is used" in dict(chosen.describe())["note"]


@pytest.mark.parametrize("positive", [None, "fine"])
def test_the_rarer_class_is_given_unless_told(runs, positive):
    data = graded(seed=1)
    rule = {"thresholds": {"precision": 0.95}, "positive": positive}
    chosen = choose_decision_rule(runs["classification"].model, data, rule)
    name = positive or "fault"
    assert list(chosen.cuts) == [name]
    cut, decisions = chosen.cuts[name], chosen.decisions
    given = decisions.columns(decisions.probabilities(forward(runs["classification"].model, data)))["prediction"]
    assert precision_score(data.labels, given, pos_label=name) == pytest.approx(cut.precision)
    assert cut.is_reached == (cut.precision >= 0.95)


def test_frames_are_decided_by_the_card_too(tmp_path):
    def two(count, seed):
        data = framed(count, seed)
        return data.with_labels(
            [np.where(label == "low", "", np.where(label == "top", "top", label)) for label in data.labels]
        )

    config = quick(
        model={"blocks": [{"filters": 6}], "pooling": "frames"},
        training={"epochs": 2},
        evaluation={"thresholds": {"precision": 0.8}, "positive": "mid", "calibration": "temperature"},
    )
    run = train(config, tmp_path / "run", train_data=two(40, 0), valid_data=two(20, 1))
    table = run.evaluation.predictions
    threshold = run.model.card.thresholds[0]
    assert table["prediction"].tolist() == np.where(table["p_mid"] >= threshold, "mid", "top").tolist()
    assert predict(run.model, two(20, 1))["prediction"].tolist() == table["prediction"].tolist()


def test_a_stopped_run_chooses_the_same(tmp_path, runs):
    config = settings(thresholds="f1", calibration="temperature")
    with pytest.raises(RunStopped, match=r"SIG[A-Z]+ stopped the run .*Go on with: "):
        train(config, tmp_path / "run", callbacks=[Stopping(1, 2)], **parts(graded))
    again = resume(tmp_path / "run", **parts(graded))
    assert again.model.card == replace(runs["classification"].model.card, name=again.model.card.name)
    assert again.metrics == runs["classification"].metrics
    # Scored once more, nothing of it changes.
    assert resume(tmp_path / "run", **parts(graded)).metrics == again.metrics


def refused(config, data=graded):
    sections = load_config({**config, "features": {"kind": "precomputed"}})
    return prepare(sections, load_datasets(sections.data_spec, data(), data(seed=1)))


def test_three_classes_have_no_threshold():
    names = np.array(["a", "b", "c"])

    def three(seed=0):
        return Sequences(toned([0, 1, 2] * 12, seed=seed), names[[0, 1, 2] * 12].tolist())

    with pytest.raises(ManifestError, match="of 3 classes the most probable one is"):
        refused(settings(thresholds="f1"), three)
    refused(settings(calibration="temperature"), three)
    with pytest.raises(
        ManifestError, match=r"evaluation\.positive: there is no class 'bad'; the classes are 'fault', 'fine'"
    ):
        refused(settings(thresholds="f1", positive="bad"))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"evaluation": {"thresholds": "f1"}}, r"evaluation\.thresholds: 'f1' are about probabilities"),
        ({"evaluation": {"calibration": "temperature"}}, r"evaluation\.calibration: 'temperature' is about prob"),
        ({"training": {"sampling": "sqrt"}}, r"training\.sampling: 'sqrt' draws classes, but target\.task is 'regr"),
        ({"training": {"loss": "focal"}}, r"training\.loss: 'focal' is about probabilities of classes"),
    ],
)
def test_a_regression_has_no_classes(sections, message):
    with pytest.raises(ConfigError, match=message):
        load_config({"target": {"task": "regression"}, **sections})


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"evaluation": {"positive": "a"}}, r"evaluation\.positive: 'a' is the class that a threshold gives"),
        (
            {"evaluation": {"thresholds": {"precision": 1.2}}},
            r"evaluation\.thresholds\.precision: expected a number of at most 1\.0",
        ),
        ({"training": {"focal_gamma": 1.0}}, r"focal_gamma is 1\.0, but loss is 'auto'"),
        ({"training": {"sampling": "sqrt", "class_weight": "balanced"}}, r"both make up for rare classes"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(sections, message):
    with pytest.raises(ConfigError, match=message):
        load_config(sections)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"thresholds": [0.5]}, r"thresholds \[0\.5\]; expected a number for each of 2 labels"),
        ({"thresholds": "high"}, "has thresholds 'high'"),
        ({"temperature": 0}, "has the temperature 0; expected a number above 0"),
        ({"temperature": "warm"}, "has the temperature 'warm'"),
    ],
)
def test_a_card_that_cannot_be_is_refused(card, message):
    model = build_model({"blocks": [{"filters": 2}]}, num_features=NUM_FEATURES, num_outputs=2)
    model.card = ModelCard.from_dict({"target": TAGS.to_dict(), **card})
    with pytest.raises(ModelError, match=message):
        read_decision_rule(model)


def test_without_a_choice_nothing_changes():
    logits = np.random.default_rng(0).normal(size=(9, 2))
    for target in (BINARY, TAGS):
        decisions = DecisionRule(target)
        probabilities = decisions.probabilities(logits)
        plain = softmax(logits, axis=1) if target is BINARY else expit(logits)
        np.testing.assert_array_equal(probabilities, plain)
        decided = decisions.decide(probabilities)
        np.testing.assert_array_equal(decided, plain.argmax(axis=1) if target is BINARY else plain >= 0.5)
        assert (decisions.thresholds, decisions.temperature) == (None, 1.0)
    assert DecisionRule(fit_target("regression", [1.0, 3.0])).decide(np.zeros((2, 1))) is None
