"""Scores of the events that a model finds in recordings."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from seqconv.annotations import RecordingEvents, event_names
from seqconv.config.evaluation import EvaluationConfig
from seqconv.config.target import TargetConfig
from seqconv.manifest.events import Events
from seqconv.metrics import EventArrays, bootstrap_intervals, count_events, event_scorer, event_scores
from seqconv.targets import Target


def score_events(
    target: Target,
    beside: RecordingEvents,
    found: pd.DataFrame,
    ids: list[str],
    settings: EvaluationConfig,
    *,
    background: str | None,
    groups: list[str] | None,
    repeats: int,
    seed: int,
) -> dict[str, Any]:
    """Segment-based and event-based scores, and false alarms per hour, over the recordings `ids`.

    What was found where nobody could name an event (one without a label) is neither right nor wrong.
    Intervals draw recordings, or whole `groups` of them.
    """
    names = [name for name in target.names if name != background]
    places = {name: place for place, name in enumerate(beside.ids)}
    chosen = [places[name] for name in ids]
    rules = settings.events
    task: Any = target.task
    config = TargetConfig(task=task, separator=target.separator)
    counts = count_events(
        [true_arrays(beside.events[place], names, config) for place in chosen],
        [
            judged_arrays(found[found["id"] == name], beside.events[place], names)
            for name, place in zip(ids, chosen, strict=True)
        ],
        [(float(beside.starts[place]), float(beside.ends[place])) for place in chosen],
        len(names),
        segment=rules.segment,
        collar=rules.collar,
    )
    scores = event_scores(counts, names)
    intervals: dict[str, Any] = {}
    if repeats and len(ids) > 1:
        intervals = dict(
            bootstrap_intervals(
                event_scorer(counts),
                len(ids),
                groups=groups,
                repeats=repeats,
                confidence=settings.confidence,
                seed=seed,
            )
        )
    return {**rules.model_dump(), "num_recordings": len(ids), **scores, "intervals": intervals}


def true_arrays(events: Events, names: list[str], target: TargetConfig) -> EventArrays:
    """The events of a recording as a metric takes them: those that `names` name, a row for each class of each."""
    rows = [
        (start, end, names.index(name))
        for start, end, label in zip(events.starts, events.ends, events.labels, strict=True)
        for name in event_names(label, target)
        if name in names
    ]
    return _arrays(rows)


def judged_arrays(found: pd.DataFrame, events: Events, names: list[str]) -> EventArrays:
    """What was found in a recording, as a metric takes it, without what lies by half or more in true events that nobody
    could name.
    """
    judged = found.loc[_is_judged(found, events)]
    return _arrays(
        [
            (start, end, names.index(label))
            for start, end, label in zip(judged["start"], judged["end"], judged["label"], strict=True)
        ]
    )


def _is_judged(found: pd.DataFrame, events: Events) -> npt.NDArray[np.bool_]:
    unnamed = [place for place, label in enumerate(events.labels) if label is None]
    if not unnamed or found.empty:
        return np.ones(len(found), bool)
    starts, ends = (found[name].to_numpy(np.float64)[:, None] for name in ("start", "end"))
    shared = np.minimum(ends, events.ends[unnamed]) - np.maximum(starts, events.starts[unnamed])
    return np.asarray(np.maximum(shared, 0).sum(axis=1) < 0.5 * (ends - starts)[:, 0])


def _arrays(rows: list[tuple[float, float, int]]) -> EventArrays:
    values = np.array(rows, np.float64).reshape(-1, 3)
    return EventArrays(values[:, 0], values[:, 1], values[:, 2].astype(np.int64))
