"""Reading manifests: every format gives the same frame, and every malformed file is explained."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from seqconv.data.manifest import KNOWN_COLUMNS, load_manifest
from seqconv.data.manifest.labels import LabelColumns
from seqconv.data.manifest.loading import read_manifest
from seqconv.errors import ConfigError, ManifestError

ROWS = {
    "path": ["a.wav", "sub/b.wav", "c, d.wav"],
    "label": ["001", "NA", "no"],
    "split": ["train", "valid", "test"],
    "group": ["null", None, "1.50"],
    "fold": ["0", "1", None],
    "start": ["0.5", None, None],
    "end": ["1.25", "2", None],
    "weight": [None, "0.5", "2"],
    "speaker": ["Ñandú", None, "007"],
}
TS_HEADER = "@univariate true\n@classLabel true x y\n@data\n"


@pytest.fixture
def folder(tmp_path):
    for name in ROWS["path"]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def write_table(folder, suffix):
    table, path = pd.DataFrame(ROWS, dtype=object), folder / f"manifest{suffix}"
    if suffix == ".parquet":
        table.to_parquet(path)
    elif suffix == ".jsonl":
        records = [{key: value for key, value in row.items() if value is not None} for row in table.to_dict("records")]
        path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    else:
        table.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_every_format_gives_the_same_frame(folder, suffix):
    frame = load_manifest(write_table(folder, suffix))
    assert list(frame.columns) == [*KNOWN_COLUMNS, "speaker"]
    assert frame["id"].tolist() == ROWS["path"]
    assert frame["path"].tolist() == [str(folder / name) for name in ROWS["path"]]
    for column in ("label", "split", "group", "speaker"):
        assert frame[column].tolist() == ROWS[column]
    np.testing.assert_array_equal(frame["start"], [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(frame["end"], [1.25, 2, np.nan])
    assert frame["weight"].tolist() == [1, 0.5, 2]
    assert frame["fold"].tolist() == [0, 1, pd.NA]
    assert_frame_equal(frame, load_manifest(write_table(folder, ".csv")))


def test_a_loaded_frame_loads_again_unchanged(folder):
    frame = load_manifest(write_table(folder, ".csv"))
    assert_frame_equal(load_manifest(frame), frame)
    frame.to_csv(folder / "again.csv", index=False)
    assert_frame_equal(load_manifest(folder / "again.csv"), frame)


def test_a_frame_in_memory_may_hold_numbers(folder):
    table = pd.DataFrame({"path": [folder / "a.wav", folder / "sub/b.wav"], "id": [1, 2], "label": [3, 4]})
    frame = load_manifest(table, label="label")
    assert frame["id"].tolist() == ["1", "2"]
    assert frame["label"].tolist() == ["3", "4"]
    assert table["id"].tolist() == [1, 2], "the caller's frame stays as it was"


def test_numbers_and_lists_become_text(folder):
    lines = [
        '{"path": "a.wav", "id": 1.50, "label": ["x", "y"]}',
        '{"path": "sub/b.wav", "id": 2, "label": [], "ok": true}',
    ]
    (folder / "m.jsonl").write_text("\n".join(lines))
    frame = load_manifest(folder / "m.jsonl")
    assert frame["id"].tolist() == ["1.50", "2"]
    assert frame["label"].tolist() == ["x;y", None]
    assert frame["ok"].tolist() == [None, "true"]
    pd.DataFrame({"path": ["a.wav"], "id": [7], "label": [["x", "y"]], "weight": [float("nan")]}).to_parquet(
        folder / "m.parquet"
    )
    frame = load_manifest(folder / "m.parquet")
    assert frame.loc[0, ["id", "label", "weight"]].tolist() == ["7", "x;y", 1.0]


def test_a_byte_order_mark_and_blank_lines_do_no_harm(folder):
    (folder / "m.csv").write_bytes(b"\xef\xbb\xbfpath,label\r\na.wav,x\r\n\r\n")
    assert load_manifest(folder / "m.csv")["label"].tolist() == ["x"]


def test_text_between_tabs_is_what_is_written(folder):
    (folder / "m.tsv").write_text('path\tlabel\tsaid\na.wav\t"Yes\tx\nsub/b.wav\tno"\t"Wait," he said.\n')
    frame = load_manifest(folder / "m.tsv")
    assert frame["label"].tolist() == ['"Yes', 'no"']
    assert frame["said"].tolist() == ["x", '"Wait," he said.']


@pytest.mark.parametrize(("column", "known"), [("lable", "label"), ("splits", "split"), ("Group", "group")])
def test_a_near_miss_warns_and_is_kept(folder, column, known):
    (folder / "m.csv").write_text(f"path,{column}\na.wav,train\n")
    with pytest.warns(UserWarning, match=f"column '{column}' and no '{known}'. '{column}' is kept as metadata"):
        frame = load_manifest(folder / "m.csv")
    assert frame[column].tolist() == ["train"]
    assert frame[known].isna().all()


def test_a_near_miss_beside_the_known_column_is_metadata(folder):
    (folder / "m.csv").write_text("path,label,labels\na.wav,x,y\n")
    assert load_manifest(folder / "m.csv")["labels"].tolist() == ["y"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.csv", "", "m.csv': it is empty; the first row must name the columns"),
        ("m.csv", "path,label\n", "there are columns, but no row"),
        ("m.csv", "file,label\na.wav,x\n", "no column 'path'; the columns are 'file', 'label'. Say which has"),
        ("m.csv", "path,label\na.wav,x,y\n", "line 2 has 3 cells, but the first row names 2 columns"),
        ("m.csv", "path,label\na.wav,x\nb.wav\n", "line 3 has 1 cells"),
        ("m.csv", 'path,label\n"a.wav,x\n', "line 2: unexpected end of data"),
        (
            "m.csv",
            "path;label\na.wav;x\n",
            r"'path;label': the cells seem to be between semicolons\. .* data\.separator to ';'",
        ),
        ("m.tsv", "path,label\na.wav,x\n", "the cells seem to be between commas"),
        (
            "m.csv",
            "a.wav,0.5\nb.wav,1.5\n",
            r"line 1, .* holds numbers: '0\.5'\. If these are data, .* set data\.names",
        ),
        ("m.csv", "# of 2024\npath,label\na.wav,x\n", "line 2 has 2 cells.*Is '# of 2024' a comment.*data.comment"),
        ("m.csv", "path,label,label\na.wav,x,y\n", "the column 'label' stands more than once"),
        ("m.jsonl", "", "it is empty; each line must hold one JSON object"),
        ("m.jsonl", '{"path": "a.wav"}\n{"path"\n', "line 2 is not JSON"),
        ("m.jsonl", '["a.wav"]\n', "line 1 is not a JSON object"),
        ("m.jsonl", '{"path": {"name": "a.wav"}}\n', "line 1, 'path': a cell must be text, a number or a list"),
        ("m.parquet", "no parquet", "it is not a whole Parquet file"),
        ("m.xlsx", "", r"the format '.xlsx' is not known. A manifest is .csv, .tsv, .jsonl"),
        ("m.ts", TS_HEADER + "1:z\n", "line 4: label 'z' is not one of @classLabel"),
    ],
)
def test_a_malformed_file_is_explained(folder, name, text, message):
    (folder / name).write_text(text)
    with pytest.raises(ManifestError, match=message):
        load_manifest(folder / name)


def test_a_missing_manifest_is_named(tmp_path):
    with pytest.raises(ManifestError, match=r"absent.csv': there is no such file or folder"):
        load_manifest(tmp_path / "absent.csv")


def test_another_encoding_is_refused(folder):
    (folder / "m.csv").write_bytes("path,label\na.wav,Ñ\n".encode("latin-1"))
    with pytest.raises(ManifestError, match=r"it is not UTF-8 text: line \d \(.*\)\. Save it as UTF-8"):
        load_manifest(folder / "m.csv")


def make_files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_folder_has_one_class_per_sub_folder(tmp_path):
    make_files(
        tmp_path, "yes/1.wav", "yes/deep/1.FLAC", "no/1.npy", "no/2.mp3", "no/2.ogg", "no/.hidden.wav", "no/me.txt"
    )
    manifest = read_manifest(tmp_path, LabelColumns("label"))
    frame = manifest.frame
    assert dict(zip(frame["id"], frame["label"], strict=True)) == {
        "no/1": "no",
        "no/2.mp3": "no",
        "no/2.ogg": "no",
        "yes/1": "yes",
        "yes/deep/1": "yes",
    }
    assert all(Path(path).is_file() for path in frame["path"])
    assert manifest.notes == (f"1 files in '{tmp_path}' are neither recordings nor arrays and were left out: 1 .txt",)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "it has no sub-folders with recordings; there must be one per class"),
        (["a.wav", "yes/b.wav"], "must be in sub-folders, one per class, but 'a.wav' are in none"),
        (["yes/readme.txt"], "it has no sub-folders with recordings; there must be one per class"),
        (
            ["train/yes/a.wav", "val/yes/b.wav"],
            "named like splits, not classes. Give a mapping .*{train: .*, valid: ",
        ),
    ],
)
def test_a_folder_of_another_kind_is_explained(tmp_path, names, message):
    make_files(tmp_path, *names)
    with pytest.raises(ManifestError, match=message):
        load_manifest(tmp_path)


def test_a_ts_file_lists_its_cases(tmp_path):
    (tmp_path / "toy.ts").write_text(TS_HEADER + "1,2:x\n3:y\n")
    frame = load_manifest(tmp_path / "toy.ts", label="label")
    assert frame["id"].tolist() == ["0", "1"]
    assert frame["case"].tolist() == [0, 1]
    assert frame["label"].tolist() == ["x", "y"]
    assert set(frame["path"]) == {str(tmp_path / "toy.ts")}


def test_a_ts_file_without_labels_has_none(tmp_path):
    (tmp_path / "toy.ts").write_text("@univariate true\n@classLabel false\n@data\n1,2\n")
    assert load_manifest(tmp_path / "toy.ts")["label"].tolist() == [None]


def test_a_mapping_sets_the_splits(tmp_path):
    make_files(tmp_path, "a.wav", "folder/x/1.wav", "folder/y/2.wav")
    (tmp_path / "toy.ts").write_text(TS_HEADER + "1,2:x\n3:y\n")
    (tmp_path / "m.csv").write_text("path,label,room\na.wav,x,7\n")
    sources = {"train": tmp_path / "toy.ts", "valid": tmp_path / "m.csv", "test": str(tmp_path / "folder")}
    frame = load_manifest(sources, label="label")
    assert frame["id"].tolist() == ["train/0", "train/1", "a.wav", "test/x/1", "test/y/2"]
    assert frame["split"].tolist() == ["train", "train", "valid", "test", "test"]
    assert frame["room"].tolist() == [None, None, "7", None, None]


def test_a_mapping_with_a_wrong_name_or_split_is_refused(folder):
    path = write_table(folder, ".csv")
    with pytest.raises(ConfigError, match=r"names a split 'validation'; splits are .*did you mean 'valid'"):
        load_manifest({"train": path, "validation": path})
    with pytest.raises(ConfigError, match=r"data\.manifest is an empty mapping"):
        load_manifest({})
    with pytest.raises(ManifestError, match="it is given as 'train', but its column 'split' says 'test'"):
        load_manifest({"train": path})
