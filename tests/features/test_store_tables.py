"""Tables of one data set: the same columns in all, by name, and problems told once for all tables that have them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqconv.errors import ManifestError
from seqconv.features.precomputed import TableNames
from seqconv.features.store import FeatureStore, build_store
from seqconv.features.store.index import read_index, write_index


def write(folder: Path, texts: dict[str, str]) -> pd.DataFrame:
    for name, text in texts.items():
        (folder / name).write_text(text)
    return pd.DataFrame({"id": [name[0] for name in texts], "path": [str(folder / name) for name in texts]})


def build(frame: pd.DataFrame, cache: Path, **settings: object) -> FeatureStore:
    return build_store(frame, {"kind": "precomputed", **settings}, cache_dir=cache, progress=False, num_workers=0)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("y,x\n3,4\n", r"x, y in 'a'; y, x in 'b'\. features\.columns: \[x, y\] takes these of each, by name"),
        ("y,z\n3,4\n", r"x, y in 'a'; y, z in 'b'\. features\.columns: \[y\] takes these of each"),
        ("u,v\n3,4\n", r"x, y in 'a'; u, v in 'b'\. Give all the same columns"),
        ("x,y,z\n3,4,5\n", r"x, y in 'a'; x, y, z in 'b'\. features\.columns: \[x, y\]"),
    ],
)
def test_tables_with_other_columns_are_named(tmp_path, second, message):
    frame = write(tmp_path, {"a.csv": "x,y\n1,2\n", "b.csv": second})
    with pytest.raises(ManifestError, match=f"tables differ in their columns or the order of these: {message}"):
        build(frame, tmp_path / "cache")
    assert build(frame[:1], tmp_path / "cache").table_names == TableNames(("x", "y"))
    with pytest.raises(ManifestError, match="tables differ in their columns"):
        build(frame, tmp_path / "cache")


def test_columns_are_taken_by_name_from_tables_of_any_format(tmp_path):
    frame = write(tmp_path, {"a.csv": "x,y\n1,2\n", "b.tsv": "y\tz\tx\n3\tw\t4\n", "c.csv": "x,y,name\n5,6,bob\n"})
    store = build(frame, tmp_path / "cache", columns=("x", "y"))
    assert [store[index].tolist() for index in range(3)] == [[[1, 2]], [[4, 3]], [[5, 6]]]


def test_gaps_in_many_tables_are_told_once_for_each_column(tmp_path):
    texts = {
        f"{name}.csv": f"x,y\n1,2\n{row}\n" for name, row in zip("abcdefg", [",2"] * 5 + ["1,NaN"] * 2, strict=True)
    }
    texts["d.csv"] = "x,y\n1,2\n3,4\n,2\n"
    with pytest.raises(ManifestError, match="7 recordings of 7 cannot be read") as caught:
        build(write(tmp_path, texts), tmp_path / "cache")
    _, first, second = str(caught.value).splitlines()
    assert (
        "a.csv), and so in 'b', 'c', 'd' and 1 more: 1 cells of 'x' are empty or not a number, the first in row 2"
        in first
    )
    assert "f.csv), and so in 'g': 1 cells of 'y' are empty" in second


def test_a_store_of_an_earlier_version_reads_its_tables_again(tmp_path):
    np.save(tmp_path / "c.npy", np.ones((2, 2)))
    frame = write(tmp_path, {"a.csv": "x,y\n1,2\n", "b.csv": "x,y\n3,4\n"})
    frame.loc[2] = ["c", str(tmp_path / "c.npy")]
    store = build(frame, tmp_path / "cache")
    index = read_index(store.path)
    write_index(store.path, replace(index, rows=tuple(replace(row, columns="") for row in index.rows)))
    assert build(frame, tmp_path / "cache").num_extracted == 2
    assert build(frame, tmp_path / "cache").num_extracted == 0
