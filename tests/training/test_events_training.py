"""Long recordings of real speech: cut into windows and events, trained on, scored as recordings, found again."""

import json

import numpy as np
import pandas as pd
import pytest
from support.composed import compose, config

from seqconv.cli.commands import evaluate as evaluate_command
from seqconv.cli.commands import predict as predict_command
from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.data.events.label_tracks import read_label_track
from seqconv.data.events.recordings import read_recording_events
from seqconv.data.manifest import load_manifest
from seqconv.errors import ConfigError, ManifestError
from seqconv.evaluation import evaluate
from seqconv.prediction import predict_events
from seqconv.prediction.dispatch import predict, predict_tables
from seqconv.training import resume, train

LANGUAGES = ["en", "es", "fr", "it", "ru"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return compose(tmp_path_factory.mktemp("composed") / "data")


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    return train(config(folder, evaluation={"aggregate": "max"}), tmp_path_factory.mktemp("events") / "run")


def test_windows_of_real_recordings(folder):
    data = load_datasets(load_config(config(folder)).data_spec)
    windows = data.test
    assert windows.ids[:3] == ["test00@0", "test00@0.5", "test00@1"]
    assert set(windows.lengths) == {100}
    assert windows.groups[0] == "test00"
    assert data.splits["id"].tolist() == [f"train{n:02d}" for n in range(6)] + ["valid00", "test00", "test01"]
    assert set(data.target.names) == {*LANGUAGES, "nobody"}
    assert any("windows, " in note and "labeled by events" in note for note in data.notes)
    events = pd.read_csv(folder / "events.csv")
    middle = windows.metadata["start"] + 0.5
    for name, label, time in zip(windows.metadata["recording"], windows.labels, middle, strict=True):
        rows = events[events["path"] == f"{name}.flac"]
        there = set(rows["label"][(rows["start"] < time - 0.05) & (rows["end"] > time + 0.05)])
        assert there <= {label}, "an event over the middle fills half of the window"


def test_a_run_on_windows_scores_windows_recordings_and_events(run, folder):
    metrics = run.metrics["test"]
    assert metrics["macro_f1"] > 0.3
    recordings, events = metrics["recordings"], metrics["events"]
    assert (recordings["aggregate"], recordings["num_recordings"]) == ("max", 2)
    assert set(recordings["per_class"]) == set(LANGUAGES), "the background is no label of a recording"
    truth = pd.read_csv(folder / "events.csv")
    assert events["num_events"] == truth["path"].str.startswith("test").sum()
    assert events["hours"] == pytest.approx(1 / 60, rel=1e-2)
    assert events["segment_f1"] > 0.4
    assert len(events["intervals"]["event_f1"]) == 2
    table = run.evaluation.recordings
    assert table["id"].tolist() == ["test00", "test01"]
    windows = run.evaluation.predictions
    assert table["num_windows"].sum() == len(windows)
    of_first = windows[windows["id"].str.startswith("test00@")]
    assert table["p_en"][0] == pytest.approx(of_first["p_en"].max())
    text = str(run.evaluation)
    assert "recordings: 2, each by the highest of its windows" in text
    assert f"events: {events['num_events']} in 2 recordings (0.02 h), {events['num_found']} found" in text
    assert "false alarms per hour" in text
    saved = json.loads((run.path / "metrics.json").read_text("utf-8"))["test"]
    assert saved["events"]["event_f1"] == events["event_f1"]
    assert pd.read_csv(run.path / "events.csv")["id"].isin(["test00", "test01"]).all()
    assert len(pd.read_csv(run.path / "recordings.csv")) == 2


def test_evaluate_scores_the_same_and_tells_what_was_cut(run, capsys, tmp_path):
    model = str(run.path / "model.keras")
    assert evaluate_command.main(["--model", model, "--output", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    assert "119 windows" not in told.err
    assert "note: 118 windows, " in told.err
    again = json.loads((tmp_path / "out/metrics.json").read_text("utf-8"))["test"]
    before = run.metrics["test"]
    assert again["events"]["segment_f1"] == pytest.approx(before["events"]["segment_f1"])
    assert again["recordings"]["macro_f1"] == pytest.approx(before["recordings"]["macro_f1"])


def test_evaluate_wants_a_decision_about_recordings_without_events(run, folder, tmp_path, capsys):
    events = pd.read_csv(folder / "events.csv")
    table = folder / "some.csv"
    events[events["path"] != "test01.flac"].to_csv(table, index=False)
    options = ["--model", str(run.path / "model.keras"), "--events", str(table), "--output", str(tmp_path / "out")]
    assert evaluate_command.main(options) == 2
    assert "1 of 2 recordings have no event" in capsys.readouterr().err


def test_predict_cuts_files_as_training_did(run, folder):
    table = predict(run.model, [folder / "test00.flac", folder / "test01.flac"])
    assert list(table.columns[:4]) == ["id", "start", "end", "prediction"]
    windows = run.evaluation.predictions
    assert len(table) == len(windows)
    columns = [f"p_{name}" for name in run.model.card.target.names]
    np.testing.assert_allclose(table[columns], windows[columns], atol=1e-4)


def test_events_are_not_scored_without_any(run, folder):
    table = pd.DataFrame({"path": [str(folder / "test00.flac")]})
    with pytest.raises(ConfigError, match=r"was trained on events, which a table .* seqconv evaluate .* --events FILE"):
        evaluate(run.model, table)


def test_windows_come_again_with_their_file_and_events_do_not(run, folder):
    first, second = folder / "test00.flac", folder / "test01.flac"
    found = predict(run.model, [first, second, first])
    once = predict(run.model, first)
    pd.testing.assert_frame_equal(found[: len(once)], once, rtol=1e-4, atol=1e-6)
    pd.testing.assert_frame_equal(found[-len(once) :].reset_index(drop=True), once, rtol=1e-4, atol=1e-6)
    assert found["id"].nunique() == 2
    events = predict_events(run.model, [first, second, first, first])
    pd.testing.assert_frame_equal(events, predict_events(run.model, [first, second]), rtol=1e-4, atol=1e-6)


def test_hours_are_answered_piece_by_piece(run, folder, monkeypatch):
    whole = predict(run.model, folder / "test00.flac")
    monkeypatch.setattr("seqconv.prediction.windows._FRAMES_AT_ONCE", 1000)
    pieces = list(predict_tables(run.model, [folder / "test00.flac"]))
    assert [len(piece) for piece in pieces] == [10, 10, 10, 10, 10, 9]
    pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), whole, rtol=1e-4, atol=1e-6)
    found = predict_events(run.model, folder / "test00.flac")
    assert len(found) == (run.evaluation.events["id"] == "test00").sum(), "no event is cut where a piece ends"


def test_events_are_found_as_the_evaluation_found_them(run, folder):
    found = predict_events(run.path / "model.keras", folder / "test00.flac")
    expected = run.evaluation.events
    expected = expected[expected["id"] == "test00"].reset_index(drop=True)
    assert found["label"].tolist() == expected["label"].tolist()
    np.testing.assert_allclose(found[["start", "end"]], expected[["start", "end"]], atol=1e-6)
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-4)
    assert set(found["id"]) == {str(folder / "test00.flac")}
    assert (found["end"] > found["start"]).all()
    long = predict_events(run.model, folder / "test00.flac", min_seconds=1.0, max_gap=1.0)
    assert len(long) < len(found)
    assert (long["end"] - long["start"] >= 1.0 - 1e-6).all()
    sure = predict_events(run.model, folder / "test00.flac", threshold=0.9)
    assert (sure["score"] >= 0.9).all()


def test_predict_writes_tables_and_label_tracks(run, folder, tmp_path, capsys):
    model, first = str(run.path / "model.keras"), str(folder / "test00.flac")

    def call(*options):
        return predict_command.main(["--model", model, first, *options])

    assert call("--events", "--output", str(tmp_path / "e.csv")) == 0
    table = pd.read_csv(tmp_path / "e.csv")
    assert list(table.columns) == ["id", "start", "end", "label", "score"]
    assert f"wrote {len(table)} events of 1 recording to" in capsys.readouterr().err
    assert call("--events", "--output", str(tmp_path / "e.txt")) == 0
    track = read_label_track(tmp_path / "e.txt")
    assert track["label"].tolist() == table["label"].tolist()
    np.testing.assert_allclose(track["start"].astype(float), table["start"], atol=1e-6)
    assert call("--events", "--format", "audacity", "--output", str(tmp_path / "e.lab")) == 0
    assert (tmp_path / "e.lab").read_text() == (tmp_path / "e.txt").read_text(), "a file, whatever it is called"
    assert call(str(folder / "test01.flac"), "--events", "--output", str(tmp_path / "tracks")) == 0
    assert sorted(path.name for path in (tmp_path / "tracks").iterdir()) == ["test00.txt", "test01.txt"]
    assert (tmp_path / "tracks/test00.txt").read_text() == (tmp_path / "e.txt").read_text()
    capsys.readouterr()
    assert call("--events", "--format", "jsonl") == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["label"] for row in printed] == table["label"].tolist()
    assert call(str(folder / "test01.flac"), "--events", "--output", str(tmp_path / "two.txt")) == 2
    assert "a label track is of one recording, and these are 2" in capsys.readouterr().err
    assert call("--max-gap", "1") == 2
    assert "--max-gap: this is about events. Add --events" in capsys.readouterr().err
    assert call("--output", str(tmp_path / "x.txt")) == 2
    assert "this is about events. Add --events" in capsys.readouterr().err


def test_selection_tables_of_raven_are_written_and_read_back(run, folder, tmp_path, capsys):
    first, second = str(folder / "test00.flac"), str(folder / "test01.flac")

    def call(*options):
        return predict_command.main(["--model", str(run.path), *map(str, options)])

    assert call(first, second, "--events", "--output", tmp_path / "e.csv") == 0
    assert call(first, "--output", tmp_path / "e.selections.txt") == 0
    assert call(first, second, "--format", "raven", "--output", tmp_path / "tables") == 0
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        "test00.selections.txt",
        "test01.selections.txt",
    ]
    assert (tmp_path / "tables/test00.selections.txt").read_text() == (tmp_path / "e.selections.txt").read_text()
    written = pd.read_csv(tmp_path / "e.csv")
    rows = written[written["id"] == first]
    table = pd.read_csv(tmp_path / "e.selections.txt", sep="\t")
    assert list(table)[:7] == [
        *("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)"),
    ]
    assert table["Selection"].tolist() == list(range(1, len(rows) + 1))
    assert (set(table["View"]), set(table["Channel"])) == ({"Spectrogram 1"}, {1})
    assert (set(table["Low Freq (Hz)"]), set(table["High Freq (Hz)"])) == ({0}, {4000})
    np.testing.assert_allclose(table[["Begin Time (s)", "score"]], rows[["start", "score"]], atol=1e-6)
    manifest = load_manifest(pd.DataFrame({"id": ["one", "two"], "path": [first, second]}))
    for source in (tmp_path / "tables", tmp_path / "e.selections.txt"):
        found = read_recording_events(source, manifest)
        assert found.problems == []
        names = ["one", "two"] if source.is_dir() else ["one"]
        for name, path in zip(names, (first, second), strict=False):
            expected = written[written["id"] == path]
            np.testing.assert_allclose(found.by_id[name].starts, expected["start"], atol=1e-6)
            np.testing.assert_allclose(found.by_id[name].ends, expected["end"], atol=1e-6)
            assert list(found.by_id[name].labels) == expected["label"].tolist()
    capsys.readouterr()
    assert call(first, second, "--output", tmp_path / "two.selections.txt") == 2
    said = capsys.readouterr().err
    assert "a selection table is of one recording, and these are 2" in said
    assert "--format raven" in said


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_answered(run, folder, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    with pytest.warns(UserWarning, match="1 of 2 files have no prediction"):
        table = predict(run.model, [tmp_path / "bad.wav", folder / "test00.flac"], quarantine=(bad := []))
    assert set(table["id"]) == {str(folder / "test00.flac")}
    assert [each.id for each in bad] == [str(tmp_path / "bad.wav")]


def test_a_finished_run_is_scored_again(run):
    again = resume(run.path)
    assert again.metrics["test"]["events"] == run.metrics["test"]["events"]


def test_recordings_that_nobody_labeled_are_left_out(folder, tmp_path):
    events = pd.read_csv(folder / "events.csv")
    events["path"] = [str(folder / path) for path in events["path"]]
    table = tmp_path / "events.csv"
    events[~events["path"].str.contains("train01|test01")].to_csv(table, index=False)
    left = {"events": str(table), "unlabeled": "ignore"}
    data = load_datasets(load_config(config(folder, data=left)).data_spec)
    assert data.splits["id"].tolist() == ["train00", *(f"train0{n}" for n in range(2, 6)), "valid00", "test00"]
    assert any("left out (data.unlabeled)" in note for note in data.notes)
    kept = load_datasets(load_config(config(folder, data={**left, "unlabeled": "negative"})).data_spec)
    of_one = [label for name, label in zip(kept.train.groups, kept.train.labels, strict=True) if name == "train01"]
    assert set(of_one) == {"nobody"}
    with pytest.raises(ManifestError, match=r"2 of 9 recordings have no event in .*: 'train01', 'test01'"):
        load_datasets(load_config(config(folder, data={**left, "unlabeled": None})).data_spec)


def test_recordings_without_splits_are_cut_whole(folder, tmp_path):
    frame = pd.read_csv(folder / "manifest.csv").drop(columns="split")
    frame["path"] = [str(folder / path) for path in frame["path"]]
    frame.to_csv(tmp_path / "m.csv", index=False)
    data = load_datasets(load_config(config(folder, data={"manifest": str(tmp_path / "m.csv")})).data_spec)
    groups = [set(part.groups) for part in data.parts().values()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 9
    assert any("stratified by the labels within each" in note for note in data.notes)


def test_a_manifest_that_is_not_made_yet_names_the_command(tmp_path):
    data = {"manifest": str(tmp_path / "m.csv"), "made_by": "make it"}
    with pytest.raises(ManifestError, match=r"m\.csv' is not there yet\. Make it with: make it"):
        load_datasets(load_config({"data": data}).data_spec)


def test_sequences_in_memory_are_cut_beforehand(folder):
    sections = config(folder)
    data = load_datasets(load_config(sections).data_spec)
    with pytest.raises(
        ConfigError, match=r"data\.windows cuts the recordings of a manifest, but sequences were passed"
    ):
        load_datasets(load_config(sections).data_spec, data.train)


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"target": {"background": None}},
            r"data\.windows\.keep_empty: windows without an event are kept, but have no",
        ),
        ({"data": {"windows": {"seconds": 1, "keep_empty": False}}}, r"target\.background: 'nobody' is the class of"),
        ({"data": {"events": None, "unlabeled": "negative"}}, r"unlabeled is 'negative', but events names no table"),
        ({"data": {"windows": None, "events_as": "windows"}}, r"Set windows\.seconds"),
        ({"data": {"events_as": "frames"}}, r"data\.events_as: 'frames' does not fit model\.pooling"),
        ({"data": {"events_as": "windows"}, "model": {"pooling": "frames"}}, r"pooling to something other than"),
        ({"data": {"events_as": "sequences"}}, r"events_as is 'sequences', but windows is set"),
        (
            {"data": {"windows": None, "unlabeled": "negative"}, "target": {"background": None}},
            r"data\.unlabeled: where events are the sequences",
        ),
        ({"target": {"task": "regression", "background": None}}, r"data\.events: events have labels, and target\.task"),
        ({"features": {"kind": "precomputed"}}, r"data\.windows: these are seconds, .* Set features\.frame_rate"),
        (
            {"data": {"windows": {"seconds": 0.004}}},
            r"data\.windows\.seconds: 0\.004 is shorter than a frame, .* 0\.01 s",
        ),
        (
            {"data": {"windows": {"seconds": 1, "min_overlap": 0.7}}, "model": {"pooling": "frames"}},
            r"data\.windows\.min_overlap: 0\.7 .* 'frames' labels each frame of a window by itself\. Remove it",
        ),
        (
            {"data": {"windows": {"seconds": 1, "min_overlap": 0.7}, "events": None}, "target": {"background": None}},
            r"data\.windows\.min_overlap: 0\.7 .* there is no data\.events\. Remove it",
        ),
        (
            {"data": {"windows": {"seconds": 1, "keep_empty": False}, "events": None}, "target": {"background": None}},
            r"data\.windows\.keep_empty: false leaves out windows without an event, but there is no data\.events",
        ),
        ({"target": {"frame_weight": "frame"}}, r"target\.frame_weight: 'frame' is about labels of frames"),
    ],
)
def test_settings_that_do_not_fit_each_other(folder, sections, message):
    if sections.get("features"):
        sections = {**config(folder, **sections), "features": sections["features"]}
    else:
        sections = config(folder, **sections)
    with pytest.raises(ConfigError, match=message):
        load_config(sections)
