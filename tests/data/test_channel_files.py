"""Folders with a file for each channel: a sequence in each line of all of them."""

import os

import numpy as np
import pytest

from seqconv.data.manifest import load_manifest
from seqconv.data.manifest.loading import read_manifest
from seqconv.errors import ManifestError
from seqconv.features.store import build_store

SETTINGS = {"kind": "precomputed"}


@pytest.fixture
def part(tmp_path, rng):
    """A folder of three channels, the values `(lines, frames, channels)`, and files above it."""
    folder, values = tmp_path / "train" / "signals", rng.normal(size=(6, 10, 3)).round(7)
    folder.mkdir(parents=True)
    for channel, name in enumerate(("acc_x", "acc_y", "gyro_x")):
        np.savetxt(folder / f"{name}_train.txt", values[:, :, channel], fmt="%16.7e")
    for name, cells in {"y": "151512", "subject": "112233"}.items():
        (folder.parent / f"{name}_train.txt").write_text("\n".join(cells) + "\n")
    # These say nothing of a line.
    np.savetxt(folder.parent / "X_train.txt", values[:, :, 0])
    (folder.parent / "names.txt").write_text("walking\nrunning\n")
    return folder, values


def test_lines_of_all_files_are_sequences(part, tmp_path):
    folder, values = part
    manifest = read_manifest(f"channels:{folder}")
    frame = manifest.frame
    assert frame["y"].tolist() == list("151512")
    assert frame["subject"].tolist() == list("112233")
    assert manifest.notes[0].endswith(
        "3 channels, 'acc_x', 'acc_y', 'gyro_x'; columns 'subject', 'y' of the files above"
    )
    store = build_store(frame, SETTINGS, tmp_path / "store", progress=False)
    np.testing.assert_array_equal([store[case] for case in range(6)], values.astype(np.float32))
    assert store.table_names.used == ("acc_x", "acc_y", "gyro_x")
    chosen = build_store(frame, {**SETTINGS, "columns": ["gyro_x"]}, tmp_path / "one", progress=False)
    np.testing.assert_array_equal(chosen[5], values[5, :, 2:].astype(np.float32))


def test_a_change_in_any_of_the_files_is_noticed(part, tmp_path):
    folder, values = part
    frame = load_manifest(f"channels:{folder}")
    for extracted in (6, 0):
        assert build_store(frame, SETTINGS, tmp_path / "store", progress=False).num_extracted == extracted
    last = folder / "gyro_x_train.txt"
    # Of the same size.
    np.savetxt(last, -np.abs(values[:, :, 2]) - 1, fmt="%16.7e")
    store = build_store(frame, SETTINGS, tmp_path / "store", progress=False)
    assert store.num_extracted == 6
    assert (np.stack([store[case] for case in range(6)])[:, :, 2] <= -1).all()
    later = last.stat().st_mtime_ns + 10**9
    os.utime(last, ns=(later, later))
    assert build_store(frame, SETTINGS, tmp_path / "store", progress=False).num_extracted == 0


def test_padding_with_nan_is_no_frame(part, tmp_path):
    folder, values = part
    values[0, 7:] = np.nan
    for channel, name in enumerate(("acc_x", "acc_y", "gyro_x")):
        np.savetxt(folder / f"{name}_train.txt", values[:, :, channel], delimiter=",")
    store = build_store(load_manifest(f"channels:{folder}"), SETTINGS, tmp_path / "store", progress=False)
    assert store.lengths.tolist() == [7, 10, 10, 10, 10, 10]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "acc_y_train.txt",
            "1 2 3\n",
            r"same lines and values, but have .* 'acc_x_train.txt \(6, 10\)', 'acc_y_.* \(1, 3",
        ),
        ("acc_y_train.txt", "1 2 3\n1 2\n", "acc_y_train.txt: .* number of columns changed from 3 to 2 at row 2"),
        ("acc_y_train.txt", "1 2 x\n", "acc_y_train.txt: could not convert string 'x'"),
    ],
)
def test_files_that_do_not_fit_are_named(part, name, text, message):
    folder, _ = part
    (folder / name).write_text(text)
    with pytest.raises(ManifestError, match=message):
        load_manifest(f"channels:{folder}")


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(ManifestError, match=r"it holds no file \(\.txt, \.csv, \.dat\), so there is no channel"):
        load_manifest(f"channels:{tmp_path}")
