"""Events from a model: hits of windows or frames next to each other, merged."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.errors import ConfigError
from seqconv.tasks.target import DecisionRule, Target

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
COLUMNS = ("id", "start", "end", "label", "score")
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class DetectionRules:
    """Rules that decide what counts as an event.

    `background`: the class that is none. `max_gap`: hits of a class with at most so many seconds between them are one
    event. `min_seconds`: shorter events are left out. `threshold`: probability from which on a class (of several
    classes also the most probable one) is a hit; None: what `decisions` give, by default the most probable class, or
    labels from 0.5 on. `median`: width in seconds of a median filter over the hits of each class, which comes first; it
    is rounded to an odd number of frames or windows.

    Raises:
        ConfigError: seconds below 0, or a threshold that is no probability.
    """

    background: str | None = None
    max_gap: float = 0.0
    min_seconds: float = 0.0
    threshold: float | None = None
    decisions: DecisionRule | None = None
    median: float = 0.0

    def __post_init__(self) -> None:
        for name in ("median", "max_gap", "min_seconds"):
            value = getattr(self, name)
            if not 0 <= value < np.inf:
                raise ConfigError(f"{name} is {value:g}: expected seconds, 0 or more")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise ConfigError(f"threshold is {self.threshold:g}: expected a probability, above 0 and up to 1")


def detect_events(table: pd.DataFrame, target: Target, rules: DetectionRules, frame_seconds: float) -> pd.DataFrame:
    """Return the events in predictions of windows, or of frames, of some recordings.

    Args:
        table: columns `recording`, `start`, `end` (of windows) or `time` (of frames), and `p_<name>`.
        target: the classes.
        rules: what counts as an event.
        frame_seconds: from one output frame to the next.

    Returns:
        Columns `id`, `start`, `end`, `label`, `score`; recordings in the order of the table.
    """
    columns = [f"p_{name}" for name in target.names]
    found = []
    for recording, rows in table.groupby("recording", sort=False):
        if "time" in rows:
            # Windows that overlap have predicted some frames more than once.
            rows = rows.groupby("time", as_index=False)[columns].mean()
            starts = rows["time"].to_numpy(np.float64)
            ends = np.minimum(np.append(starts[1:], np.inf), starts + frame_seconds)
        else:
            rows = rows.sort_values("start", kind="stable")
            starts, ends = window_slots(rows["start"], rows["end"])
        events = merge_hits(starts, ends, rows[columns].to_numpy(np.float64), target, rules)
        events.insert(0, "id", recording)
        if len(events):
            found.append(events)
    return pd.concat(found, ignore_index=True) if found else no_detections()


def window_slots(starts: npt.ArrayLike, ends: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return the time span of each window of a recording: up to half way to the middle of the next, but within it.

    Windows that overlap share the time between them, so that a hit does not claim all of its window.

    >>> [times.tolist() for times in window_slots([0.0, 1.0, 2.0], [2.0, 3.0, 4.0])]
    [[0.0, 1.5, 2.5], [1.5, 2.5, 4.0]]
    """
    first, last = np.asarray(starts, np.float64), np.asarray(ends, np.float64)
    middles = (first + last) / 2
    edges = (middles[1:] + middles[:-1]) / 2
    return np.maximum(first, np.append(-np.inf, edges)), np.minimum(last, np.append(edges, np.inf))


def merge_hits(
    starts: FloatArray, ends: FloatArray, probabilities: FloatArray, target: Target, rules: DetectionRules
) -> pd.DataFrame:
    """Return the events of one recording.

    Args:
        starts, ends: what each prediction stands for, in order, in seconds `(n,)`.
        probabilities: `(n, C)`.
        target: names of the classes.
        rules: what counts.

    Returns:
        Columns `start`, `end`, `label` and `score`, the highest probability among the hits, in order of time.

    >>> target = Target("classification", ("none", "song"))
    >>> p = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]])
    >>> merge_hits(np.arange(4.0), np.arange(4.0) + 1, p, target, DetectionRules("none")).values.tolist()
    [[1.0, 3.0, 'song', 0.8]]
    """
    is_hit = _find_hits(starts, probabilities, target, rules)
    rows: list[tuple[float, float, str, float]] = []
    for place, name in enumerate(target.names):
        hits = np.flatnonzero(is_hit[:, place])
        if name == rules.background or not len(hits):
            continue
        gaps = starts[hits[1:]] - ends[hits[:-1]]
        for run in np.split(hits, np.flatnonzero(gaps > rules.max_gap + _TOLERANCE) + 1):
            start, end = float(starts[run[0]]), float(ends[run[-1]])
            if end - start >= rules.min_seconds - _TOLERANCE:
                score = round(float(probabilities[run, place].max()), 6)
                rows.append((round(start, 6), round(end, 6), name, score))
    return pd.DataFrame(sorted(rows), columns=list(COLUMNS[1:]))


def filter_hits(is_hit: BoolArray, width: int) -> BoolArray:
    """Return the median of `width` neighbors, an odd number: what most of them are. The edges are repeated.

    >>> filter_hits(np.array([[True], [False], [True], [True], [False], [False]]), 3)[:, 0].tolist()
    [True, True, True, True, False, False]
    """
    half = width // 2
    padded = np.pad(is_hit.astype(np.int64), [(half + 1, half), (0, 0)], mode="edge")
    padded[0] = 0
    sums = padded.cumsum(axis=0)
    return np.asarray(sums[width:] - sums[:-width] > half)


def _find_hits(starts: FloatArray, probabilities: FloatArray, target: Target, rules: DetectionRules) -> BoolArray:
    """Return which predictions are hits of which class, `(n, C)`."""
    decisions = DecisionRule(target) if rules.threshold is not None or rules.decisions is None else rules.decisions
    is_hit = decisions.hits(probabilities, rules.threshold)
    step = float(np.median(np.diff(starts))) if len(starts) > 1 else 0.0
    half = round(rules.median / (2 * step)) if step > 0 else 0
    return filter_hits(is_hit, 2 * half + 1) if half else is_hit


def no_detections() -> pd.DataFrame:
    """Return an empty table of events."""
    return pd.DataFrame(columns=list(COLUMNS)).astype({"start": float, "end": float, "score": float})
