"""Sequences: what is accepted, what is refused and how it is said, subsets and splits."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.dummies import random_sequences

from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ManifestError, ShapeError


@pytest.fixture
def sequences(rng):
    arrays = random_sequences(rng, [3, 9, 1, 4, 4, 7], 2)
    frame = pd.DataFrame({"room": ["hall", "hall", "lab", "lab", "lab", "hall"]}, index=[5, 4, 3, 2, 1, 0])
    return Sequences(
        arrays, list("aabbab"), ids=list("uvwxyz"), groups=[1, 1, 2, 2, 3, 3], weights=range(6), metadata=frame
    )


def test_arrays_come_back_as_float32_of_their_own_length(rng):
    arrays = [rng.integers(0, 9, (4, 3)), rng.random((2, 3)), rng.random((5, 3)).astype(np.float32).tolist()]
    sequences = Sequences(arrays)
    assert sequences.lengths.tolist() == [4, 2, 5]
    assert sequences.ids == ["0", "1", "2"]
    assert (len(sequences), sequences.num_features) == (3, 3)
    for index, array in enumerate(arrays):
        assert sequences[index].dtype == np.float32
        np.testing.assert_array_equal(sequences[index], np.asarray(array, np.float32))


def test_float32_arrays_are_not_copied(rng):
    arrays = random_sequences(rng, [3, 4], 2)
    assert all(np.shares_memory(Sequences(arrays)[index], array) for index, array in enumerate(arrays))


def test_an_array_of_three_axes_holds_equal_lengths(rng):
    block = rng.random((5, 7, 2)).astype(np.float32)
    sequences = Sequences(block, range(5))
    assert sequences.lengths.tolist() == [7] * 5
    np.testing.assert_array_equal(sequences[3], block[3])


def test_any_source_will_do_and_sequences_are_one(sequences):
    again = Sequences(sequences, labels=range(6))
    assert again.ids == sequences.ids
    np.testing.assert_array_equal(again[1], sequences[1])


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ([np.ones(4), np.ones((3, 1)), np.ones(2)], r"\(4,\) at index 0, \(2,\) at index 2.*pass x\[:, None\]"),
        ([np.ones((4, 2)), np.ones((2, 3, 1))], r"got \(2, 3, 1\) at index 1"),
        ([np.ones((4, 2)), np.ones((2, 4)), np.ones((3, 2))], r"most have 2, but got \(2, 4\) at index 1.*transposed"),
        ([np.ones((4, 2)), np.ones((0, 2))], r"at least one frame and one feature, got \(0, 2\) at index 1"),
        ([np.ones((n, 3)) for n in range(2, 9)] + [np.ones((2, 2))] * 7, r"and 2 more"),
        ([], "no sequences: the list is empty"),
        (np.ones((4, 2)), r"shape \(4, 2\) is one sequence \(time, d\); pass a list: \[x\]"),
        ("audio.wav", "expected a list of arrays .* got str"),
        (3, "got int"),
        ([[["a", "b"]]], "sequence 0 holds .* values, expected numbers"),
        ([[[1, 2], [3]]], "sequence 0 is not an array"),
    ],
)
def test_arrays_of_another_shape_are_refused(features, message):
    with pytest.raises(ShapeError, match=message):
        Sequences(features)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_not_finite_are_named_by_id_and_place(value):
    bad = np.ones((4, 2))
    bad[2, 1] = value
    with pytest.raises(ManifestError, match=r"1 of 2 sequences .* beyond float32: 'b' \(first at frame 2, feature 1\)"):
        Sequences([np.ones((3, 2)), bad], ids=["a", "b"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": ["a"]}, "1 labels for 2 sequences"),
        ({"ids": ["a", "b", "c"]}, "3 ids for 2 sequences"),
        ({"groups": ["a"]}, "1 groups for 2 sequences"),
        ({"weights": [1.0]}, "1 weights for 2 sequences"),
        ({"metadata": pd.DataFrame({"a": [1]})}, "1 rows of metadata for 2 sequences"),
        ({"ids": ["a", "a"]}, "ids must be unique, but 'a' are used more than once"),
        ({"weights": [1.0, -1.0]}, "weights must be finite and not negative"),
        ({"labels": ["a"], "ids": ["a", "a"]}, r"(?s)1 labels .*ids must be unique"),
    ],
)
def test_what_does_not_fit_the_sequences_is_refused(arguments, message):
    with pytest.raises(ManifestError, match=message):
        Sequences([np.ones((3, 2)), np.ones((4, 2))], **arguments)


def test_a_subset_takes_everything_along_without_copying(sequences):
    part = sequences.subset([4, 0, -1]).subset([0, 2])
    assert (part.ids, part.labels, part.groups) == (["y", "z"], ["a", "b"], ["3", "3"])
    assert part.lengths.tolist() == [4, 7]
    assert part.weights.tolist() == [4, 5]
    assert part.metadata.index.tolist() == [0, 1]
    assert part.metadata["room"].tolist() == ["lab", "hall"]
    assert np.shares_memory(part[1], sequences[5])


@pytest.mark.parametrize("labels", [np.arange(12).reshape(6, 2), pd.DataFrame({"p": range(6), "q": range(6)})])
def test_a_subset_keeps_the_form_of_the_labels(sequences, labels):
    part = Sequences(sequences, labels).subset([5, 1])
    assert type(part.labels) is type(labels)
    np.testing.assert_array_equal(np.asarray(part.labels), np.asarray(labels)[[5, 1]])


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([6], "whole numbers below 6, got '6'"),
        ([0.5], "whole numbers below 6"),
        ([True, False], r"a mask of shape \(2,\)"),
        ([], "no sequences"),
    ],
)
def test_a_bad_selection_is_refused(sequences, indices, message):
    with pytest.raises(ManifestError, match=message):
        sequences.subset(indices)


def test_sequences_are_chosen_by_their_metadata(sequences):
    assert sequences.where("room", "lab").ids == ["w", "x", "y"]
    with pytest.raises(ManifestError, match="no sequence has room 'attic'; there are 'hall', 'lab'"):
        sequences.where("room", "attic")
    with pytest.raises(ManifestError, match=r"no column 'rom'.*the columns room"):
        sequences.where("rom", "lab")
    with pytest.raises(ManifestError, match="no metadata"):
        Sequences([np.ones((3, 2))]).where("room", "lab")


def test_the_repr_says_what_there_is(sequences):
    assert repr(sequences) == "<6 sequences of 1 to 9 frames (median 4), 2 features, labeled, 3 groups>"


@given(seed=st.integers(0, 99), num_groups=st.integers(4, 30), test=st.floats(0.2, 0.5), data=st.data())
def test_a_split_is_whole_groups_all_classes_in_train_and_about_the_size_asked_for(seed, num_groups, test, data):
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=num_groups, max_size=num_groups))
    groups = np.repeat(np.arange(num_groups), sizes)
    labels = [str(index % 2) for index in range(len(groups))]
    sequences = Sequences([np.ones((1, 1))] * len(groups), labels, groups=groups)
    train, held_out = sequences.split(test=test, seed=seed)
    assert sorted([*train.ids, *held_out.ids], key=int) == sequences.ids
    assert not set(train.groups) & set(held_out.groups)
    assert set(held_out.labels) <= set(train.labels)
    assert abs(len(held_out) - test * len(sequences)) <= max(sizes)


def test_a_split_keeps_the_classes_in_proportion():
    labels = ["rare"] * 10 + ["common"] * 90
    train, test = Sequences([np.ones((1, 1))] * 100, labels).split(test=0.2)
    assert (len(test), test.labels.count("rare"), train.labels.count("rare")) == (20, 2, 8)


def test_the_seed_chooses_the_split():
    sequences = Sequences([np.ones((1, 1))] * 50, [0, 1] * 25)
    first, again, other = (sequences.split(seed=seed)[1].ids for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_split_may_look_at_another_column_or_at_no_group(sequences):
    train, test = Sequences(sequences, metadata=sequences.metadata).split(test=0.5, by="room")
    assert len(set(train.metadata["room"]) & set(test.metadata["room"])) == 0
    single = Sequences(sequences, groups=["one"] * 6)
    assert len(single.split(test=0.5, by=None)[1]) == 3
    with pytest.raises(ManifestError, match="1 groups with 1 classes cannot be cut"):
        single.split()
    with pytest.raises(ManifestError, match="by='house' is neither"):
        sequences.split(by="house")
    with pytest.raises(ManifestError, match=r"test=1\.5 is the fraction"):
        sequences.split(test=1.5)


def test_measured_values_do_not_stratify(rng):
    train, test = Sequences([np.ones((1, 1))] * 20, rng.random(20)).split(test=0.25)
    assert (len(train), len(test)) == (15, 5)


@pytest.fixture
def manifest(tmp_path, rng):
    for index in range(6):
        np.save(tmp_path / f"{index}.npy", rng.random((index + 2, 3), np.float32))
    rows = [
        f"00{index},{index}.npy,{'ab'[index % 2]},{'test' if index > 3 else 'train'},g{index}" for index in range(6)
    ]
    path = tmp_path / "manifest.csv"
    path.write_text("\n".join(["id,path,label,split,group", *rows]))
    return path


def test_a_manifest_gives_features_labels_groups_and_metadata(manifest, tmp_path):
    sequences = Sequences.from_manifest(manifest, {"kind": "precomputed"}, split="test", num_workers=0)
    assert (sequences.ids, sequences.labels, sequences.groups) == (["004", "005"], ["a", "b"], ["g4", "g5"])
    assert sequences.weights.tolist() == [1, 1]
    np.testing.assert_array_equal(sequences[1], np.load(tmp_path / "5.npy"))
    everything = Sequences.from_manifest(manifest, {"kind": "precomputed"}, label=["label", "group"], num_workers=0)
    assert everything.labels.columns.tolist() == ["label", "group"]
    assert everything.where("split", "train").ids == ["000", "001", "002", "003"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"split": "valid"}, ManifestError, "no sequence in split 'valid'; the manifest has 'train', 'test'"),
        ({"label": "lable"}, ManifestError, "no target column 'lable'; the columns are 'id', 'path', 'label'"),
        ({"features": {"kind": "melody"}}, ConfigError, r"^features\.kind: expected 'log_mel', .*got 'melody'"),
    ],
)
def test_what_a_manifest_lacks_is_said(manifest, arguments, error, message):
    with pytest.raises(error, match=message):
        Sequences.from_manifest(manifest, **{"features": {"kind": "precomputed"}, **arguments})


def test_a_ts_file_gives_sequences(tmp_path):
    path = tmp_path / "tiny.ts"
    header = "@problemName tiny\n@univariate false\n@dimensions 2\n@equalLength false\n@classLabel true 1 2\n@data\n"
    path.write_text(header + "1,2,3:4,5,6:1\n7,8:9,10:2\n")
    sequences = Sequences.from_ts(path)
    assert (sequences.labels, sequences.lengths.tolist()) == (["1", "2"], [3, 2])
    np.testing.assert_array_equal(sequences[1], [[7, 9], [8, 10]])
