"""The quick reader of tables of numbers says what the strict one says, or nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqconv.errors import ManifestError
from seqconv.features import columns
from seqconv.features.plain_numbers import read_plain_numbers

NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from([" 1", "2 ", "+3", ".5", "4.", "-0", "1e5", "2E-3"]),
)
ODD = st.sampled_from(["", "nan", "x", "1_0", '"1"', "0x1", "1,5", "-", "e", "1 2", "+-1", "1e", "\u0661"])


def strict(path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(columns, "read_plain_numbers", lambda path: None)
        return columns.read_columns(path)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("plain") / "t.csv"


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@given(rows=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=6), ends=st.booleans())
def test_numbers_are_those_of_the_strict_reader(path, rows, ends, line_end):
    text = line_end.join(["x,y y,z", *map(",".join, rows)]) + line_end * ends
    path.write_bytes(text.encode())
    found = read_plain_numbers(path)
    with pytest.MonkeyPatch.context() as patch:
        expected = strict(path, patch)
    assert list(found) == ["x", "y y", "z"]
    assert expected.problems == {}
    for name, values in found.items():
        # To the last digit, and the sign of zero.
        np.testing.assert_array_equal(values, expected.numbers[name])
        np.testing.assert_array_equal(np.signbit(values), np.signbit(expected.numbers[name]))


@given(
    rows=st.lists(st.lists(st.one_of(NUMBERS, ODD), min_size=1, max_size=4), min_size=1, max_size=4),
    header=st.sampled_from(["x,y", "x,x", "0,1", " x,y", "x,y,z", "x", 'x,"y"']),
)
def test_what_is_anything_else_is_left_to_the_strict_reader(path, rows, header):
    path.write_bytes("\n".join([header, *map(",".join, rows)]).encode())
    found = read_plain_numbers(path)
    with pytest.MonkeyPatch.context() as patch:
        try:
            expected = strict(path, patch)
        except ManifestError:
            assert found is None
            return
    if found is not None:
        assert expected.words == expected.problems == {}
        for name, values in found.items():
            np.testing.assert_array_equal(values, expected.numbers[name])


def test_tables_of_numbers_are_read_quickly_in_every_form(path):
    path.write_bytes(b"\xef\xbb\xbfx,y\r\n1,2\r\n3,4")
    assert {name: values.tolist() for name, values in read_plain_numbers(path).items()} == {"x": [1, 3], "y": [2, 4]}
    tabs = path.with_suffix(".tsv")
    tabs.write_text("x\ty\n1\t2\n3\t4\n")
    np.testing.assert_array_equal(read_plain_numbers(tabs)["y"], [2, 4])
