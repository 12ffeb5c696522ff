"""Thresholds and temperature from arrays: against every other choice, and against scikit-learn and SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import f1_score, precision_score, recall_score

from seqconv.errors import ConfigError, ShapeError
from seqconv.metrics import calibration_error, choose_macro_threshold, choose_threshold, label_calibration_error
from seqconv.tasks import find_task

LABELED = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12)), min_size=1, max_size=30)
# One between each two of the probabilities that occur.
EVERY_CUT = np.arange(13) / 12 - 0.01


def arrays(labeled):
    targets, levels = np.array(labeled).T
    return targets, levels / 12


def f1(targets, given_labels):
    either = targets.sum() + given_labels.sum()
    return 2 * targets[given_labels].sum() / either if either else 0.0


@settings(max_examples=50, deadline=None)
@given(LABELED)
def test_no_threshold_has_a_better_f1(labeled):
    targets, probabilities = arrays(labeled)
    cut = choose_threshold(targets, probabilities)
    if not targets.any():
        assert cut == (0.5, None, None, None, False)
        return
    given_labels = probabilities >= cut.threshold
    assert cut.f1 == pytest.approx(f1_score(targets, given_labels))
    assert cut.precision == pytest.approx(precision_score(targets, given_labels))
    assert cut.recall == pytest.approx(recall_score(targets, given_labels))
    assert cut.f1 >= max(f1(targets, probabilities >= other) for other in EVERY_CUT) - 1e-12


@settings(max_examples=50, deadline=None)
@given(LABELED, st.sampled_from([0.5, 0.75, 0.9, 1.0]))
def test_a_precision_is_reached_with_the_largest_recall_or_said_not_to_be(labeled, precision):
    targets, probabilities = arrays(labeled)
    cut = choose_threshold(targets, probabilities, precision=precision)
    if not targets.any():
        return
    others = [probabilities >= other for other in EVERY_CUT if (probabilities >= other).any()]
    precisions = np.array([targets[other].mean() for other in others])
    recalls = np.array([targets[other].sum() / targets.sum() for other in others])
    assert cut.is_reached == bool((precisions >= precision).any())
    if cut.is_reached:
        assert cut.precision >= precision
        assert cut.recall == pytest.approx(recalls[precisions >= precision].max())
    else:
        assert cut.precision == pytest.approx(precisions.max())
        assert cut.recall == pytest.approx(recalls[precisions == precisions.max()].max())


@settings(max_examples=40, deadline=None)
@given(LABELED)
def test_of_two_classes_no_threshold_has_a_better_mean_f1(labeled):
    targets, probabilities = arrays(labeled)
    if not targets.any():
        return

    def macro(threshold):
        decided = probabilities >= threshold
        return (f1(targets, decided) + f1(1 - targets, ~decided)) / 2

    cut = choose_macro_threshold(targets, probabilities)
    decided = (probabilities >= cut.threshold).astype(int)
    expected = f1_score(targets, decided, average="macro", labels=[0, 1], zero_division=0.0)
    assert macro(cut.threshold) == pytest.approx(expected)
    others = [other for other in EVERY_CUT if (probabilities >= other).any()]
    assert macro(cut.threshold) >= max(map(macro, others)) - 1e-12


def test_missing_labels_count_neither_way():
    targets, probabilities = np.array([0, 1, 0, 1, 1.0]), np.array([0.1, 0.3, 0.4, 0.8, 0.9])
    with_missing = np.append(targets, [np.nan] * 50), np.append(probabilities, np.linspace(0, 1, 50))
    for precision in (None, 0.9):
        alone = choose_threshold(targets, probabilities, precision=precision)
        assert choose_threshold(*with_missing, precision=precision) == alone
    rows = np.array([[1, 0], [1, np.nan], [0, np.nan]], float), np.array([[1.0, -2], [-0.5, 99], [0.3, 5]])
    known = rows[0][~np.isnan(rows[0])][:, None], rows[1][~np.isnan(rows[0])][:, None]
    assert find_task("multilabel").fit_temperature(*rows) == pytest.approx(
        find_task("multilabel").fit_temperature(*known)
    )
    assert label_calibration_error(rows[0], expit(rows[1])) == label_calibration_error(known[0], expit(known[1]))


def test_a_threshold_lies_between_two_probabilities_where_there_is_room():
    assert choose_threshold([0, 1], [0.2, 0.6]).threshold == pytest.approx(0.4)
    near = np.nextafter(0.6, 1)
    assert choose_threshold([0, 1], [0.6, near]).threshold == near


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_a_temperature_finds_back_what_logits_were_multiplied_by(task):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3))
    if task == "classification":
        targets = np.array([rng.multinomial(1, row) for row in softmax(logits, axis=1)])
    else:
        targets = (rng.random(logits.shape) < expit(logits)).astype(float)
    alone = find_task(task).fit_temperature(targets, logits)
    assert alone == pytest.approx(1, abs=0.1)
    for factor in (0.3, 4.0):
        assert find_task(task).fit_temperature(targets, factor * logits) == pytest.approx(factor * alone, rel=1e-3)
    error, before = (calibration_error, softmax) if task == "classification" else (label_calibration_error, expit)
    options = {"axis": 1} if task == "classification" else {}
    assert (
        error(targets, before(4 * logits / (4 * alone), **options))
        < 0.05
        < error(targets, before(4 * logits, **options))
    )


def test_no_temperature_near_it_is_less_surprising():
    rng = np.random.default_rng(1)
    targets, logits = np.eye(4)[rng.integers(4, size=60)], rng.normal(size=(60, 4))
    logits += 2 * targets
    found = find_task("classification").fit_temperature(targets, logits)

    def surprise(temperature):
        return -(targets * log_softmax(logits / temperature, axis=1)).sum()

    assert surprise(found) <= min(surprise(found * factor) for factor in (0.5, 0.99, 1.01, 2))


def test_without_a_mistake_there_is_no_temperature():
    assert find_task("classification").fit_temperature(np.eye(2), [[2.0, 0.0], [0.0, 1.0]]) == 1
    assert find_task("multilabel").fit_temperature([[1, np.nan]], [[2.0, -3.0]]) == 1


def test_what_cannot_be_chosen_is_refused():
    with pytest.raises(ConfigError, match=r"a precision of 1\.5 is impossible"):
        choose_threshold([0, 1], [0.1, 0.2], precision=1.5)
    with pytest.raises(ShapeError, match="2 targets but 1 predictions"):
        choose_threshold([0, 1], [0.1])
    with pytest.raises(ConfigError, match="a regression has none"):
        find_task("regression").fit_temperature([[1.0]], [[2.0]])
