"""Scores of events, against definitions written out and against sed_eval's own numbers."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqconv.metrics import EventArrays, count_events, event_scorer, event_scores

times = st.integers(0, 80).map(lambda tenth: tenth / 10)
events = st.lists(st.tuples(times, st.integers(1, 30).map(lambda tenth: tenth / 10), st.integers(0, 1)), max_size=5)


def arrays(rows):
    rows = [(start, start + seconds, number) for start, seconds, number in rows]
    values = np.array(rows, float).reshape(-1, 3)
    return EventArrays(values[:, 0], values[:, 1], values[:, 2].astype(int))


def near(true, found, collar):
    slack = max(collar, 0.5 * (true[1] - true[0]))
    return abs(true[0] - found[0]) <= collar + 1e-9 and abs(true[1] - found[1]) <= slack + 1e-9


def most_matches(truth, found, collar):
    """By trying all of them."""
    best = 0
    for count in range(min(len(truth), len(found)), 0, -1):
        for chosen in itertools.combinations(truth, count):
            if any(
                all(near(one, other, collar) for one, other in zip(chosen, order, strict=True))
                for order in itertools.permutations(found, count)
            ):
                best = max(best, count)
    return best


@settings(deadline=None)
@given(events, events)
def test_counts_are_those_of_the_definitions(first, second):
    truth, found = arrays(first), arrays(second)
    counts = count_events([truth], [found], [(0.0, 12.0)], 2, segment=0.5, collar=0.3)
    for number in (0, 1):
        sides = [
            [(s, e) for s, e, n in zip(side.starts, side.ends, side.classes, strict=True) if n == number]
            for side in (truth, found)
        ]
        active = [
            {k for k in range(24) for s, e in side if min(e, (k + 1) / 2) - max(s, k / 2) > 1e-9} for side in sides
        ]
        assert counts.segment_hits[0, number] == len(active[0] & active[1])
        assert counts.segments_true[0, number] == len(active[0])
        assert counts.segments_found[0, number] == len(active[1])
        assert counts.hits[0, number] == most_matches(*sides, 0.3)
        alarms = [one for one in sides[1] if all(min(one[1], e) - max(one[0], s) <= 1e-9 for s, e in sides[0])]
        assert counts.false_alarms[0, number] == len(alarms)


@given(events, st.integers(1, 4))
def test_the_truth_is_perfect_and_copies_change_nothing(rows, copies):
    truth = arrays(rows)
    counts = count_events([truth, truth], [truth, truth], [(0.0, 12.0)] * 2, 2)
    scores = event_scorer(counts)(np.array([0] * copies))
    assert scores == pytest.approx(event_scorer(counts)(np.array([0, 1])), nan_ok=True)
    if rows:
        assert scores["segment_f1"] == scores["event_f1"] == 1
    assert scores["false_alarms_per_hour"] == 0


def test_nothing_there_and_nothing_found():
    nothing = arrays([])
    scores = event_scores(count_events([nothing], [nothing], [(0.0, 3600.0)], 1), ["a"])
    assert scores["event_f1"] is None
    assert scores["false_alarms_per_hour"] == 0
    found = event_scores(count_events([nothing], [arrays([(1, 2, 0)])], [(0.0, 1800.0)], 1), ["a"])
    assert found["event_f1"] == found["segment_f1"] == 0
    assert found["false_alarms_per_hour"] == 2
    assert found["per_class"]["a"]["found"] == 1


def test_events_are_cut_to_the_part_that_was_read():
    truth, found = arrays([(4.0, 3.0, 0)]), arrays([(5.0, 1.0, 0)])
    counts = count_events([truth], [found], [(5.0, 6.0)], 1)
    assert counts.hits.tolist() == [[1.0]]
    assert counts.segments_true.tolist() == [[1.0]]


def test_numbers_are_those_of_sed_eval():
    """tests/golden/regenerate_events.py asks the authors' own program."""
    golden = json.loads((Path(__file__).parents[1] / "golden" / "events1.json").read_text("utf-8"))
    names = golden["classes"]
    sides = [
        [arrays([(start, end - start, names.index(label)) for _, start, end, label in rows]) for rows in golden[side]]
        for side in ("truth", "found")
    ]
    spans = [(0.0, golden["seconds"])] * len(sides[0])
    counts = count_events(*sides, spans, len(names), segment=golden["segment"], collar=golden["collar"])
    scores = event_scores(counts, names)
    assert {name: scores[name] for name in golden["scores"]} == pytest.approx(golden["scores"])
    assert scores["hours"] == pytest.approx(1.5 / 60)
