"""The quick reader of tables says what the strict one says, or nothing."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqconv.errors import ManifestError
from seqconv.features import columns
from seqconv.features.cells import read_cells
from seqconv.features.plain_columns import read_plain_columns

NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from([" 1", "2 ", "+3", ".5", "4.", "-0", "1e5", "2E-3"]),
)
GAPS_AND_WORDS = st.sampled_from(["", "nan", "NA", " ", "x", "walk", "True", "false", "2024-01-02", "\u0661", "inf"])
ODD = st.sampled_from(
    ["1_0", '"1"', "0x1", "1,5", "-", "e", "1 2", "+-1", "1e", "5%", "\x85", "\u2028", "\r", '"', "é"]
)
CELLS = st.one_of(NUMBERS, GAPS_AND_WORDS)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("plain") / "t.csv"


def read(path, *, strictly):
    """Columns by their names, words as lists; or what is wrong."""
    with pytest.MonkeyPatch.context() as patch:
        if strictly:
            patch.setattr(columns, "read_plain_columns", lambda path: None)
        try:
            found = columns.read_columns(path)
        except ManifestError as error:
            return str(error)
    # To the last digit, and the sign of zero.
    numbers = {name: values.tobytes() for name, values in found.numbers.items()}
    return found.names, numbers, {name: list(cells) for name, cells in found.words.items()}, found.problems


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6), ends=st.integers(0, 3))
def test_what_it_reads_is_what_the_strict_reader_reads(path, rows, ends, line_end):
    text = line_end.join(["x,y y, z", *map(",".join, rows)]) + line_end * ends
    path.write_bytes(text.encode())
    assert read_plain_columns(path) is not None, "it is not left to the strict one"
    assert read(path, strictly=False) == read(path, strictly=True)


@given(
    rows=st.lists(st.lists(st.one_of(CELLS, ODD), min_size=1, max_size=4), max_size=4),
    header=st.sampled_from(
        ["x,y", "x,x", "0,1", " x,y", "x,y,z", "x", 'x,"y"', "1.5,2.5", ",x", "x,", ",,", "nan,x", "\0,x"]
    ),
    mark=st.sampled_from([",", "\t"]),
)
def test_what_is_anything_else_is_left_to_the_strict_reader(path, rows, header, mark):
    table = path.with_suffix(".tsv" if mark == "\t" else ".csv")
    table.write_bytes("\n".join([header.replace(",", mark), *map(mark.join, rows)]).encode())
    assert read(table, strictly=False) == read(table, strictly=True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(path, encoding):
    path.write_bytes("größe,y\r\n1,2\r\n3,ä".encode(encoding))
    found = read(path, strictly=False)
    assert found == read(path, strictly=True)
    if encoding == "latin-1":
        assert found == "it is not UTF-8 text: line 1 (invalid start byte). Save it as UTF-8."
    else:
        assert found[0] == ("größe", "y")
    assert (read_plain_columns(path) is not None) == encoding.startswith("utf-8")


def test_what_pandas_writes_is_read_quickly(path):
    """With the numbers of rows in a column without a name, and names that are numbers."""
    import pandas as pd

    pd.DataFrame({0: [1.5, np.nan], 1: ["a", "b"]}).to_csv(path)
    assert list(read_plain_columns(path)) == ["", "0", "1"]
    found = columns.read_columns(path)
    assert found.names == ("Unnamed: 0", "0", "1")
    assert found.words == {"1": ["a", "b"]}
    np.testing.assert_array_equal(found.numbers["0"], [1.5, np.nan])


@pytest.fixture
def limited():
    """The limit that Python has; other libraries raise that of the whole process when they are imported."""
    before = csv.field_size_limit(131_072)
    yield
    csv.field_size_limit(before)


@pytest.mark.usefixtures("limited")
def test_a_million_digits_are_a_number_or_an_error(path):
    path.write_text("x,y\n" + "1" * 10**6 + ",2\n1,2\n")
    assert columns.read_columns(path).numbers["x"].tolist() == [np.inf, 1]
    path.write_text('x,y\n"' + "1" * 10**6 + '",2\n1,2\n')
    with pytest.raises(ManifestError, match=r"line 2: field larger than field limit"):
        columns.read_columns(path)


def test_spaces_and_separators_that_only_the_strict_reader_knows(path):
    """Cells of long tables are those of `read_rows`, too."""
    path.write_text("id, label\n1, walk\n")
    assert [cells.to_pylist() for cells in read_cells(path).values()] == [["1"], ["walk"]]
    path.write_text("sep=,\na,walk\n")
    assert [cells.to_pylist() for cells in read_cells(path, names=["id", "label"]).values()] == [["a"], ["walk"]]
