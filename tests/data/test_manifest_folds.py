"""Folds: groups whole, labels spread, the same every time, and those of the manifest kept."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqconv.data.manifest import make_folds
from seqconv.data.manifest.columns import Manifest
from seqconv.data.manifest.folds import fold_numbers
from seqconv.data.manifest.split_section import check_folds, cut_splits, group_rows
from seqconv.data.settings import SplitConfig
from seqconv.errors import ConfigError, ManifestError


def make_frame(labels, groups=None, folds=None, splits=None, **more):
    size = len(labels)
    names = [f"r{number:04d}" for number in range(size)]
    columns = {"id": names, "path": names, "label": labels, "split": splits, "group": groups, **more}
    frame = pd.DataFrame({name: pd.Series(cells, index=range(size), dtype=object) for name, cells in columns.items()})
    return frame.assign(fold=pd.array([pd.NA] * size if folds is None else folds, dtype="Int64"))


def counts(frame, column="fold"):
    return frame[column].value_counts().sort_index().tolist()


@settings(max_examples=40, deadline=None)
@given(
    members=st.lists(st.text("ab", min_size=1, max_size=4), min_size=30, max_size=50),
    num_folds=st.integers(2, 6),
    seed=st.integers(0, 5),
)
def test_groups_are_whole_and_folds_cover_all_rows_once(members, num_folds, seed):
    labels = list("".join(members)) + ["a", "b"] * 3
    groups = [f"g{number}" for number, held in enumerate(members) for _ in held] + [f"x{i}" for i in range(6)]
    made = make_folds(make_frame(labels, groups), num_folds, seed=seed)
    assert made.groupby("group")["fold"].nunique().max() == 1
    assert sorted(made["fold"].unique()) == list(range(num_folds))
    assert max(counts(made)) - min(counts(made)) <= 8
    tests = [
        cut_splits(Manifest(make_frame(labels, groups)), SplitConfig(folds=num_folds, fold=k), seed=seed).frame
        for k in range(num_folds)
    ]
    held = pd.concat([made["id"][made["split"] == "test"] for made in tests])
    assert sorted(held) == sorted(made["id"])
    for cut in tests:
        assert cut.groupby("group")["split"].nunique().max() == 1
        assert set(cut["split"]) == {"train", "valid", "test"}


@pytest.mark.parametrize("seed", range(3))
def test_each_label_is_spread_over_all_folds(seed):
    made = make_folds(make_frame(["a"] * 100 + ["b"] * 33 + ["c"] * 7), 5, seed=seed)
    assert counts(made) == [28] * 5
    for label, low, high in (("a", 20, 20), ("b", 6, 7), ("c", 1, 2)):
        found = counts(made[made["label"] == label])
        assert (min(found), max(found)) == (low, high)


def test_the_cut_depends_on_the_seed_and_on_neither_order_nor_folder():
    frame = make_frame(["a", "b"] * 60, [f"g{number // 3}" for number in range(120)])
    first = make_folds(frame, 4).set_index("id")["fold"]
    moved = frame.sample(frac=1, random_state=1).assign(path="/elsewhere/" + frame["path"]).reset_index(drop=True)
    assert make_folds(moved, 4).set_index("id")["fold"].loc[first.index].equals(first)
    assert (make_folds(frame, 4, seed=1).set_index("id")["fold"] != first).mean() > 0.3


def test_valid_is_cut_from_what_is_not_test():
    frame = make_frame(["a", "b"] * 100)
    cut = cut_splits(Manifest(frame), SplitConfig(folds=5, fold=3), seed=0)
    made = cut.frame
    assert (made["split"] == "test").tolist() == (made["fold"] == 3).tolist()
    assert made["split"].value_counts().to_dict() == {"train": 140, "valid": 20, "test": 40}
    assert cut.notes == (
        "made 5 folds: fold 3 is test, valid is cut from the others; seed 0; now train 140, valid 20, test 40",
    )
    assert frame["split"].isna().all()


def test_a_label_with_numbers_is_spread_by_its_tenths():
    values = np.random.default_rng(0).normal(size=200)
    made = make_folds(make_frame([str(value) for value in values]), 4, task="regression")
    means = [values[(made["fold"] == fold).to_numpy()].mean() for fold in range(4)]
    assert np.ptp(means) < 0.1


def test_folds_of_the_manifest_are_kept():
    folds = [1, 2, 3] * 20
    frame = make_frame(["a", "b"] * 30, folds=folds)
    assert fold_numbers(frame, None) == fold_numbers(frame, 3) == [1, 2, 3]
    for settings_of_run in (SplitConfig(fold=2), SplitConfig(folds=3, fold=2)):
        cut = cut_splits(Manifest(frame), settings_of_run, seed=0)
        assert (cut.frame["split"] == "test").tolist() == [fold == 2 for fold in folds]
        assert cut.notes[0].startswith("3 folds of the manifest: fold 2 is test")
    without = cut_splits(Manifest(frame), SplitConfig(), seed=0).frame
    assert set(without["fold"][without["split"] == "test"]) == {1, 2, 3}, "a column alone asks for no folds"
    assert cut_splits(Manifest(frame), SplitConfig(folds=3), seed=0).frame["fold"][0] == 1


def test_all_rows_in_train_are_as_none_in_any():
    frame = make_frame(["a", "b"] * 20, splits=["train"] * 40)
    made = cut_splits(Manifest(frame), SplitConfig(folds=4), seed=0).frame
    assert made["split"].value_counts().to_dict() == {"train": 26, "valid": 4, "test": 10}


def test_shares_and_columns_of_the_config_are_used():
    frame = make_frame(["a", "b"] * 100, site=["x"] * 20 + ["y"] * 180, speaker=[f"s{i // 5}" for i in range(200)])
    made = cut_splits(Manifest(frame), SplitConfig(valid=0.25, test=0.25, stratify="site"), seed=0).frame
    assert made["split"].value_counts().to_dict() == {"train": 100, "valid": 50, "test": 50}
    assert made["split"][:20].value_counts().to_dict() == {"train": 10, "valid": 5, "test": 5}
    grouped = cut_splits(Manifest(group_rows(frame, "speaker")), SplitConfig(), seed=0).frame
    assert grouped.groupby("speaker")["split"].nunique().max() == 1


@pytest.mark.parametrize(
    ("frame", "options", "error", "message"),
    [
        (make_frame(["a"] * 9, ["g"] * 9), {"folds": 2}, ManifestError, "in 1 group or file cannot be cut into 2"),
        (
            make_frame(["a"] * 9 + ["rare"], None),
            {"folds": 3},
            ManifestError,
            "1 labels have all their sequences in one group or file, .*'rare'",
        ),
        (
            make_frame(["a"] * 9, splits=["train"] * 6 + ["test"] * 3),
            {"folds": 3},
            ConfigError,
            r"has splits of its own \('test'\), but split.folds",
        ),
        (make_frame(["a"] * 9), {"folds": 3, "fold": 3}, ConfigError, "split.fold is 3, but the folds are 0, 1, 2"),
        (make_frame(["a"] * 9), {"fold": 0}, ManifestError, "no column 'fold'. Set split.folds"),
        (
            make_frame(["a"] * 9, folds=[0, 1, 2] * 3),
            {"folds": 5},
            ManifestError,
            r"split.folds is 5, but the column 'fold' has 3 \('0', '1', '2'\)",
        ),
        (
            make_frame(["a"] * 9, folds=[0, 1, pd.NA] * 3),
            {"folds": 2},
            ManifestError,
            "'fold' is empty in 3 of 9 rows: row 3",
        ),
        (make_frame(["a"] * 9, folds=[1] * 9), {"fold": 1}, ManifestError, "has one fold"),
        (make_frame(["a"] * 9), {"stratify": "siet"}, ManifestError, "split.stratify: there is no column 'siet'"),
    ],
)
def test_what_cannot_be_cut_is_named(frame, options, error, message):
    with pytest.raises(error, match=message):
        cut_splits(Manifest(frame), SplitConfig(**options), seed=0)


def test_a_group_in_two_folds_of_the_manifest_is_named():
    frame = make_frame(["a"] * 6, ["x", "x", "y", "y", "z", "z"], folds=[0, 1, 0, 0, 1, 1])
    with pytest.raises(ManifestError, match="1 groups are in more than one fold: 'x'"):
        check_folds(frame, SplitConfig(folds=2), "error")
    assert check_folds(frame, SplitConfig(), "error") == []
    (note,) = check_folds(frame, SplitConfig(folds=2), "warn")
    assert "more than one fold: 'x'" in note


def test_a_column_to_group_by_must_be_there():
    with pytest.raises(ManifestError, match=r"split.by: there is no column 'speeker'.*did you mean 'speaker'"):
        group_rows(make_frame(["a"], speaker=["x"]), "speeker")
