"""Precomputed features: every container gives the same frames, and nothing is unpickled."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqconv.errors import ManifestError
from seqconv.features import load_features

VOWELS = Path(__file__).parents[2] / "data" / "japanese_vowels" / "JapaneseVowels_TRAIN.ts"
FRAMES = np.arange(12.0).reshape(4, 3)
PRECOMPUTED = {"kind": "precomputed"}


def write(folder: Path, name: str) -> Path:
    path = folder / name
    table = pd.DataFrame(FRAMES, columns=["x", "y", "z"])
    match path.suffix:
        case ".npy":
            np.save(path, FRAMES)
        case ".npz":
            np.savez(path, walk=FRAMES)
        case ".parquet":
            table.to_parquet(path)
        case suffix:
            table.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "a.tsv", "a.parquet"])
def test_every_container_gives_the_same_frames(tmp_path, name):
    features = load_features(write(tmp_path, name), PRECOMPUTED)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, FRAMES)


def test_columns_choose_and_order_the_features(tmp_path):
    path = write(tmp_path, "a.csv")
    features = load_features(path, {**PRECOMPUTED, "columns": ["z", "x"]})
    np.testing.assert_array_equal(features, FRAMES[:, [2, 0]])


def test_text_columns_are_left_out_unless_they_are_named(tmp_path):
    pd.DataFrame({"name": ["a", "b"], "x": [1, 2]}).to_csv(tmp_path / "a.csv", index=False)
    assert load_features(tmp_path / "a.csv", PRECOMPUTED).shape == (2, 1)
    with pytest.raises(ManifestError, match=r"'name' of features\.columns hold text"):
        load_features(tmp_path / "a.csv", {**PRECOMPUTED, "columns": ["name"]})
    with pytest.raises(ManifestError, match=r"lacks 'w' of features\.columns; it has 'name', 'x'"):
        load_features(tmp_path / "a.csv", {**PRECOMPUTED, "columns": ["w", "x"]})


def test_a_case_of_a_ts_file():
    features = load_features(VOWELS, PRECOMPUTED, case=0)
    assert features.shape[1] == 12
    assert 7 <= len(features) <= 29
    with pytest.raises(ManifestError, match="column 'case' must name one of 0 to 269, got 270"):
        load_features(VOWELS, PRECOMPUTED, case=270)
    with pytest.raises(ManifestError, match="got None"):
        load_features(VOWELS, PRECOMPUTED)


def test_recording_normalization_applies(tmp_path):
    features = load_features(write(tmp_path, "a.npy"), {**PRECOMPUTED, "normalize": "recording"})
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-6)


def test_an_archive_of_several_arrays_needs_a_key(tmp_path):
    np.savez(tmp_path / "a.npz", walk=FRAMES, run=2 * FRAMES)
    with pytest.raises(ManifestError, match=r"holds 'walk', 'run'; name the array to use in features\.key"):
        load_features(tmp_path / "a.npz", PRECOMPUTED)
    with pytest.raises(ManifestError, match="no array 'fly'"):
        load_features(tmp_path / "a.npz", {**PRECOMPUTED, "key": "fly"})
    np.testing.assert_array_equal(load_features(tmp_path / "a.npz", {**PRECOMPUTED, "key": "run"}), 2 * FRAMES)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(5), r"save x\[:, None\]"),
        (np.zeros((2, 3, 4)), r"one \(time, d\) array per sequence"),
        (np.zeros((0, 3)), "at least one frame"),
        (np.array([[0.0, 1.0], [2.0, np.nan]]), "1 values are NaN.*first at frame 1, feature 1"),
        (np.array([[1e300]]), "beyond float32"),
        (np.array([["a"]]), "features are numbers"),
    ],
)
def test_arrays_that_are_no_sequence_are_refused(tmp_path, values, message):
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(ManifestError, match=message):
        load_features(tmp_path / "a.npy", PRECOMPUTED)


def test_nothing_is_unpickled(tmp_path):
    values = np.empty(1, dtype=object)
    values[0] = {"a": 1}
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    np.savez(tmp_path / "a.npz", values)
    for name in ("a.npy", "a.npz"):
        with pytest.raises(ManifestError, match="not a plain"):
            load_features(tmp_path / name, PRECOMPUTED)


def test_files_and_arguments_that_cannot_be_are_refused(tmp_path):
    path = write(tmp_path, "a.npy")
    with pytest.raises(ManifestError, match="have no frame rate"):
        load_features(path, PRECOMPUTED, start=0.5)
    with pytest.raises(ManifestError, match=r"selects a sequence of a .*\.ts"):
        load_features(path, PRECOMPUTED, case=1)
    with pytest.raises(ManifestError, match="no such file"):
        load_features(tmp_path / "b.npy", PRECOMPUTED)
    (tmp_path / "a.wav").touch()
    with pytest.raises(ManifestError, match=r"not '\.wav'. For recordings choose another features.kind"):
        load_features(tmp_path / "a.wav", PRECOMPUTED)
    for name in ("bad.npz", "bad.npy", "bad.parquet"):
        (tmp_path / name).write_text("no, no")
        with pytest.raises(ManifestError, match=name):
            load_features(tmp_path / name, PRECOMPUTED)
