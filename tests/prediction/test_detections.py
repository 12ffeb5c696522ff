"""Hits of windows and frames become events, and recordings the answer of their windows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqconv.data.windows import cut_frames
from seqconv.errors import ConfigError
from seqconv.evaluation.recordings import aggregate_windows
from seqconv.prediction.event_detection import DetectionRules, detect_events, filter_hits, merge_hits, window_slots
from seqconv.tasks.target import DecisionRule, Target

CLASSES = Target("classification", ("bark", "none", "song"))
SETS = Target("multilabel", ("bark", "song"))


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 20))
def test_slots_of_windows_tile_the_recording(length, size, step):
    _, firsts, counts = cut_frames([length], size, min(size, step))
    starts, ends = window_slots(firsts, firsts + counts)
    assert starts[0] == 0
    assert ends[-1] in (length, length - 1)
    np.testing.assert_allclose(starts[1:], ends[:-1])
    assert (starts >= firsts).all()
    assert (ends <= firsts + counts).all()


def test_slots_stay_within_windows_that_lie_apart():
    starts, ends = window_slots([0.0, 10.0], [1.0, 11.0])
    assert (starts.tolist(), ends.tolist()) == ([0.0, 10.0], [1.0, 11.0])


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.sampled_from([0.0, 1.0, 2.5]))
def test_each_hit_lies_in_one_event_and_nothing_else_does(drawn, max_gap):
    probabilities = np.eye(3)[drawn] * 0.8 + 0.05
    starts = np.arange(len(drawn), dtype=float)
    found = merge_hits(starts, starts + 1, probabilities, CLASSES, DetectionRules("none", max_gap))
    assert "none" not in set(found["label"])
    assert found["start"].is_monotonic_increasing
    for place, name in ((0, "bark"), (2, "song")):
        events = found[found["label"] == name]
        hits = [time for time, drawn_class in enumerate(drawn) if drawn_class == place]
        owners = [((events["start"] <= time) & (events["end"] >= time + 1)).sum() for time in hits]
        assert owners == [1] * len(hits)
        gaps = events["start"].to_numpy()[1:] - events["end"].to_numpy()[:-1]
        assert (gaps > max_gap).all()
        inside = sum(end - start for start, end in zip(events["start"], events["end"], strict=True))
        assert inside >= len(hits)
        if not max_gap:
            assert inside == len(hits)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 6))
def test_filtered_hits_are_medians(drawn, half):
    hits = np.array(drawn)[:, None]
    padded = np.pad(hits[:, 0], half, mode="edge")
    expected = [bool(np.median(padded[place : place + 2 * half + 1])) for place in range(len(hits))]
    assert filter_hits(hits, 2 * half + 1)[:, 0].tolist() == expected


@pytest.mark.parametrize(("median", "events"), [(0.0, [(0, 1), (2, 6), (7, 8)]), (3.0, [(0, 7)]), (2.9, [(0, 7)])])
def test_a_median_filter_is_as_wide_as_its_seconds(median, events):
    likely = np.array([1, 0, 1, 1, 1, 1, 0, 1, 0, 0])
    probabilities = np.stack([likely * 0.8 + 0.1, np.full(10, 0.05)], axis=1)
    starts = np.arange(10.0)
    found = merge_hits(starts, starts + 1, probabilities, SETS, DetectionRules(median=median))
    assert found[["start", "end"]].to_numpy().tolist() == [list(map(float, event)) for event in events]


def test_thresholds_and_short_events():
    probabilities = np.array([[0.6, 0.2], [0.7, 0.9], [0.1, 0.55], [0.2, 0.1]])
    starts = np.arange(4.0)
    found = merge_hits(starts, starts + 1, probabilities, SETS, DetectionRules())
    assert found.to_numpy().tolist() == [[0.0, 2.0, "bark", 0.7], [1.0, 3.0, "song", 0.9]]
    chosen = DecisionRule(SETS, thresholds=(0.65, 0.8))
    strict = merge_hits(starts, starts + 1, probabilities, SETS, DetectionRules(decisions=chosen, min_seconds=1.0))
    assert strict.to_numpy().tolist() == [[1.0, 2.0, "bark", 0.7], [1.0, 2.0, "song", 0.9]]
    low = merge_hits(starts, starts + 1, probabilities, SETS, DetectionRules(decisions=chosen, threshold=0.2))
    expected = [[0.0, 2.0, "bark", 0.7], [0.0, 3.0, "song", 0.9], [3.0, 4.0, "bark", 0.2]]
    assert low.to_numpy().tolist() == expected
    assert merge_hits(starts, starts + 1, probabilities, SETS, DetectionRules(min_seconds=3.0)).empty


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"max_gap": -1.0}, "max_gap is -1: expected seconds, 0 or more"),
        ({"min_seconds": float("nan")}, "min_seconds is nan: expected seconds"),
        ({"threshold": 2.0}, "threshold is 2: expected a probability, above 0 and up to 1"),
        ({"threshold": 0.0}, "threshold is 0: expected a probability"),
    ],
)
def test_rules_that_would_find_nothing_or_everything_are_refused(rules, message):
    with pytest.raises(ConfigError, match=message):
        DetectionRules(**rules)


def test_frames_of_windows_that_overlap_count_once():
    times = np.array([0.0, 0.1, 0.2, 0.2, 0.3, 0.4])
    table = pd.DataFrame(
        {
            "recording": "tape",
            "time": times,
            "p_bark": [0.1, 0.1, 0.9, 0.3, 0.9, 0.1],
            "p_none": [0.8, 0.8, 0.05, 0.6, 0.05, 0.8],
            "p_song": [0.1, 0.1, 0.05, 0.1, 0.05, 0.1],
        }
    )
    found = detect_events(table.iloc[[3, 4, 5, 0, 1, 2]], CLASSES, DetectionRules("none"), 0.1)
    assert found.to_numpy().tolist() == [["tape", 0.2, 0.4, "bark", 0.9]]
    nothing = detect_events(table.iloc[:2], CLASSES, DetectionRules("none"), 0.1)
    assert list(nothing.columns) == ["id", "start", "end", "label", "score"]
    assert nothing.empty


values = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(values)
def test_a_soft_maximum_lies_between_mean_and_maximum(drawn):
    rows, owners = np.array(drawn)[:, None], np.zeros(len(drawn), int)
    mean, lse, highest = (aggregate_windows(rows, owners, how)[0, 0] for how in ("mean", "lse", "max"))
    assert mean == pytest.approx(np.mean(drawn))
    assert highest == max(drawn)
    assert mean - 1e-9 <= lse <= highest + 1e-9


def test_windows_answer_for_their_own_recording():
    rows = np.array([[1.0, 0.0], [0.0, 0.5], [0.5, 0.5]])
    assert aggregate_windows(rows, np.array([1, 0, 1]), "mean").tolist() == [[0.0, 0.5], [0.75, 0.25]]
