"""Scores of the events that a model finds in recordings."""

from typing import Any

import pandas as pd

from seqconv.config.evaluation import EvaluationConfig
from seqconv.data.events.annotations import RecordingEvents
from seqconv.data.events.arrays import judged_arrays, true_arrays
from seqconv.metrics import bootstrap_intervals, count_events, event_scorer, event_scores
from seqconv.tasks.settings import TargetConfig
from seqconv.tasks.target import Target


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
    """Compute segment-based and event-based scores, and false alarms per hour, over the recordings `ids`.

    What was found where nobody could name an event (one without a label) is neither right nor wrong.
    Intervals draw recordings, or whole `groups` of them.
    """
    names = list(target.definition.class_names(target.names, background))
    places = {name: place for place, name in enumerate(beside.ids)}
    chosen = [places[name] for name in ids]
    rules = settings.events
    config = TargetConfig(task=target.task, separator=target.separator)
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
