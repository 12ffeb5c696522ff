"""How tables, folders and paths are read: `data.columns`, `root`, `path`, `label_from`, `split_lists`, `ignore`."""

import os
import unicodedata

import numpy as np
import pytest

from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.manifest import load_manifest
from seqconv.data.manifest.collection import CollectionSettings
from seqconv.data.manifest.loading import read_manifest
from seqconv.errors import ConfigError, ManifestError


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def write(path, *lines, encoding="utf-8"):
    path.write_bytes("\n".join([*lines, ""]).encode(encoding))
    return path


@pytest.fixture
def table(tmp_path):
    make(tmp_path, "a.wav", "b.wav")
    return write(tmp_path / "t.csv", "file,kind,label,who", "a.wav,x,wrong,p", "b.wav,y,wrong,q")


def test_columns_say_what_a_table_means(table):
    frame = load_manifest(table, layout={"columns": {"path": "file", "label": "kind", "group": "who"}})
    assert frame["label"].tolist() == ["x", "y"]
    assert frame["group"].tolist() == ["p", "q"]
    # Under its own name a column stays what it was.
    assert frame["who"].tolist() == ["p", "q"]
    notes = read_manifest(table, collection=CollectionSettings(columns={"path": "file", "label": "kind"})).notes
    assert notes == ("the table has columns 'label' of its own, which data.columns leaves out",)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"columns": {"path": "fil"}}, "data.columns names the column 'fil', .* did you mean 'file'"),
        ({"path": "{fil}.wav"}, "data.path '{fil}.wav' needs the column 'fil', .* did you mean 'file'"),
        ({"columns": {"path": "file"}, "label_from": "(?P<label>.)"}, "finds 'label' in the paths, but the table has"),
        (
            {"columns": {"path": "file", "label": None}, "label_from": "^(?P<label>a)"},
            r"'\^\(\?P<label>a\)' is not found in 1 paths: row 2 \('b.wav'\). Correct it, or leave these paths out",
        ),
        (
            {"columns": {"path": "file"}, "root": "/nowhere"},
            "2 files of column 'path' are missing, the first is '/nowhere",
        ),
        (
            {},
            r"there is no column 'path'; the columns .* data.columns: {path: file}, or data.path: '{file}.wav'",
        ),
    ],
)
def test_what_does_not_fit_a_table_is_named(table, layout, message):
    with pytest.raises(ManifestError, match=message):
        load_manifest(table, layout=layout)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("{columns: {lable: kind}}", "'lable' means nothing here.* did you mean 'label'"),
        ("{columns: {path: file}, path: '{file}'}", "path and columns.path both say where the recordings are"),
        ("{path: clips}", "'clips' is not made of columns in braces"),
        ("{path: 'clips/{'}", "is not made of columns in braces"),
        ("{label_from: '('}", "is not a regular expression"),
        ("{label_from: '(.)'}", "has no named group"),
        ("{split_lists: {dev: a.txt}}", "give a file for each split that is listed"),
        ("{split_lists: a.txt}", "give a file for each split that is listed"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_the_config(tmp_path, keys, message):
    config = write(tmp_path / "c.yaml", f"data: {keys}")
    with pytest.raises(ConfigError, match=message):
        load_config(config)


def test_cells_with_braces_are_text(tmp_path):
    make(tmp_path, "{x}.wav", "y{0.real}.wav")
    path = write(tmp_path / "t.csv", "odd name!", "{x}", "y{0.real}")
    frame = load_manifest(path, layout={"path": "{odd name!}.wav"})
    assert frame["id"].tolist() == ["{x}.wav", "y{0.real}.wav"]


def test_several_manifests_have_roots_and_paths_of_their_own(tmp_path):
    make(tmp_path, "dev/1.wav", "eval/2.wav")
    tables = {part: str(write(tmp_path / f"{part}.csv", "n", n)) for part, n in (("train", "1"), ("test", "2"))}
    roots = {"train": str(tmp_path / "dev"), "test": str(tmp_path / "eval")}
    frame = load_manifest(tables, layout={"root": roots, "path": "{n}.wav"})
    assert frame["split"].tolist() == ["train", "test"]
    with pytest.raises(ManifestError, match=r"data\.root names none for 'test', only for 'train'"):
        load_manifest(tables, layout={"root": {"train": roots["train"]}, "path": "{n}.wav"})


def test_a_layout_that_cannot_be_is_refused(table):
    with pytest.raises(ConfigError, match=r"layout\.colums: .* did you mean 'columns'"):
        load_manifest(table, layout={"colums": {"path": "file"}})


class TestLists:
    @pytest.fixture
    def folder(self, tmp_path):
        make(tmp_path / "set", "a/1.wav", "a/2.wav", "b/1.wav", "b/3.wav")
        return tmp_path / "set"

    def read(self, folder, **lists):
        files = {split: str(write(folder.parent / f"{split}.txt", *lines)) for split, lines in lists.items()}
        frame = load_manifest(folder, layout={"split_lists": files})
        return dict(zip(frame["id"], frame["split"], strict=True))

    def test_whole_paths_stems_and_names(self, folder):
        splits = self.read(folder, test=["a/1.wav", "b/1"], valid=["3.wav"])
        assert splits == {"a/1": "test", "a/2": "train", "b/1": "test", "b/3": "valid"}

    @pytest.mark.parametrize(
        ("lists", "message"),
        [
            ({"test": ["a/9.wav"]}, "lists 'a/9.wav', which are not among the recordings"),
            ({"test": ["1.wav"]}, "'1.wav' in .* may be 'a/1.wav', 'b/1.wav'. Write the whole path"),
            ({"test": ["a/1.wav"], "valid": ["a/1"]}, "'a/1.wav' is listed in test and in valid"),
            ({"test": ["a/1.wav"], "train": ["a/2.wav"]}, "2 recordings are in no list: 'b/1.wav', 'b/3.wav'"),
        ],
    )
    def test_what_is_unclear_is_named(self, folder, lists, message):
        with pytest.raises(ManifestError, match=message):
            self.read(folder, **lists)

    def test_a_column_of_splits_beside_lists(self, folder):
        write(folder / "t.csv", "path,split", "a/1.wav,train")
        lists = {"test": str(write(folder / "test.txt", "a/1.wav"))}
        with pytest.raises(ManifestError, match=r"data\.split_lists says the splits, but the table has"):
            load_manifest(folder / "t.csv", layout={"split_lists": lists})
        with pytest.raises(ManifestError, match=r"gone.txt' cannot be read: No such file"):
            load_manifest(folder, layout={"split_lists": {"test": str(folder / "gone.txt")}})


class TestFolders:
    @pytest.mark.parametrize(
        ("names", "message"),
        [
            (["fold1/a.wav", "fold2/b.wav"], r"named like folds, not classes.*\(\?P<fold>...\) for these folders"),
            (["Actor_01/a.wav", "Actor_02/b.wav"], r"named like speakers, not classes.*\(\?P<group>...\)"),
            (["DR1/F/a.wav", "DR2/M/b.wav"], "named like regions, not classes"),
            (["dev_audio/a.wav", "eval_audio/b.wav"], "named like splits, not classes. Give a mapping instead"),
            (["train_audio/x/a.ogg", "test_soundscapes/b.ogg"], "named like splits, not classes"),
            (["yes/a.wav", "_background_noise_/b.wav"], "may be a class, or sounds that are none. Leave it out with"),
            (["yes/a.wav", "no/a.m4a"], r"holds 1 recordings that libsndfile cannot read \(.m4a\): 'no/a.m4a'"),
            (["yes/a.wav", "no/a.txt"], "its sub-folders 'no' hold files, but no recording"),
        ],
    )
    def test_what_may_be_no_class_is_asked(self, tmp_path, names, message):
        make(tmp_path, *names)
        with pytest.raises(ManifestError, match=message):
            load_manifest(tmp_path)

    def test_the_remedies_work(self, tmp_path):
        make(tmp_path, "fold1/a.wav", "fold2/b.wav", "_noise_/c.wav", "_noise_/d.m4a")
        layout = {"label_from": "^(?P<label>[^/]+)/", "ignore": ["_noise_/*"]}
        assert load_manifest(tmp_path, layout=layout)["label"].tolist() == ["fold1", "fold2"]

    def test_all_that_libsndfile_reads_is_taken(self, tmp_path):
        names = [
            f"x/1.{suffix}" for suffix in ("wav", "W64", "caf", "aifc", "rf64", "sph", "snd", "voc", "avr", "opus")
        ]
        make(tmp_path, *names)
        assert sorted(load_manifest(tmp_path)["path"]) == sorted(str(tmp_path / name) for name in names)

    def test_what_is_left_out_is_listed_by_kind(self, tmp_path):
        make(tmp_path, "x/1.wav", "x/1.txt", "x/2.txt", "x/cover.jpg", "x/.DS_Store", "__MACOSX/x/._1.wav")
        _, notes = (read := read_manifest(tmp_path)).frame, read.notes
        assert notes == (
            f"3 files in '{tmp_path}' are neither recordings nor arrays and were left out: 2 .txt, 1 .jpg",
        )


@pytest.mark.parametrize(
    ("cells", "splits"),
    [
        (["training", "validation", "testing"], ["train", "valid", "test"]),
        (["Train", "VAL", " test"], ["train", "valid", "test"]),
        (["train", "dev", "test"], ["train", "valid", "test"]),
        (["train", "dev", "eval"], ["train", "valid", "test"]),
        (["train", "valid", "eval"], ["train", "valid", "test"]),
    ],
)
def test_names_of_splits_that_can_mean_only_one_thing(tmp_path, cells, splits):
    make(tmp_path, "a.wav", "b.wav", "c.wav")
    rows = [f"{name}.wav,{cell}" for name, cell in zip("abc", cells, strict=True)]
    read = read_manifest(write(tmp_path / "t.csv", "path,split", *rows))
    assert read.frame["split"].tolist() == splits
    assert len(read.notes) == 1
    assert "is read as" in read.notes[0]


def test_rows_without_a_label_are_left_out_where_that_is_said(tmp_path):
    rows = []
    for number in range(12):
        np.save(tmp_path / f"{number}.npy", np.random.default_rng(number).normal(size=(9, 2)))
        rows.append(f"{number}.npy,{('x', 'y', '')[number % 3]}")
    path = write(tmp_path / "t.csv", "path,label", *rows)
    settings = {"data": {"manifest": str(path), "num_workers": 0}, "features": {"kind": "precomputed"}}
    with pytest.raises(ManifestError, match="4 rows do not"):
        load_datasets(load_config(settings).data_spec)
    settings["data"]["unlabeled"] = "ignore"
    data = load_datasets(load_config(settings).data_spec)
    assert sum(len(part) for part in data.parts().values()) == 8
    assert "4 of 12 rows have no 'label' and were left out (data.unlabeled)" in data.notes


def test_the_other_form_of_a_letter_is_found(tmp_path):
    composed, apart = (unicodedata.normalize(form, "café.wav") for form in ("NFC", "NFD"))
    assert composed != apart
    make(tmp_path, apart)
    frame = load_manifest(write(tmp_path / "t.csv", "path", composed))
    assert frame["path"].tolist() == [str(tmp_path / apart)]
    assert frame["id"].tolist() == [composed]


def test_a_name_that_is_no_text_is_named(tmp_path):
    make(tmp_path, "x/a.wav")
    os.close(os.open(os.fsencode(tmp_path) + b"/x/caf\xe9.wav", os.O_CREAT))
    with pytest.raises(ManifestError, match=r"1 names of files are not UTF-8: 'b'caf\\xe9.wav''. Rename them"):
        load_manifest(tmp_path)


def test_a_column_that_is_the_target_is_no_mistake(tmp_path, recwarn):
    make(tmp_path, "a.wav", "b.wav")
    path = write(tmp_path / "t.csv", "path,labels", "a.wav,x", "b.wav,y")
    load_manifest(path, label="labels")
    assert not recwarn.list


class TestKaldi:
    def make(self, folder, **tables):
        for name, lines in ({"wav.scp": ["a a.wav", "b b.wav"]} | tables).items():
            write(folder / name.replace("__", "."), *lines)
        make(folder, "a.wav", "b.wav")
        return f"kaldi:{folder}"

    def test_tables_are_columns(self, tmp_path):
        tables = {"utt2spk": ["a p", "b q"], "text": ["a well yes", "b"], "utt2label": ["b y", "a x", "c z"]}
        read = read_manifest(self.make(tmp_path, **tables))
        assert read.frame[["id", "group", "label", "text"]].values.tolist() == [
            ["a", "p", "x", "well yes"],
            ["b", "q", "y", None],
        ]
        assert read.notes == ("'utt2label' has 1 utterances without a recording: 'c'",)

    def test_segments(self, tmp_path):
        tables = {"segments": ["a-1 a 0.5 1.25", "a-2 a 2 -1"]}
        frame = load_manifest(self.make(tmp_path, **tables))
        assert frame["id"].tolist() == ["a-1", "a-2"]
        assert frame["start"].tolist() == [0.5, 2.0]
        assert frame["end"].fillna(-1).tolist() == [1.25, -1]

    @pytest.mark.parametrize(
        ("tables", "message"),
        [
            (
                {"wav.scp": ["a sph2pipe -f wav a.sph |"]},
                r"makes 1 recordings by commands, which are not run: 'a' \(the first",
            ),
            ({"wav.scp": ["a wav.ark:12"]}, "finds 1 recordings inside archives: 'a'. Write them to files"),
            ({"wav.scp": ["a a.wav", "a b.wav"]}, "'wav.scp' has lines that begin alike: 'a'"),
            ({"segments": ["a-1 a 0.5"]}, "an utterance, a recording, start and end in 'a-1'"),
            ({"segments": ["a-1 c 0 1"]}, "names recordings that 'wav.scp' does not list: 'c'"),
        ],
    )
    def test_what_cannot_be_read_is_named(self, tmp_path, tables, message):
        with pytest.raises(ManifestError, match=message):
            load_manifest(self.make(tmp_path, **tables))

    def test_another_folder(self, tmp_path):
        with pytest.raises(ManifestError, match=r"it holds no 'wav.scp', so it is no data directory of Kaldi"):
            load_manifest(f"kaldi:{tmp_path}")


def test_names_without_suffix_have_a_remedy_that_works(tmp_path):
    make(tmp_path, "a.flac", "b.flac")
    path = write(tmp_path / "t.csv", "path", "a", "b")
    with pytest.raises(ManifestError, match=r"There is one with '.flac': say so with data.path: '{path}.flac'"):
        load_manifest(path)
    assert len(load_manifest(path, layout={"path": "{path}.flac"})) == 2


def test_tables_of_features_in_sub_folders_are_sequences_where_there_are_no_recordings(tmp_path):
    make(tmp_path, "walk/1.csv", "walk/2.csv", "run/1.csv", "readme.csv")
    frame = load_manifest(tmp_path)
    assert frame[["id", "label"]].values.tolist() == [["run/1", "run"], ["walk/1", "walk"], ["walk/2", "walk"]]
    # Beside recordings they are notes.
    make(tmp_path, "walk/1.wav", "run/2.wav")
    assert load_manifest(tmp_path)["id"].tolist() == ["run/2", "walk/1"]


def test_rows_are_left_out_by_their_cells(tmp_path):
    make(tmp_path, "p1_a.wav", "p1_b.wav", "p2_a.wav", "p3_x.wav")
    rows = ("p1_a.wav,0,x", "p1_b.wav,12,y", "p2_a.wav,1,", "p3_x.wav,1,z")
    table = write(tmp_path / "t.csv", "path,activity,label", *rows)
    ignore = {"activity": ["0", "2?"], "path": ["p3_*"], "speaker": ["p9"]}
    collection = CollectionSettings(ignore=ignore, label_from="(?P<speaker>p.)_")
    manifest = read_manifest(table, collection=collection)
    # A whole cell, as it is written: 12 is neither 0 nor 2 and another sign.
    assert manifest.frame["id"].tolist() == ["p1_b.wav", "p2_a.wav"]
    assert manifest.notes == (
        "data.ignore leaves out 1 of 4 rows",
        "data.ignore leaves out 1 of 3 rows by their 'activity'",
        "data.ignore leaves out 0 of 2 rows by their 'speaker'",
    )
    # An empty cell is none that is named.
    assert load_manifest(table, layout={"ignore": {"label": ["x", "z", "y"]}})["id"].tolist() == ["p2_a.wav"]


def test_names_may_leave_the_further_columns_to_their_numbers(tmp_path):
    make(tmp_path, "a.wav", "b.wav")
    table = write(tmp_path / "t.txt", "a.wav x 3 4", "b.wav y 5 6")
    frame = load_manifest(table, layout={"names": ["path", "label", "..."], "separator": " "})
    assert frame[["label", "3", "4"]].to_numpy().tolist() == [["x", "3", "4"], ["y", "5", "6"]]


def test_a_semicolon_at_the_end_of_rows_is_no_cell(tmp_path):
    make(tmp_path, "a.wav", "b.wav")
    ended = write(tmp_path / "ended.csv", "a.wav,x;", "b.wav,y;")
    assert load_manifest(ended, layout={"names": ["path", "label"]})["label"].tolist() == ["x", "y"]
    # Between labels it is one, also at their end.
    labels = write(tmp_path / "labels.csv", "path,label", "a.wav,dog;cat;", "b.wav,dog;")
    frame = load_manifest(labels, label="label", task="multilabel")
    assert frame["label"].tolist() == ["dog;cat;", "dog;"]
