"""A task of a user's own, in one class: its labels are no rows of classes or columns, and its score is an error."""

import json
from typing import ClassVar

import numpy as np
import pytest
from support.registries import registered
from support.training_data import classified, quick, toned

from seqconv.config import Config, load_config
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError
from seqconv.evaluation import evaluate
from seqconv.metrics import Metric
from seqconv.models import load_model
from seqconv.prediction import predict
from seqconv.reports.names import label
from seqconv.tasks import Task
from seqconv.tasks.forms import Fitted
from seqconv.tasks.target import fit_target
from seqconv.training import train


class Distance(Metric):
    """Mean distance of corners; the task below computes it itself."""

    name = "corner_distance"
    label = "distance of corners"
    larger_is_better = False


class Brier(Metric):
    """Squared error of probabilities: a score of a user's own, where less is better."""

    name = "brier"
    label = "Brier score"
    larger_is_better = False
    tasks = ("classification",)

    def compute(self, targets, predictions, names):
        return float(((predictions - targets) ** 2).sum(axis=1).mean())


class Corner(Task):
    """Two whole numbers, of which a model predicts two and how unsure it is: three outputs."""

    name = "corner"
    scores: ClassVar = ("corner_distance", "loss")
    label_dtype = "int32"
    text_columns: ClassVar = frozenset()

    def fit(self, raw_labels, *, names, separator, ids=None):
        return Fitted(("x", "y", "doubt"))

    def encode(self, target, raw_labels, ids=None):
        return np.array([list(label) for label in raw_labels], "int32").reshape(-1, 2)

    def label_shape(self, target):
        return (2,)

    def decode(self, target, outputs, threshold):
        return [tuple(row) for row in np.rint(np.asarray(outputs)[:, :2]).astype(int).tolist()]

    def make_loss(self, label_smoothing=0.0, focusing=0.0):
        import keras

        class CornerLoss(keras.losses.Loss):
            def call(self, y_true, y_pred):
                wanted = keras.ops.cast(y_true, y_pred.dtype)
                return keras.ops.sum((y_pred[..., :2] - wanted) ** 2, -1) + y_pred[..., 2] ** 2

        return CornerLoss(reduction="sum")

    def losses(self, targets, predictions, scale=1):
        predictions = np.asarray(predictions)
        return ((predictions[:, :2] - targets) ** 2).sum(axis=1) + predictions[:, 2] ** 2

    def compute_scores(self, targets, predictions, names, decided, num_bins):
        distance = np.linalg.norm(np.asarray(predictions)[:, :2] - targets, axis=1)
        return {"corner_distance": float(distance.mean()), "notes": {}}

    def prediction_columns(self, target, predictions, decided=None):
        return {f"prediction_{name}": predictions[:, place] for place, name in enumerate(target.names)}

    def truth_columns(self, target, targets):
        return {f"label_{name}": targets[:, place].astype(int) for place, name in enumerate("xy")}


def cornered(count=40, seed=0):
    levels = [(0, 0, 1, 2)[i % 4] for i in range(count)]
    return Sequences(toned(levels, seed=seed), [[level, 3 - level] for level in levels])


@pytest.fixture(scope="module", autouse=True)
def _registered():
    with registered(Distance, Corner, Brier):
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = quick(
        target={"task": "corner"}, training={"epochs": 8, "learning_rate": 0.05}, evaluation={"report": True}
    )
    path = tmp_path_factory.mktemp("own") / "run"
    return train(config, path, train_data=cornered(), valid_data=cornered(20, 1), test_data=cornered(20, 2))


def test_a_task_of_ones_own_is_trained_by_its_loss_and_monitored_by_its_score(run):
    errors = run.history["val_corner_distance"]
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0] / 2
    assert run.metrics["valid"]["corner_distance"] == pytest.approx(errors.min())
    config = load_config({"target": {"task": "corner"}})
    assert (config.monitor, config.monitor_mode) == ("val_corner_distance", "min")


def test_its_answers_are_scored_written_and_predicted_as_it_says(run):
    data = cornered(20, 2)
    found = evaluate(run.model, data, bootstrap=20)
    assert found.metrics["corner_distance"] == run.metrics["test"]["corner_distance"]
    assert list(found.metrics["intervals"]) == ["loss"]
    assert {"label_x", "label_y", "prediction_x", "prediction_y", "prediction_doubt"} <= set(found.predictions)
    assert "distance of corners" in str(found)
    table = predict(run.model, data)
    np.testing.assert_array_equal(table["prediction_x"], found.predictions["prediction_x"])
    assert "distance of corners" in (run.path / "report.html").read_text()


def test_its_saved_model_knows_the_task(run):
    model = load_model(run.path / "model.keras")
    target = model.card.target
    assert isinstance(target.definition, Corner)
    assert target.decode([[0.4, 2.6, 9.0]]) == [(0, 3)]
    again = evaluate(run.path / "model.keras", cornered(20, 2))
    assert again.metrics["corner_distance"] == run.metrics["test"]["corner_distance"]
    assert json.loads((run.path / "metrics.json").read_text())["test"]["loss"] == again.metrics["loss"]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"target": {"task": "corners"}},
            r"target\.task: expected .* or 'corner', got 'corners'; did you mean 'corner'\?",
        ),
        ({"training": {"sampling": "balanced"}}, r"training\.sampling: 'balanced' draws classes, but .* is 'corner'"),
        ({"training": {"monitor": "val_accuracy"}}, r"not measured .* Known: val_corner_distance, val_loss"),
        ({"augment": {"mixup": {}}}, r"augment\.mixup: labels of the task 'corner' cannot be mixed"),
        ({"target": {"background": "none"}}, r"target: .*background is the class .* but task is 'corner'"),
    ],
)
def test_a_config_is_told_what_does_not_fit_it(sections, message):
    with pytest.raises(ConfigError, match=message):
        load_config({**sections, "target": {"task": "corner", **sections.get("target", {})}})


def test_the_schema_lists_it():
    found = Config.model_json_schema()["$defs"]["TargetConfig"]["properties"]["task"]["enum"]
    assert found == ["classification", "multilabel", "regression", "tokens", "corner"]


def test_what_it_does_not_say_it_can_do_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"'corner' learns labels of sequences, but the model predicts frames"):
        fit_target("corner", [[[1, 2]]], kind="frame")


def test_a_metric_of_ones_own_is_computed_in_validation_and_chooses_the_epoch(tmp_path):
    config = quick(training={"epochs": 4, "monitor": "val_brier"})
    assert load_config(config).monitor_mode == "min"
    run = train(config, tmp_path / "run", train_data=classified(), valid_data=classified(20, seed=1))
    assert run.metrics["valid"]["brier"] == pytest.approx(run.history["val_brier"].min())
    assert run.history["val_brier"].nunique() > 1
    assert label("brier") == "Brier score"
    with pytest.raises(ConfigError, match=r"'val_brier' is not measured when target\.task is 'regression'"):
        load_config({"target": {"task": "regression"}, "training": {"monitor": "val_brier"}})
