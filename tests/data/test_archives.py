"""Files of the time series archives with several sequences: `.arff`, UCR's `.tsv`, `.ts` with gaps."""

import re

import numpy as np
import pandas as pd
import pytest
from support.docs_blocks import ROOT

from seqconv.cli.commands.predict import main as predict
from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.manifest import load_manifest
from seqconv.data.manifest.loading import read_manifest
from seqconv.data.sequences import Sequences
from seqconv.errors import ManifestError
from seqconv.features import load_features
from seqconv.features.cases.arff import read_arff
from seqconv.features.kinds import Precomputed
from seqconv.features.ts import cut_missing_end
from seqconv.prediction.entries import find_entries
from seqconv.training import train

FEATURES = {"kind": "precomputed"}
UNIVARIATE = "%comment\n@RELATION Toy\n\n@ATTRIBUTE att0 NUMERIC\n@attribute att1 real\n@attribute att2 numeric\n"
NOMINAL = "@attribute target {1,2}\n\n@DATA\n"
RELATIONAL = (
    "@relation Toy\n@attribute relationalAtt relational\n\t@attribute att0 numeric\n\t@attribute att1 numeric\n"
    "\t@attribute att2 numeric\n@end relationalAtt\n@attribute activity {Standing,'Walking up'}\n@data\n"
)


def arrays_of(path):
    cases = read_arff(path)
    return [cases.read(number, Precomputed()).values.tolist() for number in range(len(cases))], cases.columns["label"]


@pytest.fixture
def write(tmp_path):
    def write_text(text, name="toy.arff"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_text


def test_arff_of_one_dimension(write):
    arrays, labels = arrays_of(write(UNIVARIATE + NOMINAL + "1,2.5,-3e-1,1\n\n%between\n4, 5,?,2\n"))
    assert labels == ["1", "2"]
    # The value that is missing at the end is no frame.
    assert arrays == [[[1], [2.5], [np.float32(-0.3)]], [[4], [5]]]


def test_scipy_reads_the_same_arff(write, rng):
    from scipy.io import arff

    values = rng.normal(size=(4, 3)).astype(np.float32)
    rows = "".join(f"{','.join(map(str, row))},{1 + place % 2}\n" for place, row in enumerate(values.tolist()))
    path = write(UNIVARIATE + NOMINAL + rows)
    table, _ = arff.loadarff(path)
    arrays, labels = arrays_of(path)
    np.testing.assert_array_equal(
        np.array(arrays)[:, :, 0], np.array(table[["att0", "att1", "att2"]].tolist(), np.float32)
    )
    assert labels == [label.decode() for label in table["target"]]


@pytest.mark.parametrize("quote", ["'", '"'])
def test_arff_of_several_dimensions(write, quote):
    lines = f"{quote}1,2,3\\n4,5,6{quote},Standing\n{quote}7,8,?\\n9,10,?\\n{quote},'Walking up'\n"
    arrays, labels = arrays_of(write(RELATIONAL + lines))
    assert labels == ["Standing", "Walking up"]
    assert arrays == [[[1, 4], [2, 5], [3, 6]], [[7, 9], [8, 10]]]


def test_a_long_case_of_arff_is_read(write, rng):
    values = rng.normal(size=(2, 20_000)).round(6)
    text = "\\n".join(",".join(map(str, row)) for row in values.tolist())
    assert len(text) > 131_072
    arrays, _ = arrays_of(write(RELATIONAL + f"'{text}',Standing\n"))
    np.testing.assert_array_equal(np.array(arrays[0], np.float32), values.T.astype(np.float32))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (UNIVARIATE + NOMINAL + "1,2,1\n", "line 10 has 2 values, but 3 attributes are declared"),
        (UNIVARIATE + NOMINAL + "1,2,x,1\n", "line 10, dimension 1: 'x' is not a finite number"),
        (UNIVARIATE + NOMINAL + "{0 1, 2 5},1\n", "line 10: sparse cases, in braces"),
        (UNIVARIATE + NOMINAL + "?,?,?,1\n", "line 10: holds no frame"),
        (UNIVARIATE + NOMINAL, "holds no case: nothing follows @data"),
        (UNIVARIATE, "has no line '@data'"),
        (UNIVARIATE + "@attribute when date\n" + NOMINAL + "1,2,3,4,1\n", "attributes 'when' are not numbers"),
        (RELATIONAL + "1,2,3,Standing\n", r"line 9: the dimensions of a case must be in quotes, with \\n between"),
        (RELATIONAL + "'1,2\\n3',Standing\n", "line 9: the dimensions .* same number of frames, but have 2, 1"),
        ("@relation x\nhello\n", "line 2: expected a line of the header or @data, not 'hello'"),
        ("@relation x\n@attribute\n", "line 2: expected '@attribute NAME TYPE'"),
    ],
)
def test_malformed_arff_is_named_with_its_line(write, text, message):
    with pytest.raises(ManifestError, match=message):
        load_manifest(write(text))


def test_labels_of_numbers_and_none(write):
    _, labels = arrays_of(write(UNIVARIATE + "@attribute class numeric\n@data\n1,2,3,0.5\n1,2,3,?\n"))
    assert labels == ["0.5", None]
    arrays, labels = arrays_of(write(UNIVARIATE + "@data\n1,2,3\n"))
    assert (arrays, labels) == ([[[1], [2], [3]]], [None])


UCR = "2\t-0.5\t1.5\t2\tNaN\n1\t0.25\t3\tNaN\tNaN\n2\t1\t2\t3\t4\n"


def test_ucr_is_known_by_its_content_and_said(write):
    path = write(UCR, "Toy_TRAIN.tsv")
    manifest = read_manifest(path)
    assert manifest.notes == (
        "it has no names of columns and numbers alone: read as the UCR archive writes them, a sequence in each line "
        "with its label first",
    )
    data = Sequences.from_manifest(manifest.frame, FEATURES, cache_dir=path.parent / "cache")
    assert [array.ravel().tolist() for array in data] == [[-0.5, 1.5, 2], [0.25, 3], [1, 2, 3, 4]]
    assert data.labels == ["2", "1", "2"]
    again = Sequences.from_manifest(manifest.frame, FEATURES, cache_dir=path.parent / "cache")
    assert again.features.num_extracted == 0


@pytest.mark.parametrize("text", ["path\tlabel\na.npy\t1\n", "0\t1\t2\n0.5\t1\t2\n", "1\t2\tx\n1\t2\t3\n"])
def test_another_tsv_is_not_taken_for_ucr(write, text):
    path = write(text, "t.tsv")
    np.save(path.parent / "a.npy", np.zeros((3, 2)))
    if text.startswith("path"):
        assert load_manifest(path)["label"].tolist() == ["1"]
        return
    with pytest.raises(ManifestError, match=r"there is no column 'path'|must name the columns"):
        load_manifest(path)


def test_a_tsv_with_names_given_is_a_table(write):
    path = write("1\t2\n3\t4\n", "t.tsv")
    for name in ("1.npy", "3.npy"):
        np.save(path.parent / name, np.zeros((3, 2)))
    frame = load_manifest(path, layout={"names": ["number", "label"], "path": "{number}.npy"})
    assert frame["label"].tolist() == ["2", "4"]


def test_a_model_of_tables_takes_no_tsv_for_ucr(write):
    path = write("0.5\t1.5\n1.5\t2\n", "t.tsv")
    assert len(find_entries([path], Precomputed())) == 2
    (entry,) = find_entries([path], Precomputed(columns=("x", "y"))).to_dict("records")
    with pytest.raises(ManifestError, match="line 1, which must name the columns, holds numbers"):
        load_features(entry["path"], Precomputed(columns=("x", "y")))


def test_malformed_ucr_is_named_with_its_line(write):
    with pytest.raises(ManifestError, match=r"line 4, .*|line 4: 'x' is not a finite number"):
        load_manifest(write(UCR + "1\tx\t2\n", "t.tsv"))
    with pytest.raises(ManifestError, match="line 4: holds no frame"):
        load_manifest(write(UCR + "1\tNaN\tNaN\n", "t.tsv"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.tsv", "1\t0\tNaN\t2\n2\t1\t2\t3\n"),
        ("t.arff", UNIVARIATE + NOMINAL + "0,?,2,1\n1,2,3,2\n"),
        ("t.ts", "@univariate true\n@classLabel true 1 2\n@data\n0,?,2:1\n1,2,3:2\n"),
    ],
)
def test_gaps_are_refused_or_filled_in_all_formats(write, name, text, tmp_path):
    frame = load_manifest(write(text, name))
    with pytest.raises(ManifestError, match=r"first at frame 1, feature 0\. Set features\.missing to 'interpolate'"):
        Sequences.from_manifest(frame, FEATURES, cache_dir=tmp_path / "cache")
    filled = Sequences.from_manifest(frame, {**FEATURES, "missing": "mask"}, cache_dir=tmp_path / "cache")
    assert filled[0].tolist() == [[0, 0], [1, 1], [2, 0]]


@pytest.mark.filterwarnings("default:.*archive writes them")
@pytest.mark.parametrize("suffix", [".tsv", ".arff"])
def test_archives_train_and_predict(suffix, tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    for part, count in (("TRAIN", 12), ("TEST", 6)):
        arrays = rng.normal(size=(count, 2, 8)).round(3)
        labels = ["1" if place % 2 else "2" for place in range(count)]
        lines = []
        for array, label in zip(arrays.tolist(), labels, strict=True):
            texts = [list(map(str, row)) for row in array]
            case = "'" + "\\n".join(map(",".join, texts)) + "'"
            lines.append(f"{case},{label}\n" if suffix == ".arff" else "\t".join([label, *texts[0], "NaN"]) + "\n")
        head = RELATIONAL.replace("{Standing,'Walking up'}", "{1,2}") if suffix == ".arff" else ""
        (tmp_path / f"Toy_{part}{suffix}").write_text(head + "".join(lines))
    manifest = {"train": f"Toy_TRAIN{suffix}", "test": f"Toy_TEST{suffix}"}
    settings = {
        "features": FEATURES,
        "model": {"blocks": [{"filters": 2, "kernel_size": 3}]},
        "training": {"epochs": 1},
    }
    settings |= {"evaluation": {"bootstrap": 0, "report": False}}
    config = load_config({"data": {"manifest": manifest, "cache_dir": "cache"}, **settings})
    data = load_datasets(config.data_spec)
    assert data.test.ids[0] == "test/0"
    assert data.train.num_features == (2 if suffix == ".arff" else 1)
    train(config, "run")
    predict(["--model", "run", f"Toy_TEST{suffix}", "--output", "out.csv"])
    assert pd.read_csv("out.csv")["id"].tolist() == [f"Toy_TEST{suffix}/{case}" for case in range(6)]


def test_arrays_of_other_packages_become_sequences_by_the_lines_of_the_page(rng):
    page = (ROOT / "docs" / "guides" / "datasets.md").read_text(encoding="utf-8").partition("## Arrays of time")[2]
    lines = dict(re.findall(r"^\| (.+?) \| `(Sequences\(.+?\))`", page, flags=re.MULTILINE))
    cases = [rng.normal(size=(8, 2)).astype(np.float32) for _ in range(4)]
    nested = pd.DataFrame({name: [pd.Series(case[:, column]) for case in cases] for column, name in enumerate("xy")})
    stacked = pd.concat({number: pd.DataFrame(case) for number, case in enumerate(cases)})
    padded = np.full((4, 11, 2), np.nan, np.float32)
    padded[:, :8] = cases
    # A frame without values within a case is no end.
    padded[1, 3] = np.nan
    given = {
        "an array": np.stack(cases).transpose(0, 2, 1),
        "aeon's list": [case.T for case in cases],
        "sktime's nested": nested,
        "sktime's DataFrame with": stacked,
    }
    for start, x in given.items():
        (line,) = [line for name, line in lines.items() if name.startswith(start)]
        data = eval(line, {"Sequences": Sequences, "np": np, "x": x, "y": list("abab")})
        np.testing.assert_array_equal([data[number] for number in range(4)], cases)
        assert data.labels == list("abab")
    (line,) = set(lines.values()) - {line for name, line in lines.items() if name.startswith(tuple(given))}
    names = {"Sequences": lambda arrays, _: arrays, "cut_missing_end": cut_missing_end, "x": padded, "y": None}
    assert [len(case) for case in eval(line, names)] == [8, 8, 8, 8]
