"""One way from a manifest to labeled sequences: training, evaluation and notebooks read the same, and read it once."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from seqconv.config import load_config
from seqconv.data.datasets import load_datasets, load_sequences
from seqconv.data.manifest import opening
from seqconv.data.manifest.loading import read_manifest
from seqconv.data.manifest.splits import select_split
from seqconv.data.sequences import Sequences

FEATURES = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve recordings of two seconds in three splits, and events in each."""
    folder, rng = tmp_path_factory.mktemp("recordings"), np.random.default_rng(0)
    rows = []
    for number in range(12):
        soundfile.write(folder / f"{number}.wav", rng.uniform(-0.5, 0.5, 16000), 8000)
        split = ("train", "train", "valid", "test")[number % 4]
        rows.append({"path": f"{number}.wav", "label": "ab"[number // 4 % 2], "split": split})
    pd.DataFrame(rows).to_csv(folder / "m.csv", index=False)
    events = [{"path": f"{n}.wav", "start": t, "end": t + 0.5, "label": "ab"[t]} for n in range(12) for t in (0, 1)]
    pd.DataFrame(events).to_csv(folder / "e.csv", index=False)
    return folder


SECTIONS = {
    "columns": {},
    "windows of labels": {"data": {"windows": {"seconds": 0.5}}},
    "windows of events": {"data": {"windows": {"seconds": 0.5}, "events": "e.csv"}},
    "events": {"data": {"events": "e.csv"}},
    "frames": {"data": {"events": "e.csv"}, "model": {"pooling": "frames"}, "target": {"background": "-"}},
}


def spec_of(folder, kind):
    sections = SECTIONS[kind]
    places = {"manifest": str(folder / "m.csv"), "cache_dir": str(folder / "cache"), "num_workers": 0}
    data = {**sections.get("data", {}), **places}
    if "events" in data:
        data["events"] = str(folder / data["events"])
    background = {} if kind in ("columns", "windows of labels", "events") else {"target": {"background": "-"}}
    return load_config({"features": FEATURES, **sections, **background, "data": data}).data_spec


def content(data):
    labels = [array.tolist() for array in data.labels.arrays] if hasattr(data.labels, "arrays") else data.labels
    return data.ids, data.lengths.tolist(), labels, data.groups, data.metadata.drop(columns="split").values.tolist()


@pytest.mark.parametrize("kind", SECTIONS)
def test_training_and_evaluation_read_the_same(folder, kind):
    spec = spec_of(folder, kind)
    test = load_datasets(spec).test
    found = load_sequences(spec.data.manifest, spec, "test")
    assert str(content(found)) == str(content(test))
    np.testing.assert_array_equal(found[0], test[0])
    # A manifest that is there already is taken as it is.
    again = load_sequences(select_split(read_manifest(spec.data.manifest), "test"), spec)
    assert again.ids == found.ids


def test_a_notebook_reads_the_same(folder):
    spec = spec_of(folder, "columns")
    options = {"split": "test", "cache_dir": folder / "cache", "num_workers": 0}
    found = Sequences.from_manifest(folder / "m.csv", FEATURES, **options)
    assert str(content(found)) == str(content(load_sequences(spec.data.manifest, spec, "test")))
    assert Sequences.from_manifest(folder / "m.csv", FEATURES, label=None, **options).labels is None


@pytest.mark.parametrize("kind", SECTIONS)
def test_a_manifest_is_loaded_once(folder, kind, monkeypatch):
    loads, load = [], opening.build_frame
    monkeypatch.setattr(opening, "build_frame", lambda *arguments: loads.append(1) or load(*arguments))
    load_datasets(spec_of(folder, kind))
    assert len(loads) == 1


def test_notes_survive_selections_and_pandas(folder):
    spec = spec_of(folder, "windows of events")
    data = load_sequences(spec.data.manifest, spec)
    assert any("windows, " in note for note in data.notes)
    assert data.subset([0, 1]).where("split", data.metadata["split"][0]).with_labels(None).notes == data.notes
    assert data.provenance.cut == data.subset([0]).provenance.cut == "windows"
    assert not data.metadata.attrs
