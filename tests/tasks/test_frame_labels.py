"""Labels of frames from arrays: every form, what is missing, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ManifestError
from seqconv.tasks.frame_arrays import read_frame_labels
from seqconv.tasks.frame_labels import FrameLabels, find_length_problems
from seqconv.tasks.target import Target, fit_target

NAN = np.nan


@pytest.mark.parametrize(
    ("raw", "names", "codes"),
    [
        ([["b", "a", ""], ["a"]], ("a", "b"), [[1, 0, -1], [0]]),
        ([np.array(["x", None, "y"], object), np.array([" ", "x"], object)], ("x", "y"), [[0, -1, 1], [-1, 0]]),
        ([np.array([10, 9, 10]), np.array([9])], ("9", "10"), [[1, 0, 1], [0]]),
        ([np.array([1.0, NAN, 0.0]), np.array([NAN])], ("0", "1"), [[1, -1, 0], [-1]]),
        ([np.array([[1], [0]]), np.array([[0]])], ("0", "1"), [[1, 0], [0]]),
        ([np.array([2.0, "a", NAN], object), np.array([2], object)], ("2", "a"), [[0, 1, -1], [0]]),
        (np.array([[-1, 1], [1, 1]]), ("-1", "1"), [[0, 1], [1, 1]]),
    ],
)
def test_classes_of_frames(raw, names, codes):
    labels = read_frame_labels("classification", raw)
    assert labels.names == names
    assert [array.tolist() for array in labels] == codes
    assert labels.lengths.tolist() == [len(row) for row in codes]
    assert labels.num_labeled == sum(code >= 0 for row in codes for code in row)


@given(st.lists(st.lists(st.sampled_from(["a", "b", "10", "9", ""]), min_size=1), min_size=1))
def test_encoded_classes_are_those_given(raw):
    labels = read_frame_labels("classification", raw)
    assume(labels.names)
    for index, row in enumerate(raw):
        encoded = labels.encode(index)
        assert np.isnan(encoded).any(axis=1).tolist() == [name == "" for name in row]
        known = ~np.isnan(encoded).any(axis=1)
        assert (encoded[known].sum(axis=1) == 1).all()
        assert [labels.names[place] for place in encoded[known].argmax(axis=1)] == [name for name in row if name]
        np.testing.assert_array_equal(labels.encode(index, slice(1, None, 2)), encoded[1::2])
        np.testing.assert_array_equal(labels.is_labeled(index), known)


def test_sets_and_numbers_of_frames():
    sets = read_frame_labels("multilabel", [[[0, 1], [1, NAN]], [[True, True]]], names=["x", "y"])
    assert [array.tolist() for array in sets] == [[[0, 1], [1, -1]], [[1, 1]]]
    assert sets.are_columns
    numbers = read_frame_labels("regression", [np.array([1, 2]), np.array([NAN])])
    assert numbers.names == ("value",)
    assert numbers[0].tolist() == [[1], [2]]
    assert numbers.is_labeled(1).tolist() == [False]
    assert read_frame_labels("regression", [np.zeros((3, 2))]).names == ("value_0", "value_1")


@pytest.mark.parametrize(
    ("task", "raw", "match"),
    [
        ("classification", ["a", "b"], r"'s0', 's1' have a single label, .* model.pooling to 'mean'"),
        ("classification", [["a"], np.zeros((4, 3))], r"'s1' has labels of shape \(4, 3\); .* \(time,\)"),
        ("multilabel", [np.zeros(4), np.zeros((2, 2))], r"'s0' has labels of shape \(4,\) .* \(time, classes\)"),
        ("multilabel", [[[0, 2]], [[0, 1]]], r"'s0' has the labels \[0.0, 2.0\] at frame 0; multilabel needs 0 and 1"),
        ("multilabel", [np.zeros((2, 3)), np.zeros((2, 2))], "'s1' has 2 columns of labels, expected 3"),
        ("regression", [[1.0, np.inf], [1.0]], "'s0' has labels of shape .* finite numbers"),
        ("regression", [["a"], [1.0]], "'s0' has labels of shape .* finite numbers"),
        (
            "multilabel",
            [np.zeros(4), [["a"]]],
            r"2 problems\n  's0' has labels of shape \(4,\).*\n  's1' has labels of shape \(1, 1\)",
        ),
    ],
)
def test_labels_of_another_form_are_refused_by_id(task, raw, match):
    with pytest.raises(ManifestError, match=match):
        read_frame_labels(task, raw, ids=["s0", "s1"])


def test_names_are_moved_and_unknown_ones_told():
    labels = FrameLabels("multilabel", ("a", "b"), [np.array([[1, 0], [-1, -1]]), np.array([[0, 1]])])
    moved = labels.rename(["b", "c", "a"])
    assert [array.tolist() for array in moved] == [[[0, 0, 1], [-1, -1, -1]], [[1, 0, 0]]]
    with pytest.raises(ManifestError, match=r"frames of 'two' have unknown labels 'b'. Known: 'a', 'c'"):
        labels.rename(["a", "c"], ids=["one", "two"])
    # A name that no frame has is no problem, unless it is a column.
    assert labels.take([0]).rename(["a"])[0].tolist() == [[1], [-1]]
    columns = read_frame_labels("multilabel", [[[0, 1]]], names=["a", "b"])
    with pytest.raises(ManifestError, match="the labels have 2 columns, 'a', 'b', but expected are 1: 'b'"):
        columns.rename(["b"])


def test_lengths_that_differ_are_told_with_both_numbers_and_the_likely_cause():
    labels = read_frame_labels("classification", [["a"] * 3, ["b"] * 4])
    assert find_length_problems(labels, [3, 8], ["x", "y"]) == [
        "'y' has 4 labels for 8 frames: were they made with another features.hop_length?"
    ]


@pytest.mark.parametrize(
    ("task", "raw", "options", "names"),
    [
        ("classification", [["b", "a"], ["", "c"]], {}, ("a", "b", "c")),
        ("classification", [["b", "a"]], {"labels": ["b", "a", "z"]}, ("b", "a", "z")),
        ("multilabel", [[[1, 0]], [[0, 0]]], {}, ("0", "1")),
        ("multilabel", [[[1, 0]], [[0, 0]]], {"labels": ["x", "y"]}, ("x", "y")),
    ],
)
def test_targets_of_frames(task, raw, options, names):
    target = fit_target(task, raw, kind="frame", **options)
    assert target == Target(task, names, kind="frame")
    assert Target.from_dict(json.loads(json.dumps(target.to_dict()))) == target
    encoded = target.encode_frames(raw)
    assert encoded.names == names


def test_classes_of_events_are_those_that_training_has():
    labels = FrameLabels("multilabel", ("a", "b", "never"), [np.array([[1, 0, 0], [0, 1, 0]])])
    assert fit_target("multilabel", labels, kind="frame").names == ("a", "b")


def test_numbers_of_frames_are_standardized_over_the_labeled_frames():
    raw = [np.array([[1.0, 5], [NAN, 7]]), np.array([[3.0, 5]])]
    target = fit_target("regression", raw, kind="frame", labels=["age", "dose"])
    assert target.mean == (2.0, 5.0)
    assert target.std == (1.0, 1.0)  # a constant column
    assert target.encode_frames(raw).encode(1).tolist() == [[1, 0]]
    assert np.isnan(target.encode_frames(raw).encode(0)[1]).all()
    assert target.frame_labels(raw)[1].tolist() == [[3, 5]]


def test_a_model_saved_before_there_were_frames_is_one_of_sequences():
    saved = {"task": "classification", "names": ["a", "b"], "separator": ";", "mean": None, "std": None}
    assert Target.from_dict(saved).kind == "sequence"


@pytest.mark.parametrize(
    ("task", "raw", "match"),
    [
        ("classification", [["a", ""], ["a"]], "all labeled frames have the label 'a': there is nothing to tell apart"),
        ("classification", [["", ""]], "no frame of the training sequences has a label"),
        ("multilabel", [[[0, 0]]], "none of the labeled frames has a label: there is nothing to learn"),
        ("regression", [[NAN]], "no frame of the training sequences has a label"),
    ],
)
def test_nothing_to_learn(task, raw, match):
    with pytest.raises(ManifestError, match=match):
        fit_target(task, raw, kind="frame")


def test_other_kinds_are_refused():
    with pytest.raises(ConfigError, match="one of sequence, frame, not 'token'"):
        fit_target("classification", ["a", "b"], kind="token")


def test_labels_of_frames_for_a_target_of_sequences_say_what_to_set():
    with pytest.raises(ManifestError, match=r"for one label per frame, set model.pooling to frames"):
        fit_target("classification", [np.array(["a", "b"]), np.array(["a"])])


@pytest.mark.parametrize("form", ["list", "array", "compact"])
def test_sequences_carry_them_through_subsets_and_splits(form):
    raw = [[str(index), "x", ""] for index in range(10)]
    labels = {"list": raw, "array": np.array(raw), "compact": read_frame_labels("classification", raw)}[form]
    sequences = Sequences([np.full((3, 2), index) for index in range(10)], labels)
    train, test = sequences.subset([7, 2, 5, 9, 1]).split(test=0.4)
    for part in (train, test):
        read = read_frame_labels("classification", part.labels)
        for index in range(len(part)):
            assert read.names[read[index][0]] == str(int(part[index][0, 0]))
    assert sequences.with_labels(raw[::-1]).subset([0]).labels == [["9", "x", ""]]
