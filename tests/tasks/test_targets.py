"""Targets: raw labels as numbers and back, for every task and form of label."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqconv.data.class_weights import class_weights
from seqconv.errors import ConfigError, ManifestError
from seqconv.tasks.target import Target, fit_target


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        (["b", "a", "b"], ("a", "b")),
        (["10", "9", "001", "NA"], ("001", "9", "10", "NA")),
        ([10, 9, 10], ("9", "10")),
        (np.array([3, 1, 2]), ("1", "2", "3")),
        (np.array([2.0, 1.0]), ("1", "2")),
        (pd.Series(["x", "y"]), ("x", "y")),
        (pd.DataFrame({"label": ["x", "y"]}), ("x", "y")),
        ([True, False], ("False", "True")),
        (["-1", "0.5", "nan", "z"], ("-1", "0.5", "nan", "z")),
    ],
)
def test_classes_are_text_and_numbers_sort_as_numbers(raw, names):
    target = fit_target("classification", raw)
    assert target.names == names
    assert target.encode(raw).sum(axis=1).tolist() == [1] * len(raw)


@given(st.lists(st.sampled_from(["a", "b", "10", "9", "ä"]), min_size=2).filter(lambda labels: len(set(labels)) > 1))
def test_classes_decode_to_what_was_encoded(labels):
    target = fit_target("classification", labels)
    encoded = target.encode(labels)
    assert encoded.dtype == np.float32
    assert encoded.shape == (len(labels), target.num_outputs)
    assert target.decode(encoded) == labels


SETS = [["b", "a"], [], ["c"]]
MATRIX = [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("raw", "arguments"),
    [
        (["b;a", "", "c"], {}),
        (["b|a", None, " c "], {"separator": "|"}),
        (SETS, {}),
        ([set(labels) for labels in SETS], {}),
        (np.array(MATRIX), {"labels": "abc"}),
        (np.array(MATRIX, bool), {"labels": "abc"}),
        (MATRIX, {"labels": "abc"}),
        (pd.DataFrame(MATRIX, columns=list("abc")), {}),
        (pd.DataFrame(MATRIX, columns=list("abc")).astype(str), {}),
        (pd.DataFrame(MATRIX, columns=list("abc"))[["c", "a", "b"]], {"labels": "abc"}),
    ],
)
def test_every_form_of_several_labels_is_the_same_target(raw, arguments):
    target = fit_target("multilabel", raw, **arguments)
    assert target.names == ("a", "b", "c")
    np.testing.assert_array_equal(target.encode(raw), MATRIX)
    assert target.decode(target.encode(raw)) == [["a", "b"], [], ["c"]]


def test_the_threshold_decides_which_labels_are_given():
    target = Target("multilabel", ("a", "b"))
    assert target.decode([[0.4, 0.6]], threshold=0.3) == [["a", "b"]]
    assert target.decode([[0.4, 0.6]], threshold=0.7) == [[]]


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        ([1.0, 2.0, 6.0], ("value",)),
        (["1", "2", "6"], ("value",)),
        ([[1, 5], [2, 6], [6, 9]], ("value_0", "value_1")),
        (pd.DataFrame({"age": ["1", "2", "6"], "weight": ["3", "4", "5"]}), ("age", "weight")),
    ],
)
def test_numbers_are_standardized_by_the_training_values(raw, names):
    target = fit_target("regression", raw)
    encoded = target.encode(raw)
    assert target.names == names
    np.testing.assert_allclose(encoded.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(encoded.std(axis=0), 1, rtol=1e-6)
    wanted = np.asarray(raw, np.float64).reshape(3, -1)
    np.testing.assert_allclose(target.decode(encoded), wanted, rtol=1e-6)


def test_a_constant_column_keeps_its_distance_and_is_not_divided_by_zero():
    target = fit_target("regression", [[1, 0.1], [2, 0.1], [4, 0.1]])
    assert target.std[1] == 1
    np.testing.assert_allclose(target.encode([[1, 0.1], [1, 2.1]])[:, 1], [0, 2], atol=1e-6)


@pytest.mark.parametrize(
    ("task", "raw", "message"),
    [
        (
            "classification",
            ["a", None, "", "b", np.nan],
            r"\('q', 'r', 't'\) have no label",
        ),
        ("classification", ["a", "a", "a", "a", "a"], "all sequences have the label 'a'"),
        ("classification", [["a", "b"], ["a"], ["b"], ["a"], ["b"]], r"1 sequences \('p'\) hold several.*multilabel"),
        ("multilabel", ["", "", None, "", ""], "none of the sequences has a label: there is nothing to learn"),
        ("multilabel", np.array([[0, 1], [2, 0], [1, 1], [0, 0], [0, 1]]), r"hold 0 or 1, but 1 sequences \('q'\)"),
        ("regression", ["1", "tall", "3", None, "5"], r"2 sequences \('q', 's'\) .*not numbers, the first 'tall'"),
        ("regression", [1.0, 2.0, np.inf, 4.0, 5.0], r"\('r'\) .* the first inf"),
        ("regression", [[1, 2], [3], [4, 5], [6, 7], [8, 9]], r"needs 2 values, but 1 sequences \('q'\) have 1"),
    ],
)
def test_labels_that_cannot_be_learned_are_named_by_id(task, raw, message):
    with pytest.raises(ManifestError, match=message):
        fit_target(task, raw, ids=list("pqrst"))


def test_without_ids_the_rows_are_named():
    with pytest.raises(ManifestError, match=r"1 sequences \(rows 1\) have no label"):
        fit_target("classification", ["a", None, "b"])
    with pytest.raises(ManifestError, match="no labels"):
        fit_target("classification", [])


def test_a_label_that_training_did_not_have_is_refused_with_the_known_ones():
    target = fit_target("classification", ["10", "9"])
    with pytest.raises(ManifestError, match=r"unknown labels '8', '11' of 2 sequences \('q', 'r'\)\. Known: '9', '10'"):
        target.encode(["9", "11", "8"], ids=["p", "q", "r"])
    with pytest.raises(ManifestError, match="unknown labels 'c'"):
        fit_target("multilabel", ["a;b"]).encode(["a;c"])
    with pytest.raises(ManifestError, match="no label column 'b'; there are 'a'"):
        fit_target("multilabel", ["a;b"]).encode(pd.DataFrame({"a": [1]}))


def test_given_names_fix_the_order_and_may_include_absent_classes():
    target = fit_target("classification", ["a", "b"], labels=["b", "a", "z"])
    assert target.encode(["a"]).tolist() == [[0, 1, 0]]
    with pytest.raises(ManifestError, match="unknown labels 'c'"):
        fit_target("classification", ["a", "c"], labels=["a", "b"])


def test_there_are_three_tasks():
    with pytest.raises(ConfigError, match=r"target\.task: 'clustering' is not one of classification, multilabel, regr"):
        fit_target("clustering", ["a"])
    with pytest.raises(ConfigError, match="no scale"):
        Target("classification", ("a", "b")).unstandardize([[1.0]])


@pytest.mark.parametrize(
    ("task", "raw"), [("classification", ["a", "b"]), ("multilabel", ["a;b"]), ("regression", [[1.5, 2], [0.1, 7]])]
)
def test_a_target_survives_the_way_through_json(task, raw):
    target = fit_target(task, raw)
    assert Target.from_dict(json.loads(json.dumps(target.to_dict()))) == target


@given(st.lists(st.sampled_from("abc"), min_size=2).filter(lambda labels: len(set(labels)) > 1))
def test_balanced_classes_weigh_the_same_and_a_sequence_one_on_average(labels):
    target = fit_target("classification", labels)
    encoded = target.encode(labels)
    weights = class_weights(target, encoded, "balanced")
    assert weights.dtype == np.float32
    np.testing.assert_allclose(weights.mean(), 1, rtol=1e-5)
    totals = weights @ encoded
    np.testing.assert_allclose(totals, totals[0], rtol=1e-5)


def test_given_weights_apply_to_their_classes():
    target = fit_target("classification", ["a", "b", "c"])
    encoded = target.encode(["c", "a", "b"])
    assert class_weights(target, encoded, {"a": 2, "b": 0}).tolist() == [1, 2, 0]
    assert class_weights(target, encoded, None).tolist() == [1, 1, 1]


def test_several_labels_weigh_their_mean_and_none_weighs_one():
    target = Target("multilabel", ("a", "b"))
    rows = [[1, 1], [0, 0], [0, 1]]
    assert class_weights(target, rows, {"a": 3}).tolist() == [2, 1, 1]
    assert class_weights(target, rows, "balanced")[1] == 1


@pytest.mark.parametrize(
    ("target", "weight", "message"),
    [
        (Target("classification", ("a", "b")), {"c": 1}, "no class 'c'; the classes are 'a', 'b'"),
        (Target("classification", ("a", "b")), "equal", "expected 'balanced' or weights by class, got 'equal'"),
        (Target("regression", ("a",), mean=(0.0,), std=(1.0,)), "balanced", "target.task is 'regression'"),
    ],
)
def test_impossible_weights_are_refused(target, weight, message):
    with pytest.raises(ConfigError, match=message):
        class_weights(target, np.eye(2), weight)
