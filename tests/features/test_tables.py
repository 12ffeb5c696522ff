"""Tables of features as people have them: read as they were meant, or refused with what is wrong and what to do."""

import csv
import datetime
import tempfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqconv.errors import ManifestError
from seqconv.features import load_features
from seqconv.features.columns import is_clock
from seqconv.features.tables import read_rows

PRECOMPUTED = {"kind": "precomputed"}


def read(folder: Path, text: str, name: str = "a.csv", **settings) -> list[list[float]]:
    (folder / name).write_text(text)
    return load_features(folder / name, {**PRECOMPUTED, **settings}).tolist()


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("x,y,z\n1,2,3,\n4,5,6,\n", {"columns": ["x", "y"]}, [[1, 2], [4, 5]]),
        ("x,y,\n1,2,\n4,5,\n", {}, [[1, 2], [4, 5]]),
        ("x,y,\n1,2\n4,5\n", {}, [[1, 2], [4, 5]]),
        ("0,1\n0.5,2\n3,4\n", {}, [[0.5, 2], [3, 4]]),
        ("who,100,200\nann,1,2\n", {}, [[1, 2]]),
        (",0,1\n0,0.5,2\n1,3,4\n", {"columns": ["0", "1"]}, [[0.5, 2], [3, 4]]),
        ("on,x\nTrue,1\nFALSE,2\n", {}, [[1, 1], [0, 2]]),
        ("on,x\nTrue,1\nFALSE,2\n", {"columns": ["x", "on"]}, [[1, 1], [2, 0]]),
        (" x , y\n 1, -2e3\n+.5,3.\n", {"columns": ["y", "x"]}, [[-2000, 1], [3, 0.5]]),
        ("id,day,x\na1,2024-05-01,1\nb2,2024-05-01 12:00:01.5,2\n", {}, [[1], [2]]),
        ("x,y\r\n1,0\r\n\r\n2,0\r\n", {}, [[1, 0], [2, 0]]),
        ("x\n1\n2\n\n\n", {}, [[1], [2]]),
    ],
)
def test_tables_that_are_read(tmp_path, text, settings, expected):
    assert read(tmp_path, text, **settings) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x,y,z\n0,1,0,2,0,3\n0,4,0,5,0,6\n",
            r"line 2 has 6 cells, .* names 3 .*decimal commas .* 0\.5 instead of 0,5",
        ),
        ("a,x,y\nwalk,0,5,1\n", "line 2 has 4 cells.*decimal commas"),
        ("a,x\none, two,1\n", "line 2 has 3 cells.*Put quotes around cells that hold the separator"),
        ("x,y,z\n1,2,3,\n4,5,6\n", "line 2 has 4 cells"),
        ("x,y,z\n1,2,3\n4,5\n", r"line 3 has 2 cells, .* Is it cut off\? Cells are between a comma"),
        ("x,y\n1;2\n", "line 2 has 1 cells.*or is a semicolon between its cells"),
        (
            "t;x;y\n0,00;1,25;-0,50\n",
            r"line 1, .*'t;x;y': the cells seem to be between semicolons\. Save .*decimal points",
        ),
        ("t\tx\n0\t1\n", "the cells seem to be between tabs"),
        (
            "0.1,0.2\n0.3,0.4\n0.5,0.6\n",
            r"line 1, .*holds numbers: '0\.1', '0\.2'\. If these are data, put a row of names",
        ),
        ("1,2\n3,4\n", "holds numbers: '1', '2'"),
        ("walk,3,2\nrun,5,1\n", "holds numbers: '3', '2'"),
        ("1e-3,nan\n2e-3,5\n", "holds numbers: '1e-3', 'nan'"),
        ("x\n1\n\n3\n", "line 3 is empty, which may be a missing value"),
        ("walk,0.1,0.2\nrun,0.3,0.4\n", r"holds numbers: '0\.1', '0\.2'"),
        ("x,x\n1,2\n", "the column 'x' stands more than once in the first row"),
        ("", "it is empty; the first row must name the columns"),
    ],
)
def test_rows_that_do_not_fit_the_header_are_refused(tmp_path, text, message):
    with pytest.raises(ManifestError, match=rf"a\.csv: .*{message}"):
        read(tmp_path, text)


CELLS = (
    "1,5", "1,000", "1.000,5", "5%", "5 %", "0x10", "1_000", "1 000", "$5", "5 €", "5 m/s", "20kg", "-1,5e3", "−5",
    "[1, 2]", "--1", "±2", "(1.5)", "1+2j", ",5", "1'000",
)  # fmt: skip


@pytest.mark.parametrize("cell", CELLS)
def test_text_that_looks_like_a_number_is_never_left_out(tmp_path, cell):
    with pytest.raises(ManifestError, match=r"row 1 of column 'x' is text, and not a number as 1\.5"):
        read(tmp_path, f"x\ty\n{cell}\t1\n{cell}\t2\n", "a.tsv")
    with pytest.raises(ManifestError, match=r"'x' of features\.columns hold text.*row 1 of column 'x'"):
        read(tmp_path, f'x,y\n"{cell}",1\n"{cell}",2\n', columns=["x"])
    assert read(tmp_path, f'x,y\n"{cell}",1\n"{cell}",2\n', columns=["y"]) == [[1], [2]], "it is not asked for"


@pytest.mark.parametrize(
    "cells", [["a1", "b2"], ["2024-01-02", "2024-01-03"], ["12:30:00", "1:02.5"], ["1.2.2024", ""]]
)
def test_words_and_dates_are_left_out(tmp_path, cells):
    assert read(tmp_path, f"x,y\n{cells[0]},1\n{cells[1]},2\n") == [[1], [2]]


def test_parquet_columns_of_numbers_of_any_type(tmp_path):
    table = pd.DataFrame(
        {
            "whole": pd.array([1, 2], dtype="Int64"),
            "real": pd.array([0.5, 1.5], dtype="Float32"),
            "on": pd.array([True, False], dtype="boolean"),
            "plain": [False, True],
            "money": [Decimal("1.25"), Decimal("-3")],
            "text": ["0.5", "7"],
            "kind": pd.Categorical(["walk", "run"]),
            "when": pd.to_datetime(["2024-01-01", "2024-01-02"]),
            "day": [datetime.date(2024, 1, 1)] * 2,
        }
    )
    table.to_parquet(tmp_path / "a.parquet")
    expected = [[1, 0.5, 1, 0, 1.25, 0.5], [2, 1.5, 0, 1, -3, 7]]
    assert load_features(tmp_path / "a.parquet", PRECOMPUTED).tolist() == expected
    columns = {**PRECOMPUTED, "columns": ["money", "whole"]}
    assert load_features(tmp_path / "a.parquet", columns).tolist() == [[1.25, 1], [-3, 2]]


@pytest.mark.parametrize(
    "cells",
    [[[1.0, 2.0], [3.0]], [[1.0, 2.0], [3.0, 4.0]], [[1.0], [2.0]], ["1,5", "2,5"], [b"1", b"x"], [{"x": 1}, {"x": 2}]],
)
def test_parquet_columns_that_are_no_numbers_are_refused(tmp_path, cells):
    pd.DataFrame({"x": cells, "y": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ManifestError, match=r"a\.parquet: .* in row \d of column 'x'"):
        load_features(tmp_path / "a.parquet", PRECOMPUTED)


def test_a_named_index_of_parquet_is_a_column(tmp_path):
    table = pd.DataFrame({"x": [1.0, 2.0]}, index=pd.Index([0.5, 0.75], name="time"))
    table.to_parquet(tmp_path / "a.parquet")
    assert load_features(tmp_path / "a.parquet", PRECOMPUTED).tolist() == [[0.5, 1], [0.75, 2]]
    table.rename_axis(None).to_parquet(tmp_path / "a.parquet")
    assert load_features(tmp_path / "a.parquet", PRECOMPUTED).tolist() == [[1], [2]]


def test_a_gap_is_named_by_its_columns(tmp_path):
    with pytest.raises(ManifestError, match=r"2 cells of 'b' are empty or not .* row 2\. Set features\.missing"):
        read(tmp_path, "a,b,c\n1,2,3\n1,NA,3\n1,,3\n")


def test_rows_are_read_with_separators_comments_and_names_of_their_own(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text('# 2 columns\n# id, labels\n--x,  0.5, "a, b"\ny, 1.5, c\n')
    rows = read_rows(path, separator=", ", comment="#", names=["id", "start", "labels"])
    assert rows.cells == [["--x", "0.5", "a, b"], ["y", "1.5", "c"]]
    assert rows.lines == [3, 4]
    path.write_text('LJ1|"Wait," he said.|x\nLJ2|so "it is|y\n')
    assert read_rows(path, separator="|", names=["id", "text", "z"]).cells[0] == ["LJ1", '"Wait," he said.', "x"]
    path.write_text("x  y\n  1   2\n 3\t4\n")
    assert read_rows(path, separator=" ").cells == [["1", "2"], ["3", "4"]]
    path.write_text('x;y\n0,5;"a;b"\n')
    assert read_rows(path, separator=";").cells == [["0,5", "a;b"]]
    path.write_text('x,y\n"a\n#b",1\n#c,2\n')
    assert read_rows(path, separator=",", comment="#").cells == [["a\n#b", "1"]], "within quotes nothing is a comment"
    path.write_text("a,1\nb,2,3\n")
    with pytest.raises(ManifestError, match="line 2 has 3 cells, but names are given for 2 columns"):
        read_rows(path, separator=",", names=["x", "y"])
    path.write_text("x,y\nb,2\n")
    with pytest.raises(ManifestError, match="line 1 names the columns already"):
        read_rows(path, separator=",", names=["x", "y"])
    with pytest.raises(ManifestError, match=r"the separator '::' is not one character"):
        read_rows(path, separator="::")


def test_tabs_are_between_text_as_it_is_written(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text(
        'path\tlabel\na.wav\t"Yes\tx\n'.replace("label", "label\tmore") + 'b.wav\tno"\ty\nc.wav\t"so ""it"" is"\tz\n'
    )
    assert read_rows(path).cells == [["a.wav", '"Yes', "x"], ["b.wav", 'no"', "y"], ["c.wav", 'so "it" is', "z"]]
    # As pandas writes a cell that holds a tab or a line break.
    table = pd.DataFrame({"path": ["a.wav", "b.wav"], "label": ["two\twords", "two\nlines"]})
    table.to_csv(path, sep="\t", index=False)
    assert read_rows(path).cells == table.to_numpy().tolist()


# A byte of zero is none of a text: it is refused.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='\t\r\n"\0'), max_size=8)


@given(st.lists(st.tuples(text, text), min_size=1, max_size=5), st.sampled_from(",;"), st.sampled_from("\n\r"))
def test_quoted_cells_come_back_whatever_is_in_them(rows, separator, end):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.txt")
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(
                [("x", "y"), *rows]
            )
        assert read_rows(path, separator=separator).cells == [list(row) for row in rows]


@given(st.lists(st.tuples(plain, plain), min_size=1, max_size=5), st.sampled_from("\t|"))
def test_text_between_tabs_comes_back_as_it_is(rows, separator):
    rows = [tuple(cell.replace(separator, "") for cell in row) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.txt")
        lines = [separator.join(row) for row in [("x", "y"), *rows]]
        path.write_text("\n".join(lines), encoding="utf-8", newline="")
        assert read_rows(path, separator=separator).cells == [list(row) for row in rows]


@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=9),
    st.sampled_from(["csv", "tsv", "parquet"]),
)
def test_numbers_come_back_exactly(values, suffix):
    table = pd.DataFrame({"x": np.array(values), "y": 1})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"a.{suffix}")
        if suffix == "parquet":
            table.to_parquet(path)
        else:
            table.to_csv(path, sep="," if suffix == "csv" else "\t", index=False)
        assert load_features(path, PRECOMPUTED)[:, 0].tolist() == values


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("Unnamed: 0", [0, 1, 2], True),
        ("Time (s)", [0.0, 0.011, 0.019], True),
        ("t", [0.5, 0.5, 0.7], True),
        ("anything", np.arange(20) * 0.1, True),
        ("time", [3.0, 2.0, 5.0], False),
        ("x", [1.0, 2.0, 4.0], False),
        ("time", [np.nan, 1.0, 2.0], False),
        ("time", [1.0], False),
    ],
)
def test_a_clock_rises(name, values, expected):
    assert is_clock(name, np.asarray(values)) is expected
