"""The recipes for files of other kinds: each script reads a real file of its kind, and seqconv reads what it writes."""

import pickle
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.docs_blocks import ROOT, blocks, run_block

from seqconv.data.manifest import load_manifest
from seqconv.features import load_features
from seqconv.features.foreign import PAGE, RECIPES

TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
SECTIONS = {part.split("\n", 1)[0]: part for part in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]}
WALK = np.random.default_rng(0).normal(size=(256, 3)).astype(np.float32)
OWN = Path("recordings/dog/a.bin")


def make_edf():
    from edfio import Edf, EdfSignal

    Edf([EdfSignal(column.astype(float) * 100, 128, physical_range=(-900, 900), physical_dimension="uV")
         for column in WALK.T]).write(OWN.with_suffix(".edf"))  # fmt: skip


def make_mat():
    from scipy.io import savemat

    savemat(OWN.with_suffix(".mat"), {"signal": WALK.T})


def make_hdf5():
    import h5py

    with h5py.File("cases.h5", "w") as file:
        file["x"], file["y"] = np.stack([WALK, 2 * WALK]), ["dog", "cat"]


def make_midi():
    import mido

    track = mido.MidiTrack(
        [mido.Message("note_on", note=60, velocity=127, time=0), mido.Message("note_off", note=60, time=960)]
    )
    mido.MidiFile(tracks=[track]).save(OWN.with_suffix(".mid"))


def make_pickle():
    OWN.with_suffix(".pkl").write_bytes(pickle.dumps(WALK))


def make_tensor():
    import torch

    torch.save(torch.from_numpy(WALK.T.copy()), OWN.with_suffix(".pt"))


def make_tables():
    table = pd.DataFrame({"path": ["a.npy", "b.npy"], "label": ["007", "dog"]})
    table.to_feather("clips.feather")
    table.to_json("segments.json", orient="records")
    table.to_excel("labels.xlsx", index=False)


def make_tfrecord():
    import tensorflow as tf

    values = tf.train.Feature(float_list=tf.train.FloatList(value=WALK.ravel()))
    label = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"dog"]))
    example = tf.train.Example(features=tf.train.Features(feature={"x": values, "label": label}))
    with tf.io.TFRecordWriter("train.tfrecord") as writer:
        writer.write(example.SerializeToString())


def make_archive():
    Path("clips").mkdir()
    np.save("clips/a.npy", WALK)
    shutil.make_archive("clips", "zip", "clips")
    shutil.rmtree("clips")


# What makes a file for each recipe, packages that it needs beyond ours, and what seqconv then reads.
CASES = {
    "Biosignals": (make_edf, ["mne", "edfio"], OWN.with_suffix(".npy"), 100 * WALK),
    "MATLAB": (make_mat, [], OWN.with_suffix(".npy"), WALK),
    "HDF5": (make_hdf5, [], "arrays/1.npy", 2 * WALK),
    "MIDI": (make_midi, ["mido", "pretty_midi"], OWN.with_suffix(".npy"), None),
    "Pickle": (make_pickle, [], OWN.with_suffix(".npy"), WALK),
    "PyTorch": (make_tensor, ["torch"], OWN.with_suffix(".npy"), WALK),
    "Tables": (make_tables, ["openpyxl"], None, None),
    "TFRecord": (make_tfrecord, [], "arrays/0.npy", WALK),
    "Archives": (make_archive, [], "clips/a.npy", WALK),
}


def test_every_kind_that_is_refused_has_a_recipe():
    assert list(SECTIONS) == list(RECIPES) == list(CASES)
    for title, section in SECTIONS.items():
        assert len(blocks(section, "python")) == 1, title


@pytest.mark.parametrize("title", CASES)
def test_a_recipe_writes_what_seqconv_reads(title, tmp_path, monkeypatch):
    make, packages, written, values = CASES[title]
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed, which the recipe asks for")
    monkeypatch.chdir(tmp_path)
    OWN.parent.mkdir(parents=True)
    make()
    (code,) = blocks(SECTIONS[title], "python")
    run_block(code, {}, title)
    if title == "Tables":
        for name in ("clips.parquet", "segments.jsonl", "labels.csv"):
            for path in ("a.npy", "b.npy"):
                np.save(path, WALK)
            assert load_manifest(name)["label"].tolist() == ["007", "dog"]
        return
    found = load_features(written, {"kind": "precomputed"})
    if title == "MIDI":
        # A second of middle C.
        assert found.shape == (50, 128)
        assert (found[:48, 60] == 1).all()
        assert found.sum() == found[:, 60].sum()
    else:
        np.testing.assert_allclose(found[: len(values)], values, atol=0.02 if title == "Biosignals" else 1e-6)
    if written == OWN.with_suffix(".npy"):
        assert load_manifest("recordings")["label"].tolist() == ["dog"]
    tables = sorted(Path().glob("*.csv"))
    assert [load_manifest(table)["label"].iloc[-1] for table in tables] == (
        {"HDF5": ["cat"], "TFRecord": ["dog"]}.get(title, [])
    )


def test_matlab_of_version_73_is_read_as_the_page_says(tmp_path):
    import h5py

    # Column by column, as MATLAB writes: what it calls (3, 256).
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["signal"] = WALK
    np.testing.assert_array_equal(h5py.File(tmp_path / "a.mat")["signal"][:], WALK)
    assert 'h5py.File(path)["signal"][:]' in TEXT
    assert sys.version_info >= (3, 11)
