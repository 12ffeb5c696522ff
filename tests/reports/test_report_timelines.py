"""Detected and true events, as the report draws them: the same events that the scores count."""

import re

import numpy as np
import pandas as pd
import pytest
from support.composed import compose, config
from support.pages import read_page

from seqconv.metrics import EventArrays
from seqconv.reports import timelines, write_report
from seqconv.training import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return compose(tmp_path_factory.mktemp("composed") / "data")


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A run that is wrong often enough."""
    training = {"epochs": 4, "learning_rate": 1e-2}
    return train(config(folder, training=training), tmp_path_factory.mktemp("events") / "run").path


def figures_of(path):
    return read_page(path).find(id="timelines").find_all("figure")


def rows_of(figures, what):
    """Rows of the numbers under the figures: recording, start, end, class, result."""
    return [
        (figure.find("h3").text.split(",")[0], float(row["start"]), float(row["end"]), row["class"], row["result"])
        for figure in figures
        for row in figure.find("details").table()
        if row["what"] == what
    ]


def test_events_are_those_of_the_files_and_alarms_those_of_the_scores(run, folder):
    figures = figures_of(write_report(run))
    true, found = pd.read_csv(folder / "events.csv"), pd.read_csv(run / "events.csv")
    true = true[true["path"].str.startswith("test")]
    for what, ids, table in (("true", true["path"].str.removesuffix(".flac"), true), ("found", found["id"], found)):
        wanted = sorted(zip(ids, table["start"].round(4), table["end"].round(4), table["label"], strict=True))
        rows = sorted(row[:4] for row in rows_of(figures, what))
        assert [(row[0], row[3]) for row in rows] == [(row[0], row[3]) for row in wanted]
        np.testing.assert_allclose([row[1:3] for row in rows], [row[1:3] for row in wanted], atol=6e-5)
    alarms = [row for row in rows_of(figures, "found") if row[4] == "false alarm"]
    missed = [row for row in rows_of(figures, "true") if row[4] == "missed"]
    scores = pd.read_json(run / "metrics.json")["test"]["events"]
    assert len(alarms) == round(scores["false_alarms_per_hour"] * scores["hours"])
    assert missed
    assert alarms
    for name, start, end, label, _ in missed:
        of_class = found[(found["id"] == name) & (found["label"] == label)]
        assert not ((of_class["start"] < end) & (of_class["end"] > start)).any()


def test_bars_are_drawn_where_the_events_are(run):
    for figure in figures_of(write_report(run)):
        true, found = rows_of([figure], "true"), rows_of([figure], "found")
        wrong = [row for row in true + found if row[4]]
        bars, spans = [], []
        for color, drawn in {
            "--muted": [row for row in true if not row[4]],
            "--series-0": [row for row in found if not row[4]],
            "--series-1": wrong,
        }.items():
            bars += sorted(bars_of(figure, color))
            spans += sorted(row[1:3] for row in drawn)
            assert len(bars) == len(spans)
        stretch, shift = np.polyfit(np.ravel(spans), np.ravel(bars), 1)
        assert stretch > 0
        np.testing.assert_allclose(bars, stretch * np.array(spans) + shift, atol=0.01)
        summary = figure.find_all(role="img")[0]["aria-label"]
        assert f"{sum(row in true for row in wrong)} of them missed" in summary
        assert f"{sum(row in found for row in wrong)} of them false alarms" in summary


def bars_of(figure, color):
    """Left and right of each bar of a color, in units of the picture."""
    paths = [path for path in figure.find_all("path") if re.search(rf"fill: var\({color}\)", path["style"] or "")]
    places = [[float(x) for x, _ in re.findall(r"[ML] (\S+) (\S+)", path["d"])] for path in paths]
    return [(min(xs), max(xs)) for xs in places if xs]


def test_of_a_long_recording_the_worst_part_is_drawn(run, monkeypatch):
    monkeypatch.setattr(timelines, "STRETCH", 10.0)
    figures = figures_of(write_report(run))
    for figure in figures:
        name, span = figure.find("h3").text.split(", ")
        start, end = (float(each) for each in span.removesuffix(" s").split(" to "))
        assert (start % 10, end - start) == (0, pytest.approx(10, abs=0.1))
        rows = rows_of([figure], "true") + rows_of([figure], "found")
        assert rows
        assert all(low < end and high > start for _, low, high, _, _ in rows)
        assert name in {"test00", "test01"}


def test_the_part_with_the_most_wrong_is_taken():
    times = np.array([10.0, 350.0, 400.0, 650.0])
    true = EventArrays(times, times + 5, np.zeros(4, int))
    found = EventArrays(times[[0, 3]], times[[0, 3]] + 5, np.array([0, 1]))
    stretch = timelines.worst_stretch("tape", 0.0, 1000.0, true, found)
    assert (stretch.start, stretch.end, stretch.wrong) == (300.0, 600.0, 2)
    assert stretch.true.starts.tolist() == [350.0, 400.0]
    part = timelines.worst_stretch("tape", 20.0, 320.0, true, found)
    assert (part.is_whole, part.wrong, len(part.true.starts)) == (True, 0, 0), "events elsewhere in the file"


def test_a_run_without_its_recordings_or_without_events_has_no_such_pictures(run, folder, tmp_path):
    plain = config(folder, training={"epochs": 1})
    plain["data"] |= {"events_as": "sequences", "windows": None}
    plain["target"] = {}
    page = read_page(write_report(train(plain, tmp_path / "sequences").path))
    assert not page.find_all(id="timelines")
    moved = folder.rename(folder.with_name("gone"))
    try:
        page = read_page(write_report(run))
    finally:
        moved.rename(folder)
    assert not page.find_all(id="timelines")
    assert "cannot be read again" in page.text
