import warnings
from itertools import pairwise

import numpy as np
import pytest
from sklearn import metrics as sk

from seqconv.errors import ConfigError, ShapeError
from seqconv.metrics import (
    bootstrap_intervals,
    by_length,
    calibration_error,
    classification_scores,
    multilabel_scores,
    regression_scores,
)
from seqconv.tasks import find_task

NAMES = ["de", "en", "fr", "it"]


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def classified(rng):
    targets = rng.integers(4, size=200)
    logits = rng.normal(size=(200, 4)) + 1.5 * np.eye(4)[targets]
    return targets, softmax(logits)


@pytest.fixture
def tagged(rng):
    targets = rng.integers(2, size=(150, 4))
    # Few distinct values, so that many sequences pass a threshold together.
    return targets, np.clip(np.round(rng.normal(0.3 + 0.3 * targets, 0.25), 1), 0.02, 0.98)


class TestClassification:
    def test_scores_are_scikit_learns(self, classified):
        targets, probabilities = classified
        scores = classification_scores(targets, probabilities, NAMES)
        predicted = probabilities.argmax(axis=1)
        assert scores["accuracy"] == pytest.approx(sk.accuracy_score(targets, predicted))
        assert scores["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(targets, predicted))
        assert scores["macro_f1"] == pytest.approx(sk.f1_score(targets, predicted, average="macro"))
        assert scores["log_loss"] == pytest.approx(sk.log_loss(targets, probabilities))
        assert scores["loss"] == pytest.approx(scores["log_loss"])
        assert scores["confusion_matrix"] == sk.confusion_matrix(targets, predicted).tolist()
        assert scores["per_class"]["fr"]["recall"] == pytest.approx(
            sk.recall_score(targets, predicted, labels=[2], average="macro")
        )
        assert scores["notes"] == {}

    def test_one_hot_targets_give_the_same(self, classified):
        targets, probabilities = classified
        score = find_task("classification").score
        assert score(np.eye(4)[targets], probabilities, NAMES) == score(targets, probabilities, NAMES)

    def test_classes_that_never_occur_are_left_out_and_named(self):
        scores = classification_scores([0, 0, 1], np.eye(4)[[0, 2, 1]], NAMES)
        # Recall of 'de' is 1/2, of 'en' 1; 'fr' is given once in error, 'it' is nowhere.
        assert scores["balanced_accuracy"] == pytest.approx(0.75)
        assert scores["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)
        assert scores["per_class"]["it"] == {"precision": None, "recall": None, "f1": None, "support": 0}
        assert scores["per_class"]["fr"]["f1"] == 0.0
        assert "'fr', 'it'" in scores["notes"]["balanced_accuracy"]
        assert "'it'" in scores["notes"]["macro_f1"]
        assert "'fr'" not in scores["notes"]["macro_f1"]

    def test_one_class_is_scored_without_a_warning(self):
        scores = classification_scores([0, 0], [[1.0], [1.0]], ["only"])
        assert scores["accuracy"] == 1.0
        assert scores["log_loss"] is None
        assert scores["notes"]["log_loss"] == "there is only one class"

    def test_predictions_that_diverged_give_none_and_the_reason(self):
        scores = classification_scores([0, 1], [[np.nan, 0.5], [0.5, 0.5]], ["a", "b"])
        assert scores["accuracy"] is None
        assert "NaN" in scores["notes"]["macro_f1"]

    def test_certain_and_wrong_costs_a_finite_loss(self):
        scores = classification_scores([0, 1], [[0.0, 1.0], [0.0, 1.0]], ["a", "b"])
        assert 300 < scores["loss"] < 400

    def test_float32_softmax_is_no_warning(self, rng):
        probabilities = softmax(rng.normal(size=(500, 50))).astype(np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scores = classification_scores(rng.integers(50, size=500), probabilities, [str(i) for i in range(50)])
        assert scores["log_loss"] > 0

    @pytest.mark.parametrize(
        ("targets", "probabilities", "message"),
        [
            ([0, 1], [[0.5, 0.5]], "2 targets but 1 predictions"),
            ([0, 7], [[0.5, 0.5]] * 2, "hold '7', expected class numbers from 0 to 1"),
            ([0, 1], [[0.5, 0.3, 0.2]] * 2, r"shape \(2, 3\), expected \(n, 2\)"),
            ([0, 1], [[3.0, -2.0]] * 2, "pass logits through a softmax"),
            ([[[0]]], [[0.5, 0.5]], r"targets have shape \(1, 1, 1\)"),
            ([], np.zeros((0, 2)), "there is nothing to score"),
        ],
    )
    def test_arrays_that_do_not_fit_are_named(self, targets, probabilities, message):
        with pytest.raises(ShapeError, match=message):
            classification_scores(targets, probabilities, ["a", "b"])


class TestCalibration:
    def test_golden(self):
        # Confidence 0.9, accuracy 0.5 in one bin; 0.6 and 1.0 in another: 0.5 * 0.4 + 0.5 * 0.4.
        probabilities = [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]]
        assert calibration_error([0, 1, 0, 0], probabilities) == pytest.approx(0.4)

    def test_certain_and_right_is_calibrated(self):
        assert calibration_error([0, 1], [[1.0, 0.0], [0.0, 1.0]]) == 0.0

    def test_bins_include_their_upper_bound(self):
        # 0.6 is the upper bound of bin (8/15, 9/15]: both fall together and their errors cancel.
        probabilities = [[0.6, 0.4], [0.55, 0.45]]
        assert calibration_error([0, 1], probabilities) == pytest.approx(abs((1 - 0.6) + (0 - 0.55)) / 2)


class TestMultilabel:
    def test_scores_are_scikit_learns(self, tagged):
        targets, probabilities = tagged
        scores = multilabel_scores(targets, probabilities, NAMES)
        given = probabilities >= 0.5
        assert scores["map"] == pytest.approx(sk.average_precision_score(targets, probabilities, average="macro"))
        assert scores["micro_map"] == pytest.approx(sk.average_precision_score(targets, probabilities, average="micro"))
        assert scores["macro_auc"] == pytest.approx(sk.roc_auc_score(targets, probabilities, average="macro"))
        assert scores["micro_auc"] == pytest.approx(sk.roc_auc_score(targets, probabilities, average="micro"))
        assert scores["macro_f1"] == pytest.approx(sk.f1_score(targets, given, average="macro"))
        assert scores["micro_f1"] == pytest.approx(sk.f1_score(targets, given, average="micro"))
        assert scores["loss"] == pytest.approx(
            np.mean([sk.log_loss(targets[:, i], probabilities[:, i]) for i in range(4)])
        )

    def test_labels_without_a_positive_are_left_out_and_counted(self, tagged):
        targets, probabilities = tagged
        targets = targets.copy()
        targets[:, 1] = 0
        scores = multilabel_scores(targets, probabilities, NAMES)
        kept = [0, 2, 3]
        assert scores["map"] == pytest.approx(sk.average_precision_score(targets[:, kept], probabilities[:, kept]))
        assert scores["per_class"]["en"]["average_precision"] is None
        assert scores["notes"]["map"] == "leaves out 1 of 4 labels, without a positive: 'en'"

    def test_no_label_anywhere_is_none_without_a_warning(self):
        scores = multilabel_scores([[0, 0], [0, 0]], [[0.1, 0.2], [0.3, 0.4]], ["a", "b"])
        assert [scores[name] for name in ("map", "micro_map", "macro_auc", "micro_auc", "macro_f1", "micro_f1")] == [
            None
        ] * 6
        assert scores["notes"]["micro_map"] == "no label occurs"

    def test_targets_must_be_zero_or_one(self):
        with pytest.raises(ShapeError, match="must be 0 or 1"):
            multilabel_scores([[2, 0]], [[0.1, 0.2]], ["a", "b"])

    def test_predictions_that_diverged_give_none(self):
        assert multilabel_scores([[1, 0]], [[np.nan, 0.2]], ["a", "b"])["map"] is None


class TestRegression:
    def test_scores_are_scikit_learns(self, rng):
        targets = rng.normal(size=(80, 2)) * [1, 100]
        predictions = targets + rng.normal(size=(80, 2)) * [0.5, 20]
        scores = regression_scores(targets, predictions, ["age", "height"])
        assert scores["mae"] == pytest.approx(sk.mean_absolute_error(targets, predictions))
        assert scores["rmse"] == pytest.approx(sk.root_mean_squared_error(targets, predictions))
        assert scores["r2"] == pytest.approx(sk.r2_score(targets, predictions))
        assert scores["per_column"]["height"]["rmse"] > 10 * scores["per_column"]["age"]["rmse"]
        assert 0.5 < scores["spearman"] < 1

    def test_a_constant_target_is_undefined_and_named(self):
        scores = regression_scores([[1.0, 1.0], [1.0, 2.0]], [[1.5, 1.0], [1.0, 2.0]], ["flat", "steep"])
        assert scores["per_column"]["flat"]["r2"] is None
        assert scores["r2"] == 1.0
        assert "'flat'" in scores["notes"]["r2"]

    def test_one_sequence_is_scored_without_a_warning(self):
        assert regression_scores([2.0], [3.0], ["age"]) | {"notes": {}} == {
            "mae": 1.0,
            "rmse": 1.0,
            "r2": None,
            "spearman": None,
            "notes": {},
        }

    def test_predictions_that_diverged_give_none(self):
        assert regression_scores([2.0, 3.0], [np.inf, 1.0], ["age"])["mae"] is None


class TestBootstrap:
    def test_headline_scores_equal_the_full_ones_on_every_draw(self, classified, tagged, rng):
        numbers = rng.normal(size=(2, 90, 2)).round(1)
        for task, (targets, predictions), names in [
            ("classification", classified, NAMES),
            ("multilabel", tagged, NAMES),
            ("regression", numbers, ["x", "y"]),
        ]:
            headline = find_task(task).headline_scorer(targets, predictions)
            for size in (3, 40, len(targets)):
                draw = rng.integers(len(targets), size=size)
                full = find_task(task).score(targets[draw], predictions[draw], names)
                for name, value in headline(draw).items():
                    expected = full[name]
                    assert value == pytest.approx(np.nan if expected is None else expected, nan_ok=True), (task, name)

    def test_same_seed_same_intervals(self, classified):
        scorer = find_task("classification").headline_scorer(*classified)
        first, again, other = (bootstrap_intervals(scorer, 200, repeats=50, seed=seed) for seed in (3, 3, 4))
        assert first == again
        assert first != other

    def test_interval_has_the_width_of_a_binomial(self, rng):
        correct = (rng.random(400) < 0.8).astype(float)
        low, high = bootstrap_intervals(lambda indices: {"accuracy": correct[indices].mean()}, 400)["accuracy"]
        width = 2 * 1.96 * np.sqrt(correct.mean() * (1 - correct.mean()) / 400)
        assert high - low == pytest.approx(width, rel=0.15)
        assert low < correct.mean() < high

    def test_groups_are_drawn_whole_and_widen_the_interval(self, rng):
        correct = np.repeat((rng.random(20) < 0.7).astype(float), 20)
        groups = np.repeat([f"speaker{i}" for i in range(20)], 20)
        seen = []

        def accuracy(indices):
            seen.append(np.bincount(indices, minlength=400).reshape(20, 20))
            return {"accuracy": correct[indices].mean()}

        alone = bootstrap_intervals(accuracy, 400, repeats=200)["accuracy"]
        seen.clear()
        together = bootstrap_intervals(accuracy, 400, groups=groups, repeats=200)["accuracy"]
        assert all((copies == copies[:, :1]).all() for copies in seen)
        assert together[1] - together[0] > 2 * (alone[1] - alone[0])

    def test_one_group_has_no_interval(self):
        assert bootstrap_intervals(lambda _: {"accuracy": 1.0}, 3, groups=["a"] * 3) == {"accuracy": None}

    def test_a_score_that_most_draws_leave_undefined_has_no_interval(self):
        intervals = bootstrap_intervals(lambda indices: {"rare": 1.0 if (indices == 0).all() else np.nan}, 3)
        assert intervals == {"rare": None}

    def test_groups_of_the_wrong_shape(self):
        with pytest.raises(ShapeError, match=r"groups have shape \(2,\), expected \(3,\)"):
            bootstrap_intervals(lambda _: {"x": 1.0}, 3, groups=["a", "b"])

    def test_settings_that_make_no_sense(self):
        with pytest.raises(ConfigError, match="repeats >= 1 and 0 < confidence < 1, not 0"):
            bootstrap_intervals(lambda _: {"x": 1.0}, 3, repeats=0)


class TestByLength:
    def test_quartiles_hold_each_sequence_once(self, rng):
        lengths = rng.integers(1, 500, size=203)
        rows = by_length(lengths, lambda indices: {"indices": indices})
        assert sorted(np.concatenate([row["indices"] for row in rows])) == list(range(203))
        assert [row["count"] for row in rows] == pytest.approx([51] * 4, abs=2)
        assert all(before["max_frames"] < after["min_frames"] for before, after in pairwise(rows))

    def test_equal_lengths_are_one_bin(self):
        rows = by_length([7, 7, 7], lambda indices: {"seen": len(indices)})
        assert rows == [{"min_frames": 7, "max_frames": 7, "count": 3, "seen": 3}]


def test_losses_of_sequences_average_to_the_loss(classified, tagged):
    for task, (targets, predictions) in [("classification", classified), ("multilabel", tagged)]:
        assert find_task(task).losses(targets, predictions).mean() == pytest.approx(
            find_task(task).score(targets, predictions, NAMES)["loss"]
        )


def test_an_unknown_task_names_those_there_are():
    with pytest.raises(ConfigError, match=r"no task 'ranking'\. Known: classification, multilabel, regression"):
        find_task("ranking").score([0], [[1.0]], ["a"])
