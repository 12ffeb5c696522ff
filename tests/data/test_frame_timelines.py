"""From tables of events and label files of a manifest to the label of each frame: on real recordings."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.events.annotations import read_annotations
from seqconv.data.events.frame_labels import read_timelines
from seqconv.data.manifest import load_manifest
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ManifestError
from seqconv.tasks.settings import TargetConfig

PROMPTS = Path(__file__).parents[2] / "data" / "prompts"
FEATURES = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 16}
NAMES = ["en/agent-user", "fr/agent-user", "it/agent-user", "ru/agent-user"]


@pytest.fixture
def folder(tmp_path):
    """Four real recordings in a manifest of their own."""
    frame = pd.read_csv(PROMPTS / "manifest.csv").set_index("id").loc[NAMES].reset_index()
    frame["path"] = [str(PROMPTS / path) for path in frame["path"]]
    frame = frame.drop(columns=["split", "group"]).rename(columns={"label": "language"})
    frame.to_csv(tmp_path / "manifest.csv", index=False)
    return tmp_path


def write_events(folder, rows, name="events.csv", columns=("id", "start", "end", "label")):
    pd.DataFrame(rows, columns=list(columns)).to_csv(folder / name, index=False)
    return {"events": str(folder / name)}


def read(folder, features=FEATURES, events=None, **target):
    sequences = Sequences.from_manifest(
        folder / "manifest.csv", features, num_workers=0, frame_labels=target, events=events
    )
    return sequences, sequences.labels


times = st.floats(0, 1, allow_nan=False).map(lambda value: round(value, 3))


@given(st.lists(st.tuples(times, times, st.sampled_from("abc")), min_size=1, max_size=6), st.sampled_from([80, 100]))
def test_an_event_covers_the_frames_from_its_start_up_to_its_end(drawn, hop):
    rows = [(min(a, b), max(a, b) + 0.001, name) for a, b, name in drawn]
    frame = pd.DataFrame({"id": ["x"], "start": [np.nan], "end": [np.nan]})
    table = pd.DataFrame([("x", *row) for row in rows], columns=["id", "start", "end", "label"])
    with tempfile.TemporaryDirectory() as folder:
        table.to_csv(Path(folder, "events.csv"), index=False)
        annotations = read_annotations(frame, Path(folder, "events.csv"), "negative")[1]
        timelines = read_timelines(frame, TargetConfig(task="multilabel"), hop / 8000, annotations)
    labels, _ = timelines.frame_labels([150])
    for t in range(150):
        # In samples, so that nothing is rounded.
        found = {name for name, on in zip(labels.names, labels[0][t], strict=True) if on}
        wanted = {name for a, b, name in rows if round(a * 8000) <= t * hop < round(b * 8000)}
        assert found == wanted, t


def test_events_of_real_recordings(folder):
    events = [
        ("en/agent-user", 0.1, 0.5, "en"),
        ("en/agent-user", 0.5, 1.0, "noise"),
        ("fr/agent-user", 0.2, 9.9, "fr"),
    ]
    sequences, labels = read(folder, **write_events(folder, events), background="pause")
    assert labels.names == ("en", "fr", "noise", "pause")
    first = [labels.names[code] for code in labels[0]]
    assert first[:10] == ["pause"] * 10
    assert first[10:50] == ["en"] * 40
    assert first[50:100] == ["noise"] * 50
    assert set(first[100:]) == {"pause"}
    assert len(first) == sequences.lengths[0] > 400
    assert [labels.names[code] for code in labels[1]] == ["pause"] * 20 + ["fr"] * (sequences.lengths[1] - 20)
    assert set(labels[2].tolist()) == {labels.names.index("pause")}


def test_frames_that_no_event_covers_have_no_label_without_a_background(folder):
    events = [("en/agent-user", 0.1, 0.5, "en"), ("fr/agent-user", 0, 0.3, "fr"), ("fr/agent-user", 0.3, 1.0, None)]
    _, labels = read(folder, **write_events(folder, events))
    assert labels.names == ("en", "fr")
    assert labels.num_labeled == 70
    # An event without a label takes the background away.
    _, labels = read(folder, **write_events(folder, events), background="en")
    assert labels[1][25:35].tolist() == [1] * 5 + [-1] * 5
    assert (labels[1][100:] == 0).all()


def test_overlapping_events_of_a_multilabel(folder):
    events = [("en/agent-user", 0, 0.3, "a"), ("en/agent-user", 0.1, 0.2, "b;a; c"), ("ru/agent-user", 1, 1.1, None)]
    _, labels = read(folder, task="multilabel", **write_events(folder, events))
    assert labels.names == ("a", "b", "c")
    assert labels[0][[5, 15, 25, 35]].tolist() == [[1, 0, 0], [1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert (labels[3] == -1).all(axis=1).sum() == 10
    assert (labels[2] == 0).all()


def test_a_part_of_a_recording_has_its_own_beginning(folder):
    frame = pd.read_csv(folder / "manifest.csv").iloc[[0, 0]].assign(start=[None, 0.25], end=[None, 1.0])
    frame.assign(id=["whole", "part"]).to_csv(folder / "manifest.csv", index=False)
    events = [(name, 0.3, 0.8, "speech") for name in ("whole", "part")] + [("part", 2, 3, "later")]
    sequences, labels = read(folder, **write_events(folder, events), background="pause")
    cut = labels[0][25:101]
    assert len(cut) == sequences.lengths[1] == 76
    np.testing.assert_array_equal(labels[1], cut)
    assert np.flatnonzero(labels[1] == labels.names.index("speech"))[[0, -1]].tolist() == [5, 54]


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_tables_for_each_row_beside_the_manifest(folder, suffix):
    frame = pd.read_csv(folder / "manifest.csv")
    (folder / "labels").mkdir()
    for number in range(len(frame)):
        rows = [(0.0, 0.1 * (number + 1), "a"), (1.0, 1.2, "b")]
        table = pd.DataFrame(rows, columns=["start", "end", "label"])
        table.to_csv(folder / "labels" / f"{number}{suffix}", index=False, sep="\t" if suffix == ".tsv" else ",")
    frame["label"] = [f"labels/{number}{suffix}" for number in range(len(frame))]
    frame.to_csv(folder / "manifest.csv", index=False)
    _, labels = read(folder)
    assert [(array == 0).sum() for array in labels] == [10, 20, 30, 40]
    assert [(array == 1).sum() for array in labels] == [20] * 4


def write_arrays(folder, arrays):
    frame = pd.read_csv(folder / "manifest.csv")
    for number, array in enumerate(arrays):
        np.save(folder / f"{number}.npy", array)
    frame["label"] = [f"{number}.npy" for number in range(len(frame))]
    frame.to_csv(folder / "manifest.csv", index=False)


@pytest.fixture
def lengths(folder):
    return Sequences.from_manifest(folder / "manifest.csv", FEATURES, label=None, num_workers=0).lengths.tolist()


def test_arrays_for_each_row(folder, lengths):
    write_arrays(folder, [np.full(length, name) for length, name in zip(lengths, ["a", "b", "", "a"], strict=True)])
    _, labels = read(folder)
    assert labels.names == ("a", "b")
    assert [array[0] for array in labels] == [0, 1, -1, 0]
    write_arrays(folder, [np.zeros((length, 2)) for length in lengths])
    assert read(folder, task="multilabel", columns=("x", "y"))[1].names == ("x", "y")
    assert read(folder, task="regression")[1].names == ("value_0", "value_1")


def test_arrays_of_another_length_are_told_all_at_once(folder, lengths):
    write_arrays(folder, [np.zeros(length // 2 if number else length, int) for number, length in enumerate(lengths)])
    wanted = (
        f"3 problems\n  'fr/agent-user' has {lengths[1] // 2} labels for {lengths[1]} frames: .* features.hop_length"
    )
    with pytest.raises(ManifestError, match=wanted):
        read(folder)


def test_what_is_wrong_with_label_files_is_told_all_at_once(folder):
    write_arrays(folder, [np.zeros(3, int), np.zeros(3, int), np.array([None, 1], object), np.zeros((3, 2))])
    (folder / "0.npy").write_text("no array")
    with pytest.raises(ManifestError, match=r"2 problems\n  'en/agent-user': .*0.npy' is no plain .npy.*\n  'it/agent"):
        read(folder)
    write_arrays(folder, [np.zeros(3, int)] * 4)
    with pytest.raises(ManifestError, match=r"target.background is 'pause', .* all rows name .npy files"):
        read(folder, background="pause")
    frame = pd.read_csv(folder / "manifest.csv")
    frame.assign(label=["a.csv", "1.npy", "", "fr"]).to_csv(folder / "manifest.csv", index=False)
    with pytest.raises(
        ManifestError, match=r"names no file .* row 3 \('it/agent-user'\)(.|\n)*2 of them are not there"
    ):
        read(folder)
    frame.assign(label=["0.npy", "1.npy", "manifest.csv", "manifest.csv"]).to_csv(folder / "manifest.csv", index=False)
    with pytest.raises(ManifestError, match=r"2 of 4 rows name no table of events .* '0.npy' of 'en/agent-user'"):
        read(folder)
    (folder / "0.xlsx").touch()
    frame.assign(label=["0.xlsx", *["manifest.csv"] * 3]).to_csv(folder / "manifest.csv", index=False)
    with pytest.raises(
        ManifestError, match=r"1 of 4 rows name no table of events .* \.xlsx first, by the recipe .Tables"
    ):
        read(folder)
    with pytest.raises(ManifestError, match="there is no target column 'lable'"):
        read(folder, column="lable")


def test_overlaps_are_told_by_id_with_both_events(folder):
    events = [("en/agent-user", 0, 0.6, "a"), ("en/agent-user", 0.5, 1, "b"), ("fr/agent-user", 0, 2, "a"),
              ("fr/agent-user", 0.5, 1, "a"), ("it/agent-user", 0, 3, "a"), ("it/agent-user", 1, 2, "a"),
              ("it/agent-user", 2.5, 4, "c")]  # fmt: skip
    match = (
        r"2 problems\n  'en/agent-user': the events 'a' \(0 to 0.6 s\) and 'b' \(0.5 to 1 s\) overlap.*multilabel\n"
        r"  'it/agent-user': the events 'a' \(0 to 3 s\) and 'c' \(2.5 to 4 s\)"
    )
    with pytest.raises(ManifestError, match=match):
        read(folder, **write_events(folder, events))


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([("en/agent-user", 0, "x", "a")], r"'end' must be seconds, but it is 'x' in row 1 \('en/agent-user'\)"),
        ([("en/agent-user", None, 1, "a")], "'start' must be seconds, but it is empty"),
        ([("en/agent-user", -1, 1, "a")], "'start' is before the recording begins"),
        ([("en/agent-user", 1, 1, "a")], "'end' must be after 'start', but is not in row 1"),
        ([(None, 0, 1, "a")], "'id' is empty in row 1"),
        (
            [("agent-user", 0, 1, "a")],
            r"none of the ids in column 'id' \('agent-user'\) is one of the manifest, such as 'en/agent-u",
        ),
        ([("en/agent-user", 100, 101, "a")], r"1 of 1 events start after its end at 4\.\d+ s, the first at 100 s"),
    ],
)
def test_events_that_cannot_be_are_refused(folder, rows, match):
    with pytest.raises(ManifestError, match=match):
        read(folder, **write_events(folder, rows))


def test_a_table_of_events_that_is_not_there(folder):
    with pytest.raises(ManifestError, match="no such file"):
        read(folder, events=str(folder / "nowhere.csv"))


def test_what_was_decided_is_noted(folder):
    events = [("en/agent-user", 0, 99, "a"), ("fr/agent-user", 0.001, 0.002, "b"), ("es/agent-user", 0, 1, "a")]
    frame = load_manifest(folder / "manifest.csv")
    annotations = read_annotations(frame, write_events(folder, events)["events"], "negative")[1]
    timelines = read_timelines(frame, TargetConfig(background="p"), 0.01, annotations)
    lengths = Sequences.from_manifest(frame, FEATURES, label=None, num_workers=0).lengths
    _, notes = timelines.frame_labels(lengths)
    told = "\n".join([*timelines.notes, *notes])
    assert "1 ids of the events are not in the manifest: 'es/agent-user'" in told
    assert "2 of 4 recordings have no event ('it/agent-user', 'ru/agent-user'): all their frames have 'p'" in told
    assert "1 event ends after its recording, by up to 94 s: cut" in told
    assert "1 event is so short that no frame begins within: without effect" in told
    assert timelines.label_sets() == [["a"], ["b"], [], []]


def test_precomputed_features_need_a_clock_for_events(tmp_path):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.zeros((20, 2)))
    pd.DataFrame({"path": [f"{number}.npy" for number in range(3)]}).to_csv(tmp_path / "manifest.csv", index=False)
    events = write_events(tmp_path, [("0.npy", 0.2, 0.5, "a"), ("1.npy", 0, 1.0, "b")])
    with pytest.raises(ConfigError, match=r"Set features.frame_rate to the frames in a second, or give .npy"):
        read(tmp_path, {"kind": "precomputed"}, **events)
    _, labels = read(tmp_path, {"kind": "precomputed", "frame_rate": 20}, **events)
    assert np.flatnonzero(labels[0] >= 0).tolist() == list(range(4, 10))
    assert (labels[1] >= 0).sum() == 20


def test_splits_are_made_by_the_labels_of_frames(tmp_path):
    for number in range(40):
        np.save(tmp_path / f"{number:02}.npy", np.zeros((20, 2)))
    names = [f"{number:02}.npy" for number in range(40)]
    pd.DataFrame({"path": names}).to_csv(tmp_path / "manifest.csv", index=False)
    rows = [(name, 0, 1, "ab"[number % 2]) for number, name in enumerate(names)] + [(names[7], 1, 2, "rare")]
    config = load_config(
        {
            "data": {"manifest": str(tmp_path / "manifest.csv"), "num_workers": 0, **write_events(tmp_path, rows)},
            "target": {"background": "p"},
            "features": {"kind": "precomputed", "frame_rate": 10},
            "model": {"pooling": "frames"},
        }
    )
    data = load_datasets(config.data_spec)
    assert any("stratified by the labels within each" in note for note in data.notes)
    assert data.target.names == ("a", "b", "p", "rare")
    assert names[7] in data.train.ids
    counts = [sum(labels[0] == 0 for labels in data.target.frame_labels(part.labels)) for part in data.parts().values()]
    assert [len(part) for part in data.parts().values()] == [28, 4, 8]
    assert counts == [14, 2, 4]


@pytest.mark.parametrize(
    ("target", "match"),
    [
        ({"background": "p"}, "target.background: 'p' is about labels of frames"),
        ({"frame_weight": "frame"}, "target.frame_weight: 'frame' is about labels of frames"),
    ],
)
def test_keys_of_frames_need_a_model_of_frames(target, match):
    with pytest.raises(ConfigError, match=match):
        load_config({"target": target})
    load_config({"target": target, "model": {"pooling": "frames"}})


@pytest.mark.parametrize(
    ("target", "match"),
    [
        ({"background": "p", "task": "multilabel"}, "background is the class .* but task is 'multilabel'"),
        ({"task": "regression"}, r"events have labels, and target\.task is 'regression'"),
        ({"task": "multilabel", "columns": ["a"]}, "events name their labels themselves"),
    ],
)
def test_keys_that_contradict_each_other(target, match):
    with pytest.raises(ConfigError, match=match):
        load_config({"data": {"events": "e.csv"}, "target": target, "model": {"pooling": "frames"}})


def test_the_path_of_events_starts_at_the_config(tmp_path, monkeypatch):
    (tmp_path / "c.yaml").write_text("data: {events: sub/e.csv}\nmodel: {pooling: frames}\n")
    assert load_config(tmp_path / "c.yaml").data.events == str(tmp_path / "sub" / "e.csv")
    monkeypatch.chdir(tmp_path)
    assert load_config(tmp_path / "c.yaml", ["data.events=f.csv"]).data.events == str(tmp_path / "f.csv")
