"""Splits that are made: the same every time, groups and files whole, labels in proportion."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqconv.data.manifest import check_labels, make_splits
from seqconv.data.manifest.columns import Manifest
from seqconv.data.manifest.splits import add_splits
from seqconv.errors import ConfigError, ManifestError


def make_frame(labels, groups=None, paths=None, splits=None):
    size = len(labels)
    names = [f"r{number:04d}" for number in range(size)]
    columns = {"id": names, "path": paths or names, "label": labels, "split": splits, "group": groups}
    return pd.DataFrame({name: pd.Series(cells, index=range(size), dtype=object) for name, cells in columns.items()})


def shares(frame):
    return frame["split"].value_counts(normalize=True).reindex(["train", "valid", "test"], fill_value=0).to_numpy()


@settings(max_examples=40, deadline=None)
@given(
    members=st.lists(st.text("abc", min_size=1, max_size=4), min_size=40, max_size=60),
    seed=st.integers(0, 5),
)
def test_groups_stay_whole_and_every_label_is_in_train(members, seed):
    groups = [f"g{number}" for number, labels in enumerate(members) for _ in labels]
    frame = make_frame(list("".join(members)), groups)
    made = make_splits(frame, seed=seed)
    assert made.groupby("group")["split"].nunique().max() == 1
    assert shares(made) == pytest.approx([0.7, 0.1, 0.2], abs=0.15)
    check_labels(made)


@pytest.mark.parametrize("seed", range(5))
def test_each_label_is_cut_in_proportion(seed):
    made = make_splits(make_frame(["a"] * 700 + ["b"] * 200 + ["c"] * 100), seed=seed)
    assert shares(made) == pytest.approx([0.7, 0.1, 0.2], abs=0.002)
    for _, part in made.groupby("label"):
        assert shares(part) == pytest.approx([0.7, 0.1, 0.2], abs=0.02)


def test_a_rare_label_goes_to_train():
    made = make_splits(make_frame(["common"] * 97 + ["once", "twice", "twice"]))
    assert made.loc[made["label"] == "once", "split"].tolist() == ["train"]
    assert "train" in made.loc[made["label"] == "twice", "split"].tolist()


def test_the_cut_depends_on_the_seed_and_on_neither_order_nor_folder():
    frame = make_frame(["a", "b"] * 100, [f"g{number // 3}" for number in range(200)])
    first = make_splits(frame).set_index("id")["split"]
    assert make_splits(frame).set_index("id")["split"].equals(first)
    moved = frame.sample(frac=1, random_state=1).assign(path="/elsewhere/" + frame["path"]).reset_index(drop=True)
    assert make_splits(moved).set_index("id")["split"].loc[first.index].equals(first)
    assert (make_splits(frame, seed=1).set_index("id")["split"] != first).mean() > 0.2


def test_the_cut_is_not_by_order_of_the_rows():
    made = make_splits(make_frame(["a"] * 300))
    positions = np.flatnonzero(made["split"] == "test")
    assert 100 < positions.mean() < 200
    assert len(set(np.diff(positions))) > 3


def test_parts_of_a_file_stay_together_across_groups():
    paths = [f"f{number // 4}" for number in range(80)]
    groups = [None if number % 2 else f"g{number // 8}" for number in range(80)]
    made = make_splits(make_frame(["a", "b"] * 40, groups, paths))
    assert made.groupby("path")["split"].nunique().max() == 1
    assert made.groupby("group")["split"].nunique().max() == 1


def test_a_huge_group_goes_to_train():
    made = make_splits(make_frame(["a"] * 100, ["huge"] * 60 + [f"g{number}" for number in range(40)]))
    assert set(made.loc[made["group"] == "huge", "split"]) == {"train"}


def test_a_missing_valid_is_cut_from_train_and_test_stays():
    frame = make_frame(["a", "b"] * 100, splits=["train"] * 160 + ["test"] * 40)
    cut = add_splits(Manifest(frame))
    made = cut.frame
    assert (made["split"][160:] == "test").all()
    assert made["split"].value_counts().to_dict() == {"train": 140, "valid": 20, "test": 40}
    assert cut.notes == (
        "no split valid: cut from train, stratified by 'label', seed 0; now train 140, valid 20, test 40",
    )
    assert make_splits(frame).equals(made)
    assert frame["split"].value_counts().to_dict() == {"train": 160, "test": 40}, "the given frame stays as it was"


def test_a_lone_train_gives_valid_and_test():
    made = make_splits(make_frame(["a", "b"] * 100, splits=["train"] * 200))
    assert shares(made) == pytest.approx([0.7, 0.1, 0.2], abs=0.01)


def test_complete_splits_are_left_alone():
    frame = make_frame(["a"] * 3, splits=["train", "valid", "test"])
    made = add_splits(Manifest(frame))
    assert made.frame["split"].tolist() == ["train", "valid", "test"]
    assert made.notes == ()


def test_what_was_made_is_said():
    made = add_splits(Manifest(make_frame(["a", "b"] * 50, [f"g{number // 2}" for number in range(100)])), seed=3)
    assert made.notes == (
        "no splits: made train, valid and test, by group (50 groups), stratified by 'label', seed 3; "
        "now train 70, valid 10, test 20",
    )


def test_without_labels_the_cut_is_plain():
    made = add_splits(Manifest(make_frame([None] * 100)))
    assert made.notes == ("no splits: made train, valid and test, seed 0; now train 70, valid 10, test 20",)


def test_other_fractions_are_kept():
    assert shares(make_splits(make_frame(["a"] * 100), fractions=(0.5, 0.25, 0.25))) == pytest.approx([0.5, 0.25, 0.25])


def test_regression_is_cut_across_the_range():
    values = np.random.default_rng(0).normal(size=400)
    made = make_splits(make_frame([str(value) for value in values]), task="regression")
    assert shares(made) == pytest.approx([0.7, 0.1, 0.2], abs=0.01)
    for split in ("train", "valid", "test"):
        part = values[(made["split"] == split).to_numpy()]
        assert abs(np.mean(part)) < 0.25
        assert 0.7 < np.std(part) < 1.3


def test_multilabel_is_cut_by_the_rarest_label():
    generator = np.random.default_rng(0)
    labels = [";".join(name for name in "abcd" if generator.random() < 0.3) or None for _ in range(400)]
    made = make_splits(make_frame(labels), task="multilabel")
    check_labels(made, "label", "multilabel")
    assert shares(made) == pytest.approx([0.7, 0.1, 0.2], abs=0.01)
    for name in "abcd":
        part = made[made["label"].fillna("").str.contains(name)]
        assert shares(part) == pytest.approx([0.7, 0.1, 0.2], abs=0.08)


def test_columns_of_zeros_and_ones_are_cut_too():
    frame = make_frame([None] * 100).assign(dog=["1", "0"] * 50, cat=["0", "0", "1", "1"] * 25)
    made = make_splits(frame, label=["dog", "cat"], task="multilabel")
    check_labels(made, ["dog", "cat"], "multilabel")
    assert shares(made[made["dog"] == "1"]) == pytest.approx([0.7, 0.1, 0.2], abs=0.1)


@pytest.mark.parametrize(
    ("frame", "settings", "error", "message"),
    [
        (
            make_frame(["a"] * 9, ["g"] * 9),
            {},
            ManifestError,
            r"9 rows in 1 group or file .* too few .*\(valid, test",
        ),
        (make_frame(["a"] * 2, splits=["test"] * 2), {}, ManifestError, "has test, but no 'train' to learn from"),
        (make_frame(["a"] * 9), {"label": "labl"}, ManifestError, "no target column 'labl'; .*; did you mean 'label'"),
        (make_frame(["a"] * 9), {"fractions": (0.8, 0.1, 0.2)}, ConfigError, "add up to 1"),
        (make_frame(["a"] * 9), {"fractions": (0.8, 0.2, 0.0)}, ConfigError, "must be three positive shares"),
    ],
)
def test_what_cannot_be_cut_is_explained(frame, settings, error, message):
    with pytest.raises(error, match=message):
        make_splits(frame, **settings)
