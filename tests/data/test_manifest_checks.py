"""Everything wrong with a manifest is reported at once, with ids, counts and the remedy."""

from dataclasses import replace

import pandas as pd
import pytest

from seqconv.config import load_config
from seqconv.data.labeled_manifest import read_labels
from seqconv.data.manifest import check_labels, check_manifest, load_manifest
from seqconv.errors import ConfigError, ManifestError
from seqconv.tasks.settings import TargetConfig

NAMES = [f"{letter}.wav" for letter in "abcdefgh"]


@pytest.fixture
def load(tmp_path):
    """Load a table given as columns; the files a.wav ... h.wav exist."""
    for name in NAMES:
        (tmp_path / name).touch()

    def load_columns(**columns):
        settings = {key: columns.pop(key) for key in ("target", "task") if key in columns}
        path = tmp_path / "m.csv"
        pd.DataFrame(columns, dtype=object).to_csv(path, index=False)
        return load_manifest(path, label=settings.get("target"), task=settings.get("task", "classification"))

    return load_columns


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"path": ["a.wav", None, "b.wav"]}, r"1 rows have an empty 'path': row 2\."),
        ({"path": ["a.wav", None], "id": ["x", "y"]}, r"1 rows have an empty 'path': row 2 \('y'\)"),
        (
            {"path": ["a.wav", "a.wav"]},
            "1 ids are in more than one row: row 1 .'a.wav'., row 2 .'a.wav'.. Give each row its own 'id'",
        ),
        (
            {"path": ["a.wav", "gone.wav"]},
            "1 files of column 'path' are missing, the first is '.*gone.wav': row 2 .'gone.wav'.",
        ),
        (
            {"path": NAMES[:2], "split": ["eval", "dev"]},
            "'dev' in column 'split' is not a split; .* It may be valid or test, or what is trained on",
        ),
        (
            {"path": NAMES[:3], "split": ["train", "dev", "valid"]},
            "'dev' in column 'split' is not a split; .* It may be valid or test, or what is trained on",
        ),
        (
            {"path": NAMES[:2], "split": ["trian", "test"]},
            "'trian' in column 'split' is not a split; .* Write 'train' instead",
        ),
        (
            {"path": NAMES[:2], "split": ["train", "7"]},
            "'7' in column 'split' is not a split; .* 1 rows have it: row 2",
        ),
        ({"path": NAMES[:3], "split": ["train", None, "test"]}, r"'split' is empty in 1 of 3 rows: row 2 \('b.wav'\)"),
        (
            {"path": NAMES[:4], "split": ["train", "test"] * 2, "group": ["g", "g", "h", "i"]},
            "1 groups are in more than one split: 'g'; 2 ids: 'a.wav', 'b.wav'. Put all rows of a group",
        ),
        (
            {"path": ["a.wav"] * 2, "id": ["x", "y"], "split": ["train", "test"], "start": [0, 1], "end": [1, 2]},
            "1 files are in more than one split: '.*a.wav'; 2 ids: 'x', 'y'. Put all rows of a file, its parts too",
        ),
        ({"path": NAMES[:2], "start": [-1, None]}, "are seconds from 0; 1 rows are not: row 1 .'a.wav'."),
        (
            {"path": NAMES[:2], "start": [2, None], "end": [2, 1]},
            "'end' must be after 'start'.* 1 rows .*: row 1 .'a.wav'.",
        ),
        ({"path": NAMES[:2], "end": [0, 1]}, "'end' must be after 'start'.* 1 rows .*: row 1 .'a.wav'."),
        (
            {"path": NAMES[:2], "start": ["1:30", 1]},
            r"cells in 'start' are not numbers, .*'1:30': row 1 \('a.wav'\)",
        ),
        ({"path": NAMES[:2], "end": [1, "inf"]}, r"1 of the cells in 'end' are not numbers, .*'inf': row 2"),
        ({"path": NAMES[:2], "weight": [1, -1]}, "'weight' must not be negative; 1 rows are: row 2 .'b.wav'."),
        ({"path": NAMES[:2], "fold": [1, 1.5]}, r"'fold' must hold whole numbers: row 2 \('b.wav'\)"),
    ],
)
def test_each_fault_is_named(load, columns, message):
    with pytest.raises(ManifestError, match=message):
        load(**columns)


def test_all_faults_are_told_in_one_error(load):
    with pytest.raises(ManifestError, match=r"m\.csv' has 6 problems:") as caught:
        load(
            path=["a.wav", "b.wav", "gone.wav", "c.wav", "c.wav"],
            id=["x", "x", "y", "z", "w"],
            start=["soon", "1", "2", "3", "4"],
            split=["train", "train", "train", "train", "valid"],
            group=["g", "g", "h", "h", "g"],
            label=["p", "p", "p", "p", "q"],
            target="label",
        )
    for part in (
        "not numbers",
        "are in more than one row",
        "missing",
        "groups are in",
        "files are in",
        "labels of valid",
    ):
        assert part in str(caught.value)


def test_many_ids_are_counted_not_listed(load):
    with pytest.raises(ManifestError, match=r"20 files of .* are missing.* and 15 more") as caught:
        load(path=[f"gone{number}.wav" for number in range(20)])
    assert "gone7.wav" not in str(caught.value)


def test_parts_of_one_file_in_one_split_are_fine(load):
    frame = load(path=["a.wav"] * 2, id=["x", "y"], split=["train"] * 2, start=[0, 1], end=[1, 2])
    check_manifest(frame)


def test_cases_of_one_ts_file_may_lie_in_different_splits(tmp_path):
    (tmp_path / "toy.ts").write_text("@univariate true\n@classLabel true x\n@data\n1:x\n2:x\n")
    frame = load_manifest(tmp_path / "toy.ts")
    frame["split"] = pd.Series(["train", "test"], dtype=object)
    check_manifest(frame)
    frame["case"] = 0
    with pytest.raises(ManifestError, match="the manifest: 1 files are in more than one split"):
        check_manifest(frame)


@pytest.mark.parametrize(
    ("column", "task", "cells", "message"),
    [
        (
            "label",
            "classification",
            ["x", "y", None, "x"],
            r"must hold a label, but 1 rows .*\(.* is empty\): row 3",
        ),
        ("label", "classification", [None] * 4, "the target column 'label' is empty in all 4 rows; others"),
        ("labels", "classification", ["x"] * 4, "there is no target column 'labels'; .*; did you mean 'label'"),
        ("label", "classification", ["x", "x", "y", "z"], "1 labels of valid are not in train: 'y'; 1 ids: 'c.wav'"),
        ("label", "classification", ["x", "x", "y", "z"], "1 labels of test are not in train: 'z'; 1 ids: 'd.wav'"),
        ("label", "multilabel", ["x;y", None, "y", "x; z"], "1 labels of test are not in train: 'z'; 1 ids: 'd.wav'"),
        (
            "label",
            "regression",
            ["1", "2e3", "high", "4"],
            r"a finite number, but 1 rows do not \(.*'high'\)",
        ),
        ("label", "regression", ["1", "nan", None, "4"], r"but 2 rows do not \(the first is 'nan'\): row 2 .*, row 3"),
        (
            ["label"],
            "multilabel",
            ["1", "0", "2", "0"],
            r"must hold 0 or 1, or nothing, but 1 rows do not \(.*'2'\)",
        ),
    ],
)
def test_each_fault_of_the_labels_is_named(load, column, task, cells, message):
    frame = load(path=NAMES[:4], split=["train", "train", "valid", "test"], label=cells)
    with pytest.raises(ManifestError, match=message):
        check_labels(frame, column, task)


@pytest.mark.parametrize(
    ("task", "cells"),
    [
        ("classification", ["1", "2", "1", "2"]),
        ("multilabel", ["x; y", "z", None, "x"]),
        ("regression", ["1", "2", "3", "4"]),
    ],
)
def test_good_labels_pass(load, task, cells):
    check_labels(load(path=NAMES[:4], split=["train", "train", "valid", "test"], label=cells), "label", task)


def test_a_column_that_is_never_one_in_train_is_named(load):
    frame = load(path=NAMES[:3], split=["train", "valid", "test"], dog=["0", "1", "0"], cat=["1", "0", "0"])
    with pytest.raises(ManifestError, match=r"1 labels of valid are not in train: 'dog'; 1 ids: 'b\.wav'"):
        check_labels(frame, ["dog", "cat"], "multilabel")


def test_another_separator_divides_labels(load):
    frame = load(path=NAMES[:2], split=["train", "test"], label=["x|y", "y|x"])
    check_labels(frame, "label", "multilabel", "|")
    with pytest.raises(ManifestError, match=r"not in train: 'y\|x'"):
        check_labels(frame, "label", "multilabel", ";")


def test_an_unknown_task_is_refused(load):
    with pytest.raises(ConfigError, match=r"target\.task must be one of .*, not 'ranking'"):
        load(path=["a.wav"], label=["x"], target="label", task="ranking")


def test_a_column_that_is_used_is_no_misspelled_other(tmp_path):
    """Whatever is called 'labels', 'groups' or 'splits' and is named by the config raises no warning."""
    rows = [f"{name}.wav,{name},{name}" for name in "ab"]
    for name in "ab":
        (tmp_path / f"{name}.wav").touch()
    path = tmp_path / "m.csv"
    path.write_text("\n".join(["path,labels,groups", *rows]) + "\n", encoding="utf-8")
    config = {"data": {"manifest": str(path)}, "target": {"column": "labels"}, "split": {"by": "groups"}}
    for unlabeled in (None, "ignore"):
        spec = load_config({**config, "data": {**config["data"], "unlabeled": unlabeled}}).data_spec
        for checks in (False, True):
            assert len(read_labels(spec.data.manifest, spec, checks=checks).manifest.frame) == 2
    with pytest.warns(UserWarning, match="'labels' and no 'label'"):
        read_labels(path, replace(spec, target=TargetConfig()))


def test_numbers_of_classes_in_a_column_with_a_gap(tmp_path):
    """pandas makes real numbers of them; the classes are those of a column without a gap."""
    for name in NAMES[:3]:
        (tmp_path / name).touch()
    table = pd.DataFrame({"path": [str(tmp_path / name) for name in NAMES[:3]], "label": [3, None, 0], "id": [7, 8, 9]})
    for source in (table, tmp_path / "m.parquet"):
        table.to_parquet(tmp_path / "m.parquet")
        frame = load_manifest(source)
        assert frame["label"].tolist() == ["3", None, "0"]
        assert frame["id"].tolist() == ["7", "8", "9"]


def test_lists_of_0_and_1_are_no_lists_of_labels(tmp_path):
    (tmp_path / "a.wav").touch()
    for rows in ([[0, 1, 1], [1, 0, 0]], [[0, 1], [1, 0]]):
        pd.DataFrame({"path": "a.wav", "id": ["x", "y"], "label": rows}).to_parquet(tmp_path / "m.parquet")
        lines = [f'{{"path": "a.wav", "id": "{name}", "label": {row}}}' for name, row in zip("xy", rows, strict=True)]
        (tmp_path / "m.jsonl").write_text("\n".join(lines))
        for name in ("m.parquet", "m.jsonl"):
            with pytest.raises(
                ManifestError, match=r"'label' holds lists of 0 and 1 such as .*a column for each class"
            ):
                load_manifest(tmp_path / name)
    # Numbers of classes, of which a row has as many as apply.
    pd.DataFrame({"path": "a.wav", "id": ["x", "y"], "label": [[0, 1], [1]]}).to_parquet(tmp_path / "m.parquet")
    assert load_manifest(tmp_path / "m.parquet")["label"].tolist() == ["0;1", "1"]


def test_lists_are_not_divided_by_another_separator(tmp_path):
    (tmp_path / "a.wav").touch()
    rows = [["dog", "cat"], ["cat"]]
    pd.DataFrame({"path": "a.wav", "id": ["x", "y"], "label": rows}).to_parquet(tmp_path / "m.parquet")
    assert load_manifest(tmp_path / "m.parquet", label="label", task="multilabel")["label"].tolist() == [
        "dog;cat",
        "cat",
    ]
    with pytest.raises(ManifestError, match=r"cells such as 'dog;cat', but target\.separator is ','\. Lists of labels"):
        load_manifest(tmp_path / "m.parquet", label="label", task="multilabel", separator=",")
