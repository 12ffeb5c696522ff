"""Events of recordings: tables by id or path, label tracks of Audacity, selection tables of Raven, folders."""

import re

import pandas as pd
import pytest

from seqconv.data.events.annotations import read_annotations
from seqconv.data.events.label_tracks import label_track_text, read_label_track
from seqconv.data.events.tables import read_events
from seqconv.data.manifest import load_manifest
from seqconv.errors import ManifestError


@pytest.fixture
def frame(tmp_path):
    """Three recordings, in two folders."""
    for name in ("a.wav", "b.wav", "far/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "m.csv").write_text("id,path\none,a.wav\ntwo,b.wav\nthree,far/c.wav\n")
    return load_manifest(tmp_path / "m.csv")


def found(frame, path, unlabeled="negative"):
    _, annotations = read_annotations(frame, path, unlabeled)
    return {
        name: list(zip(events.starts.tolist(), events.ends.tolist(), events.labels, strict=True))
        for name, events in annotations.by_id.items()
    }


EXPECTED = {"one": [(0.5, 1.5, "cat"), (2.0, 3.0, "dog")], "three": [(1.0, 2.0, "cat")]}
RAVEN = (
    "Selection\tView\tBegin Time (s)\tEnd Time (s)\tBegin Path\tFile Offset (s)\tSpecies\n"
    "1\tWaveform 1\t0.5\t1.5\t{0}\t0.5\tcat\n"
    "1\tSpectrogram 1\t0.5\t1.5\t{0}\t0.5\tcat\n"
    "2\tSpectrogram 1\t2.0\t3.0\t{0}\t2.0\tdog\n"
    "3\tSpectrogram 1\t61.0\t62.0\t{1}\t1.0\tcat\n"
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("e.csv", "id,start,end,label\none,2,3,dog\none,0.5,1.5,cat\nthree,1,2,cat\n"),
        ("e.csv", "path,start,end,label\na.wav,0.5,1.5,cat\na.wav,2,3,dog\nfar/c.wav,1,2,cat\n"),
        ("e.csv", "path,start,end,label\na.wav,0.5,1.5,cat\na.wav,2,3,dog\nc.wav,1,2,cat\n"),
        ("e.tsv", "path\tstart\tend\tlabel\na.wav\t0.5\t1.5\tcat\na.wav\t2\t3\tdog\nc.wav\t1\t2\tcat\n"),
        ("raven.txt", RAVEN.format("D:\\Field\\a.wav", "/elsewhere/c.wav")),
        ("raven.txt", RAVEN.replace("Begin Path", "Begin File").format("a.wav", "c.wav")),
        ("raven.txt", re.sub(r"(\d)\.(\d)", r"\1,\2", RAVEN).format("a.wav", "c.wav")),
    ],
)
def test_one_table_of_all_recordings(frame, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert found(frame, tmp_path / name) == EXPECTED


def test_several_tables_by_name(frame, tmp_path):
    (tmp_path / "train.tsv").write_text(
        "filename\tonset\toffset\tevent_label\na.wav\t2\t3\tdog\na.wav\t0.5\t1.5\tcat\n"
    )
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "public.csv").write_text("filename,onset,offset,event_label\nc.wav,1,2,cat\nb.wav,,,\n")
    tables = {"train": str(tmp_path / "train.tsv"), "valid": str(tmp_path / "eval" / "public.csv")}
    assert found(frame, tables, None) == EXPECTED | {"two": []}
    # A table that both names mean is read once.
    assert found(frame, tables | {"test": tables["valid"]}, None) == EXPECTED | {"two": []}
    with pytest.raises(ManifestError, match=r"data\.events names '.*gone\.csv', and there is no such file or folder"):
        found(frame, tables | {"test": str(tmp_path / "gone.csv")})
    (tmp_path / "weak.tsv").write_text("filename\tevent_labels\na.wav\tdog,cat\n")
    with pytest.raises(ManifestError, match=r"weak\.tsv': there is no column 'start'"):
        found(frame, tables | {"test": str(tmp_path / "weak.tsv")})


def test_a_folder_of_tables(frame, tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "a.txt").write_text("0,500\t1,500\tcat\n\\\t200.0\t4000.0\n2.0\t3.0\tdog\n")
    (folder / "b.Table.1.selections.txt").write_text("Selection\tBegin Time (s)\tEnd Time (s)\tAnnotation\n")
    (folder / "c.csv").write_text("start,end,label\n1,2,cat\n")
    (folder / "readme.md").write_text("nothing")
    assert found(frame, folder, None) == {**EXPECTED, "two": []}, "an empty table says that nothing happens"
    (folder / "c.txt").write_text("1\t2\tcat\n")
    with pytest.raises(ManifestError, match=r"c\.wav' has several tables of events: 'c\.csv', 'c\.txt'\. Leave one"):
        found(frame, folder)


def test_a_label_track_comes_back_as_it_was_written(tmp_path):
    events = pd.DataFrame({"start": [0.125, 2], "end": [1.5, 1e4], "label": ["two\twords", "ü"]})
    (tmp_path / "t.txt").write_text(label_track_text(events), encoding="utf-8")
    table = read_label_track(tmp_path / "t.txt")
    assert table["start"].astype(float).tolist() == [0.125, 2]
    assert table["end"].astype(float).tolist() == [1.5, 1e4]
    assert table["label"].tolist() == ["two words", "ü"]


def test_events_that_stand_twice_count_once_and_are_told(frame, tmp_path):
    (tmp_path / "e.csv").write_text(
        "path,start,end,label\na.wav,0,1,x\na.wav,0,1,y\na.wav,0,1.0,x\nfar/c.wav,0,1,\nc.wav,0,1,\n"
    )
    _, annotations = read_annotations(frame, tmp_path / "e.csv", "negative")
    assert [len(annotations.by_id[name]) for name in ("one", "three")] == [2, 1]
    assert annotations.of(["one"])[0].labels == ("x", "y")
    (note,) = annotations.notes
    assert note.startswith("2 events are twice in ")
    assert note.endswith("counted once: of 'one', 'three'")


def test_recordings_without_events_are_a_decision(frame, tmp_path):
    (tmp_path / "e.csv").write_text("id,start,end,label\none,0,1,x\n")
    with pytest.raises(
        ManifestError, match=r"2 of 3 recordings have no event in .*: 'two', 'three'\. .* 'negative'; .* 'ignore'"
    ):
        read_annotations(frame, tmp_path / "e.csv")
    kept, annotations = read_annotations(frame, tmp_path / "e.csv", "negative")
    assert kept["id"].tolist() == ["one", "two", "three"]
    assert len(annotations.of(["two"])[0]) == 0
    left, annotations = read_annotations(frame, tmp_path / "e.csv", "ignore")
    assert left["id"].tolist() == ["one"]
    assert annotations.notes[-1].endswith("'two', 'three'; left out (data.unlabeled)")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("e.csv", "id,start,end,label\nx,0,1,a\n", r"none of the ids in column 'id' \('x'\) is one of the manifest"),
        ("e.csv", "path,start,end,label\nx,0,1,a\n", r"none of the recordings in column 'path' \('x'\)"),
        ("e.csv", "filename,when,end,label\na.wav,0,1,a\n", "no column 'start'; the columns are 'filename', 'when'"),
        ("e.csv", "path,start,start_time,end,label\n", "'start', 'start_time' may each be the column 'start'"),
        ("e.csv", "# made by me\npath,start,end,label\n", "Is '# made by me' a comment. Remove it"),
        ("e.csv", "filename,file,onset,offset,event,class\n", "'filename', 'file' may each be the column 'path'"),
        ("e.csv", "filename,file,onset,offset,event,class\n", "'event', 'class' may each be the column 'label'"),
        ("e.csv", "filename,onset,offset,event\na.wav,0,1,x\n,1,2,y\n", "'filename' is empty in row 2"),
        ("e.csv", "filename,onset,offset,event\na.wav,2,1,x\n", "'offset' must be after 'onset', but is not in row 1"),
        ("e.csv", "filename,onset,offset,event\na.wav,,,x\n", "'onset' must be seconds, but it is empty in row 1"),
        (
            "e.csv",
            "id,start,end,label\none,1,1,x\n",
            r"is not in row 1 \('one'\)\. A point in time covers no frame: give",
        ),
        ("e.tsv", "filename;onset;offset;event\n", "seem to be between semicolons"),
        (
            "e.txt",
            "Begin Time (s)\tEnd Time (s)\tSpecies\tType\n0\t1\towl\thoot\n",
            "'Species', 'Type' may each hold the labels. Rename the one that does to 'label'",
        ),
        (
            "e.txt",
            RAVEN.replace("File Offset (s)", "Notes").format("a.wav", "c.wav"),
            r"is over several recordings \('a\.wav', 'c\.wav'\) and has no column 'File Offset \(s\)'",
        ),
        ("e.txt", "0.5\t1.5\tcat\n", "a label track is of one recording, and does not name it. Give the folder"),
        ("e.txt", "hello\n", "line 1 is 'hello', but a label track has start, end and label between tabs"),
        ("e.txt", "Begin Time (s)\tEnd Time (s)\tX\n", "no column of the selection table is called label, annotation"),
        (
            "e.tsv",
            "id\tstart\tend\tlabel\none\t0,5\t1\ta\n",
            r"'start' must be seconds, .* '0,5' .* Write a decimal point",
        ),
        (
            "e.txt",
            RAVEN.format("a.wav", "c.wav").replace("62.0", "1:02"),
            r"'end' must be seconds, but it is '1:02' in",
        ),
        ("e.xlsx", "", "a table of events is .csv"),
    ],
)
def test_what_is_no_table_of_events(frame, tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_annotations(frame, tmp_path / name, "negative")


DESED = (
    "filename\tonset\toffset\tevent_label\n"
    "a.wav\t2.0\t3.0\tdog\na.wav\t0.5\t1.5\tcat\nb.wav\t\t\t\nc.wav\t1\t2\tcat\n"
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("e.tsv", DESED),
        ("e.txt", DESED),
        ("e.tsv", DESED.replace(".wav", "").replace("filename", "fname")),
        ("e.csv", "File,Start (s),End (s),Scientific name,Common name,Confidence\n"
                  "/x/a.wav,2.0,3.0,Canis,dog,0.5\n/x/a.wav,0.5,1.5,Felis,cat,0.5\nb.wav,,,,,\nc.wav,1,2,Felis,cat,1\n"),
        ("e.csv", "recording,onset,duration,class\none,2,1,dog\none,0.5,1,cat\ntwo,,,\nthree,1,1,cat\n"),
    ],
)  # fmt: skip
def test_tables_of_other_collections_are_read_as_they_are(frame, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert found(frame, tmp_path / name, None) == {**EXPECTED, "two": []}, "a row without times: nothing happens there"


def test_a_folder_with_a_table_for_each_split(frame, tmp_path):
    folder = tmp_path / "metadata"
    (folder / "train").mkdir(parents=True)
    header, *rows = DESED.splitlines(keepends=True)
    (folder / "train" / "strong.tsv").write_text("".join([header, *rows[:2]]))
    (folder / "valid.tsv").write_text("".join([header, *rows[2:]]))
    (folder / "test.tsv").write_text(f"{header}z.wav\t0\t1\tcat\n")
    assert found(frame, folder, None) == {**EXPECTED, "two": []}
    (folder / "test.tsv").write_text("a\n1\n")
    with pytest.raises(ManifestError, match=r"test\.tsv': there is no column 'id', 'start', 'end', 'label'"):
        found(frame, folder)


def raven_rows(*rows: str) -> str:
    """A table between tabs from rows between spaces."""
    names = "Selection View Begin_Time_(s) End_Time_(s) Begin_File Species"
    return "\n".join("\t".join(row.split()) for row in (names, *rows)).replace("_", " ") + "\n"


def test_several_tables_of_raven_in_one_file(frame, tmp_path):
    rows = [
        "1 Waveform 0.5 1.5 a.wav cat", "1 Spectrogram 0.5 1.5 a.wav cat", "2 Spectrogram 2 3 a.wav dog",
        "1 Waveform 1 2 c.wav cat", "1 Spectrogram 1 2 c.wav cat", "2 Spectrogram 4 5 c.wav owl",
    ]  # fmt: skip
    expected = {**EXPECTED, "three": [(1.0, 2.0, "cat"), (4.0, 5.0, "owl")]}
    (tmp_path / "e.txt").write_text(raven_rows(*rows))
    assert found(frame, tmp_path / "e.txt") == expected
    (tmp_path / "e.txt").write_text(raven_rows(*rows[:3]) + raven_rows(*rows[3:]))
    assert found(frame, tmp_path / "e.txt") == expected, "with the names of columns between them"
    (tmp_path / "e.csv").write_text(raven_rows(*rows).replace("\t", ","))
    assert found(frame, tmp_path / "e.csv") == expected


def test_tables_of_birdnet_beside_the_recordings(frame, tmp_path):
    header = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tCommon Name\t"
    header += "Species Code\tConfidence\tBegin Path\tFile Offset (s)\n"
    row = "{}\tSpectrogram 1\t1\t{}\t{}\t0\t15000\t{}\tx\t0.5\t/data/{}\t{}\n"
    (tmp_path / "a.BirdNET.selection.table.txt").write_text(
        header + row.format(1, 0.5, 1.5, "cat", "a.wav", 0.5) + row.format(2, 2, 3, "dog", "a.wav", 2)
    )
    (tmp_path / "c.BirdNET.results.csv").write_text(
        "Start (s),End (s),Scientific name,Common name,Confidence,File\n1.0,2.0,Felis,cat,0.9,/data/far/c.wav\n"
    )
    assert found(frame, tmp_path) == EXPECTED


def test_a_table_named_like_several_recordings(tmp_path):
    for site in "AB":
        (tmp_path / f"site{site}").mkdir()
        (tmp_path / f"site{site}" / "r1.wav").touch()
    (tmp_path / "m.csv").write_text("id,path\nA,siteA/r1.wav\nB,siteB/r1.wav\n")
    frame = load_manifest(tmp_path / "m.csv")
    folder = tmp_path / "labels"
    (folder / "siteB").mkdir(parents=True)
    (folder / "r1.txt").write_text("0\t1\tx\n")
    with pytest.raises(ManifestError, match=r"r1\.txt' may be of any of '.*siteA/r1\.wav', '.*siteB/r1\.wav'\. Put it"):
        found(frame, folder)
    (folder / "r1.txt").rename(folder / "siteB" / "r1.txt")
    assert found(frame, folder) == {"B": [(0, 1, "x")]}
    (folder / "siteA").mkdir()
    (folder / "siteA" / "r1.csv").write_text("start,end,label\n2,3,y\n")
    assert found(frame, folder) == {"A": [(2, 3, "y")], "B": [(0, 1, "x")]}


def test_a_table_of_one_recording_with_rows_of_another(frame, tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.Table.1.selections.txt").write_text(RAVEN.format("a.wav", "c.wav"))
    with pytest.raises(ManifestError, match=r"is taken for the table of 'a\.wav', but has rows of 'c\.wav'\. Let data"):
        found(frame, tmp_path / "labels")


def test_a_name_that_means_several_recordings(frame, tmp_path):
    (tmp_path / "far" / "a.wav").touch()
    (tmp_path / "m.csv").write_text("path\nfar/c.wav\nb.wav\nfar/a.wav\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.wav").touch()
    (tmp_path / "m.csv").write_text("path\nfar/a.wav\ndeep/a.wav\n")
    (tmp_path / "e.csv").write_text("path,start,end,label\na.wav,0,1,x\n")
    with pytest.raises(ManifestError, match=r"'a\.wav' in column 'path' may be any of several recordings"):
        read_annotations(load_manifest(tmp_path / "m.csv"), tmp_path / "e.csv", "negative")


def test_files_of_one_name_in_other_folders_are_other_recordings(tmp_path):
    (tmp_path / "siteA").mkdir()
    (tmp_path / "siteA" / "r1.wav").touch()
    (tmp_path / "m.csv").write_text("id,path\nA,siteA/r1.wav\n")
    frame = load_manifest(tmp_path / "m.csv")
    table = tmp_path / "e.csv"
    for near in ("siteA", "D:\\field\\siteA"):
        table.write_text(f"path,start,end,label\n{near}/r1.wav,0,1,x\nsiteB/r1.wav,1,2,y\nsiteC/r1.wav,1,2,y\n")
        assert found(frame, table) == {"A": [(0, 1, "x")]}
    table.write_text("path,start,end,label\n/elsewhere/r1.wav,0,1,x\n")
    assert found(frame, table) == {"A": [(0, 1, "x")]}, "the folder may have another name on another machine"
    table.write_text("path,start,end,label\n/one/r1.wav,0,1,x\n/two/r1.wav,0,1,x\n")
    with pytest.raises(ManifestError, match=r"'/one/r1\.wav', '/two/r1\.wav' in column 'path' may be any of several"):
        found(frame, table)


def test_what_is_not_there_and_what_is_foreign(frame, tmp_path):
    with pytest.raises(ManifestError, match=r"data\.events names '.*nowhere\.csv', and there is no such file"):
        read_annotations(frame, tmp_path / "nowhere.csv")
    (tmp_path / "e.csv").write_text("id,start,end,label\none,0,1,x\nelse,0,1,x\n")
    _, annotations = read_annotations(frame, tmp_path / "e.csv", "negative")
    assert annotations.notes == ["1 ids of the events are not in the manifest: 'else'"]
    _, annotations = read_annotations(frame, tmp_path / "e.csv", "negative", is_part=True)
    assert annotations.notes == []
    assert read_events(tmp_path / "e.csv", has_ids=True)[1] == "id"
