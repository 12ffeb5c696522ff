"""`.ts` files: what is read, and the line named by each error."""

import numpy as np
import pytest

from seqconv.errors import ManifestError
from seqconv.features.ts import read_ts

HEADER = "# a comment\n@problemName Toy\n@univariate false\n@dimensions 2\n@classLabel true a b\n@data\n"


@pytest.fixture
def write(tmp_path):
    def write_text(text):
        path = tmp_path / "toy.ts"
        path.write_text(text, encoding="utf-8")
        return path

    return write_text


def test_cases_may_differ_in_length(write):
    sequences, labels, header = read_ts(write(HEADER + "1,2,3:-4,5e-1,6:a\n\n# between\n7:8:b\n"))
    assert labels == ["a", "b"]
    assert header["dimensions"] == "2"
    np.testing.assert_array_equal(sequences[0], [[1, -4], [2, 0.5], [3, 6]])
    np.testing.assert_array_equal(sequences[1], [[7, 8]])
    assert all(sequence.dtype == np.float32 for sequence in sequences)


def test_labels_stay_text(write):
    text = "@classLabel true 001 NA\n@data\n1,2:001\n3:NA\n"
    assert read_ts(write(text))[1] == ["001", "NA"]


def test_header_keys_are_read_in_any_case(write):
    assert read_ts(write("@PROBLEMNAME x\n@UNIVARIATE true\n@CLASSLABEL true a\n@DATA\n1:a\n"))[2]["problemname"] == "x"


def test_without_labels_every_part_is_a_dimension(write):
    sequences, labels, _ = read_ts(write("@dimensions 2\n@classLabel false\n@data\n1,2:3,4\n"))
    assert labels == []
    assert sequences[0].shape == (2, 2)


def test_target_numbers_are_labels(write):
    assert read_ts(write("@univariate true\n@targetLabel true\n@data\n1,2:0.5\n"))[1] == ["0.5"]


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        ("1:2:a\n1:2:3:a\n", r"line 8: the case has 3 dimensions, but 2 were expected and a label"),
        ("1:a\n", r"line 7: the case has 1 dimensions, but 2 were expected"),
        ("1,2:3:a\n", r"line 7: .* same number of frames, but have 2, 1"),
        ("1,x:3,4:a\n", r"line 7, dimension 1: 'x' is not a finite number"),
        ("1,2:3,inf:a\n", r"line 7, dimension 2: 'inf' is not a finite number"),
        ("1,2:3,1e99:a\n", r"line 7, dimension 2: '1e99' is not a finite number"),
        ("1,,2:3,4,5:a\n", r"line 7, dimension 1: '' is not a finite number"),
        ("1,?:3,4:a\n", r"line 7, dimension 1: a value is missing, that of frame 1. Fill the gaps"),
        ("NaN,1,?:nan,4,NaN:a\n", r"line 7, dimension 1: a value is missing, that of frame 0. Fill the gaps"),
        ("?,NaN:NaN,?:a\n", r"line 7: holds no frame"),
        (":3:a\n", r"line 7, dimension 1: holds no frame"),
        ("1:2:c\n", r"line 7: label 'c' is not one of @classLabel: 'a', 'b'"),
        ("1:2:\n", r"line 7: the label after the last ':' is empty"),
        ("a\n", r"line 7: the case has no dimension, just a label"),
        ("", r"holds no case: nothing follows @data"),
    ],
)
def test_a_malformed_case_is_named_by_its_line(write, cases, message):
    with pytest.raises(ManifestError, match=message):
        read_ts(write(HEADER + cases))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: a .ts file has a header, @data"),
        ("# only a comment\n", "is empty: a .ts file has a header, @data"),
        ("@dimensions 2\n", "has no line '@data'"),
        ("@dimensions 2\n1:2:a\n", "line 2: expected a header line that begins with '@', or @data, but found '1:2:a'"),
        ("@dimesnions 2\n@data\n1:2\n", "line 1: '@dimesnions' is not a header of the .ts format"),
        ("@dimensions two\n@data\n1:2\n", "@dimensions must be a whole number of at least 1, not 'two'"),
        ("@timeStamps true\n@data\n(0,1)\n", "@timeStamps true is not supported"),
        ("@classLabel true a\n@data\n1:2:a\n1:a\n", "line 4: the case has 1 dimensions, but 2 were expected"),
    ],
)
def test_a_malformed_header_is_explained(write, text, message):
    with pytest.raises(ManifestError, match=message):
        read_ts(write(text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ManifestError, match=r"absent\.ts' does not exist"):
        read_ts(tmp_path / "absent.ts")


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "x.ts").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match=r"x\.ts': it begins like UTF-16 text, but is not: up to line 1"):
        read_ts(tmp_path / "x.ts")


def test_the_filled_end_of_a_shorter_sequence_is_no_frames(write):
    sequences, _, _ = read_ts(write(HEADER + "1,2,NaN,?:3,4,?,nan:a\n5,6,7,8:5,6,7,8:b\n"))
    np.testing.assert_array_equal(sequences[0], [[1, 3], [2, 4]])
    assert len(sequences[1]) == 4
