"""What other programs write as text comes back as it was, or an error names what is in the way."""

import csv
import gzip
import io
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqconv.data.events.tables import read_events
from seqconv.data.manifest import load_manifest
from seqconv.data.manifest.readers.tables import read_table
from seqconv.errors import ManifestError
from seqconv.features import load_features
from seqconv.features.tables import read_rows

MARKS = {",": ".csv", "\t": ".tsv", ";": ".csv", "|": ".txt"}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32")
CELL = st.text(st.sampled_from("ab é,;|\t\n\r\"'0.5-\u2028\x85"), max_size=6)
# A table is known to have a header by the names in it.
NAME = st.text(st.sampled_from("abcé xyz_"), min_size=1, max_size=5).filter(lambda name: name.strip() == name)
PRECOMPUTED = {"kind": "precomputed"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("written")


@given(data=st.data(), width=st.integers(1, 4), mark=st.sampled_from([*MARKS]), encoding=st.sampled_from(ENCODINGS))
def test_rows_of_the_csv_module_come_back(folder, data, width, mark, encoding):
    header = data.draw(st.lists(NAME, min_size=width, max_size=width, unique=True))
    rows = data.draw(st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=4))
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    # The module puts no quotes around line breaks other than its own.
    rows = [[cell.translate(dict.fromkeys(map(ord, set("\r\n") - set(end)))) for cell in row] for row in rows]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=mark, quoting=quoting, lineterminator=end).writerows([header, *rows])
    path = folder / f"t{MARKS[mark]}"
    path.write_bytes(text.getvalue().encode(encoding))
    try:
        found = read_rows(path, separator=None if mark == "," else mark)
    except ManifestError as error:
        assert any(word in str(error) for word in ("line ", "in the first row"))  # noqa: PT017
        return
    if mark in "\t|" and any(set(cell) & set("\n\r") for row in rows for cell in row):
        # Between tabs a line is a row, if that makes rows of one width: "Yes is a word that begins with a quote.
        return
    assert found.header == header
    assert found.cells == rows


@given(data=st.data(), decimal=st.sampled_from([".", ","]), sep=st.sampled_from([",", ";", "\t"]), index=st.booleans())
def test_numbers_of_pandas_come_back_or_are_refused(folder, data, decimal, sep, index):
    number = st.floats(-1e6, 1e6, width=32).map(lambda value: np.float32(value).item())
    columns = data.draw(st.dictionaries(NAME, st.lists(number, min_size=2, max_size=2), min_size=2, max_size=3))
    frame = pd.DataFrame(columns)
    path = folder / ("n.tsv" if sep == "\t" else "n.csv")
    frame.to_csv(path, sep=sep, decimal=decimal, index=index)
    settings = {**PRECOMPUTED, "columns": list(columns)}
    try:
        found = load_features(path, settings)
    except ManifestError as error:
        assert decimal == "," or sep == ";", error  # noqa: PT017
        return
    np.testing.assert_array_equal(found, frame.to_numpy(np.float32))
    assert sep != ";"


def test_separators_that_excel_declares(tmp_path):
    path = tmp_path / "a.csv"
    for first in ("sep=;", '"sep=;"', "SEP=;"):
        path.write_bytes(f'{first}\r\nx;y\r\n1;"a;b"\r\n'.encode("utf-8-sig"))
        assert read_rows(path) == (["x", "y"], [["1", "a;b"]], [3])
    path.write_text("sep=\t\nx\ty\n1\t2\n")
    assert read_rows(path).cells == [["1", "2"]]
    path.write_text("sep=;\nx;y\n0,5;2\n")
    with pytest.raises(ManifestError, match=r"'0,5' in row 1 of column 'x' is text, and not a number as 1\.5"):
        load_features(path, PRECOMPUTED)
    path.write_text("sep=;\n")
    with pytest.raises(ManifestError, match="it is empty; the first row must name the columns"):
        read_rows(path)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_tables_of_every_kind_in_every_declared_encoding(tmp_path, encoding):
    for name in ("größe.wav", "b.wav"):
        (tmp_path / name).touch()

    def write(name, text):
        (tmp_path / name).write_bytes(text.encode(encoding))
        return tmp_path / name

    rows = "path,label\r\ngröße.wav,ja\r\nb.wav,nein\r\n"
    assert load_manifest(write("m.csv", rows))["id"].tolist() == ["größe.wav", "b.wav"]
    assert load_manifest(write("m.tsv", rows.replace(",", "\t")))["label"].tolist() == ["ja", "nein"]
    lines = '{"path": "größe.wav"}\n{"path": "b.wav"}\n'
    assert load_manifest(write("m.jsonl", lines))["id"].tolist() == ["größe.wav", "b.wav"]
    events, _, problems = read_events(write("e.csv", "start,end,label\n0,1,Käuzchen\n"), has_ids=False)
    assert (events[""].labels, problems) == (("Käuzchen",), [])
    events, _, problems = read_events(write("e.txt", "0.5\t1\tKäuzchen\n"), has_ids=False)
    assert (events[""].labels, problems) == (("Käuzchen",), [])
    assert load_features(write("x.csv", "größe,y\n1,2\n"), PRECOMPUTED).tolist() == [[1, 2]]
    listed = {"split_lists": {"test": str(write("test.txt", "größe.wav\n"))}}
    assert load_manifest(tmp_path / "m.csv", layout=listed)["split"].tolist() == ["test", "train"]
    kaldi = tmp_path / "kaldi"
    kaldi.mkdir()
    write("kaldi/wav.scp", "a größe.wav\nb b.wav\n")
    frame = load_manifest(f"kaldi:{kaldi}", layout={"root": str(tmp_path)})
    assert frame["path"].tolist() == [str(tmp_path / "größe.wav"), str(tmp_path / "b.wav")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,label\na.wav,größe\n".encode("latin-1"), r"it is not UTF-8 text: line 2 \(.*\)\. Save it as UTF-8"),
        ("path,label\na.wav,x\n".encode("utf-16-le"), r"line 1 holds bytes of zero: .* UTF-16 without its mark\. Save"),
        (
            "path,label\na.wav,x\n".encode("utf-16")[:-1],
            r"begins like UTF-16 text, .*line 2 \(truncated data\)\. Save it",
        ),
        (b"path,label\na.wav,x\0y\n", "line 2 holds bytes of zero: the file is damaged"),
        (b"path,label,path\na.wav,x,y\n", "the column 'path' stands more than once"),
        (b"path, path\na.wav,x\n", "the column 'path' stands more than once"),
        (b"path,,\na.wav,x,y\n", "line 1, which names the columns, leaves 2 of them without a name"),
        (b'path,label\na.wav,"x\n', r"line 2: unexpected end of data"),
    ],
)
def test_what_is_no_text_or_no_table_is_named(tmp_path, content, message):
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(ManifestError, match=message):
        load_manifest(tmp_path / "m.csv")
    # Features are read by the same rules.
    with pytest.raises(ManifestError, match=message):
        load_features(tmp_path / "m.csv", PRECOMPUTED)


def test_spaces_around_names_and_after_every_separator(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.wav").touch()
    path = tmp_path / "m.csv"
    path.write_text("path , label\na.wav,x y\n")
    assert load_manifest(path)["label"].tolist() == ["x y"]
    path.write_text("path, label\na.wav, x\nb.wav, y z\n")
    assert load_manifest(path)["label"].tolist() == ["x", "y z"]
    # A space before some cells is theirs.
    path.write_text("path, label\na.wav, x\nb.wav,y\n")
    assert load_manifest(path)["label"].tolist() == [" x", "y"]
    path.write_text("x y\n1 2\n")
    with pytest.raises(ManifestError, match="the cells seem to be between spaces"):
        load_features(path, PRECOMPUTED)


def test_lines_of_spaces_are_empty(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x,y\n1,2\n  \n3,4\n \t\n")
    assert load_features(path, PRECOMPUTED).tolist() == [[1, 2], [3, 4]]


def test_a_key_that_comes_twice(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"path": "a.wav"}\n{"path": "a.wav", "label": "x", "label": "y"}\n')
    with pytest.raises(ManifestError, match="line 2: an object has the key 'label' twice"):
        load_manifest(tmp_path / "m.jsonl")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_what_follows_them(tmp_path, end):
    path = tmp_path / "m.csv"
    path.write_bytes(end.join(["a,b", "1,2", "", '"x', 'y",4', "", "", ""]).encode())
    rows = read_rows(path)
    assert rows.cells == [["1", "2"], [f"x{end}y", "4"]]
    assert rows.lines == [2, 5]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("m.csv.gz", 'Convert .gz first, by the recipe "Archives"'),
        ("m.tsv.xz", "Convert .xz first"),
        ("m.zip", "Convert .zip first"),
        ("m.xlsx", 'Convert .xlsx first, by the recipe "Tables"'),
        ("m.json", "Convert .json first"),
        ("m.pkl", 'Convert .pkl first, by the recipe "Pickle"'),
        ("m.feather", "Convert .feather first"),
    ],
)
def test_packed_tables_workbooks_and_other_kinds(tmp_path, name, message):
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"path,label\na.wav,x\n"))
    for read in (read_table, lambda path: load_features(path, PRECOMPUTED)):
        with pytest.raises(ManifestError, match=message):
            read(path)
    _, _, problems = read_events(path, has_ids=False)
    assert any(re.search(message, problem) for problem in problems)
