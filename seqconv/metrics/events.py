"""Scores of detected events: by segments, by events, and false alarms.

Source: A. Mesaros, T. Heittola, T. Virtanen, "Metrics for Polyphonic Sound Event Detection", Applied Sciences 6(6),
2016, sections 3.1 and 3.2; the defaults are those of the authors' sed_eval.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seqconv.metrics.checks import FloatArray, IntArray, plain
from seqconv.metrics.means import mean_of_finite, ratio

OFFSET_SHARE = 0.5
"""The end of a long event may be off by this part of its length, because ends are hard to hear."""
_TOLERANCE = 1e-9


class EventArrays(NamedTuple):
    """Events of one recording: `starts`, `ends` in seconds and `classes`, all `(n,)`."""

    starts: FloatArray
    ends: FloatArray
    classes: IntArray


class EventCounts(NamedTuple):
    """Counts that add up over recordings, `(recordings, classes)`: correct, true and detected segments and events.

    `false_alarms`: found events at a time at which nothing of their class is true. `hours`: of each recording.
    """

    segment_hits: FloatArray
    segments_true: FloatArray
    segments_found: FloatArray
    hits: FloatArray
    true: FloatArray
    found: FloatArray
    false_alarms: FloatArray
    hours: FloatArray

    def total(self, copies: FloatArray) -> "EventCounts":
        """Return the sums over recordings, `(classes,)`, of which recording i counts `copies[i]` times."""
        return EventCounts._make(copies @ counts for counts in self)


def count_events(
    truth: Sequence[EventArrays],
    found: Sequence[EventArrays],
    spans: Sequence[tuple[float, float]],
    num_classes: int,
    *,
    segment: float = 1.0,
    collar: float = 0.2,
) -> EventCounts:
    """Compare detected with true events, recording by recording.

    A segment is right for a class that is true and found somewhere in it. An event is right when it begins within
    `collar` of a true one of its class, and ends within `collar`, or half the length of the true one where that is
    more; each is matched once, so that as many as possible are.

    Args:
        truth, found: of each recording.
        spans: start and end of each recording in seconds; events are cut to it.
        num_classes: classes are numbers below it.
        segment: length of a segment in seconds.
        collar: seconds.
    """
    rows: list[FloatArray] = []
    for true_events, found_events, (start, end) in zip(truth, found, spans, strict=True):
        true, given = _clip(true_events, start, end), _clip(found_events, start, end)
        active, answered = (_segments(events, start, end, segment, num_classes) for events in (true, given))
        sums = [(active & answered).sum(axis=0), active.sum(axis=0), answered.sum(axis=0)]
        sums += [_matches(true, given, num_classes, collar)]
        sums += [np.bincount(events.classes, minlength=num_classes) for events in (true, given)]
        sums += [np.bincount(given.classes[is_unmet(given, true)], minlength=num_classes)]
        rows.append(np.stack(sums).astype(np.float64))
    hours = np.array([(end - start) / 3600 for start, end in spans])
    return EventCounts._make([*np.stack(rows, axis=1), hours])


def event_scorer(counts: EventCounts) -> Callable[[IntArray], dict[str, float]]:
    """Return a function from indices of recordings (with repetition) to the scores over them; NaN if undefined."""

    def scores(indices: IntArray) -> dict[str, float]:
        total = counts.total(np.bincount(indices, minlength=len(counts.hours)).astype(np.float64))
        segments = 2 * total.segment_hits, total.segments_true + total.segments_found
        events = 2 * total.hits, total.true + total.found
        return {
            "segment_f1": float(ratio(*map(np.sum, segments))),
            "segment_macro_f1": mean_of_finite(ratio(*segments)),
            "event_f1": float(ratio(*map(np.sum, events))),
            "event_macro_f1": mean_of_finite(ratio(*events)),
            "event_precision": float(ratio(total.hits.sum(), total.found.sum())),
            "event_recall": float(ratio(total.hits.sum(), total.true.sum())),
            "false_alarms_per_hour": float(ratio(total.false_alarms.sum(), total.hours)),
        }

    return scores


def event_scores(counts: EventCounts, names: Sequence[str]) -> dict[str, Any]:
    """Return all scores: F1 over all classes together (micro), its mean over classes (macro), and `per_class`.

    >>> truth = EventArrays(np.array([1.0, 5.0]), np.array([2.0, 7.0]), np.array([0, 0]))
    >>> found = EventArrays(np.array([1.1, 8.5]), np.array([2.0, 9.0]), np.array([0, 0]))
    >>> scores = event_scores(count_events([truth], [found], [(0.0, 10.0)], 1), ["bark"])
    >>> scores["event_f1"], scores["segment_f1"], round(scores["false_alarms_per_hour"])
    (0.5, 0.4, 360)
    """
    overall = event_scorer(counts)(np.arange(len(counts.hours)))
    total = counts.total(np.ones(len(counts.hours)))
    by_segment = ratio(2 * total.segment_hits, total.segments_true + total.segments_found)
    by_event = ratio(2 * total.hits, total.true + total.found)
    return {
        "hours": float(counts.hours.sum()),
        "num_events": int(counts.true.sum()),
        "num_found": int(counts.found.sum()),
        **{name: plain(value) for name, value in overall.items()},
        "per_class": {
            name: {
                "segment_f1": plain(by_segment[place]),
                "event_f1": plain(by_event[place]),
                "false_alarms_per_hour": plain(ratio(total.false_alarms[place], counts.hours.sum())),
                "events": int(total.true[place]),
                "found": int(total.found[place]),
            }
            for place, name in enumerate(names)
        },
    }


def is_unmet(events: EventArrays, others: EventArrays) -> npt.NDArray[np.bool_]:
    """Return which events share no moment with one of `others` of their class, `(n,)`: false alarms, or missed events.

    >>> one = EventArrays(np.array([1.0, 5.0]), np.array([2.0, 7.0]), np.array([0, 0]))
    >>> is_unmet(one, EventArrays(np.array([1.5, 5.0]), np.array([3.0, 7.0]), np.array([0, 1]))).tolist()
    [False, True]
    """
    overlaps = (events.classes[:, None] == others.classes) & (
        np.minimum(events.ends[:, None], others.ends) > np.maximum(events.starts[:, None], others.starts) + _TOLERANCE
    )
    return np.asarray(~overlaps.any(axis=1))


def _clip(events: EventArrays, start: float, end: float) -> EventArrays:
    starts, ends = np.maximum(events.starts, start), np.minimum(events.ends, end)
    there = ends > starts + _TOLERANCE
    return EventArrays(starts[there], ends[there], events.classes[there])


def _segments(events: EventArrays, start: float, end: float, seconds: float, num_classes: int) -> npt.NDArray[np.bool_]:
    """Return which classes are somewhere in each segment, `(segments, classes)`."""
    count = max(1, int(np.ceil((end - start) / seconds - _TOLERANCE)))
    active = np.zeros((count, num_classes), bool)
    firsts = np.floor((events.starts - start) / seconds + _TOLERANCE).astype(int)
    lasts = np.ceil((events.ends - start) / seconds - _TOLERANCE).astype(int)
    for first, last, number in zip(firsts, lasts, events.classes, strict=True):
        active[first:last, number] = True
    return active


def _matches(truth: EventArrays, found: EventArrays, num_classes: int, collar: float) -> FloatArray:
    """Return how many events of each class are correct, in the best of all matchings."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    hits = np.zeros(num_classes)
    for number in np.intersect1d(truth.classes, found.classes):
        true, given = truth.classes == number, found.classes == number
        starts, ends = truth.starts[true][:, None], truth.ends[true][:, None]
        slack = np.maximum(collar, OFFSET_SHARE * (ends - starts))
        is_near = np.abs(found.starts[given] - starts) <= collar + _TOLERANCE
        is_near &= np.abs(found.ends[given] - ends) <= slack + _TOLERANCE
        if is_near.any():
            hits[number] = (maximum_bipartite_matching(csr_array(is_near)) >= 0).sum()
    return hits
