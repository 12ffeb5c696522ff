"""Scores over whole recordings, in addition to those of the windows or frames that a model answers for."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from seqconv.config.evaluation import EvaluationConfig
from seqconv.data.events.annotations import RecordingEvents
from seqconv.evaluation.events import score_events
from seqconv.evaluation.predictions import Answers
from seqconv.evaluation.recordings import is_cut_into_windows, score_recordings
from seqconv.models.card import read_card, read_decision_rule, seconds_per_frame
from seqconv.prediction.event_detection import DetectionRules, detect_events
from seqconv.tasks.target import Target


@dataclass(frozen=True, eq=False)
class Whole:
    """Scores under the keys `recordings` and `events`, and their tables; empty if there are none."""

    metrics: dict[str, Any] = field(default_factory=dict)
    recordings: pd.DataFrame | None = None
    events: pd.DataFrame | None = None


def score_whole(
    model: Any, target: Target, data: Any, answers: Answers, settings: EvaluationConfig, *, repeats: int, seed: int
) -> Whole:
    """Score the answers over whole recordings, if these are known."""
    background = read_card(model).background
    options: dict[str, Any] = {"background": background, "repeats": repeats, "seed": seed}
    is_windows = is_cut_into_windows(data)
    metrics: dict[str, Any] = {}
    recordings = events = None
    if is_windows and target.kind == "sequence" and target.definition.joins_windows:
        metrics["recordings"], recordings = score_recordings(target, data, answers, settings, **options)
    beside: RecordingEvents | None = getattr(data, "annotations", None)
    if beside is not None and target.definition.class_names(target.names) and (is_windows or target.kind == "frame"):
        decisions = read_decision_rule(model, target)
        rules = DetectionRules(background, settings.events.max_gap, settings.events.min_seconds, decisions=decisions)
        stride = getattr(model, "total_stride", 1) * (seconds_per_frame(model, data) or 0.0)
        table = _with_recordings(answers.table, data, is_windows)
        events = detect_events(table, target, rules, stride)
        ids = list(dict.fromkeys(table["recording"]))
        groups = _groups(data, is_windows)
        metrics["events"] = score_events(
            target,
            beside,
            events,
            ids,
            settings,
            groups=None if groups is None else [groups[name] for name in ids],
            **options,
        )
    return Whole(metrics, recordings, events)


def _with_recordings(table: pd.DataFrame, data: Any, is_windows: bool) -> pd.DataFrame:
    """Return the table of answers with a column `recording`, and for windows with `start` and `end`."""
    if not is_windows:
        return table.assign(recording=table["id"])
    of_window = dict(zip(data.ids, data.metadata["recording"], strict=True))
    named = table.assign(recording=[of_window[name] for name in table["id"]])
    if "time" in table:
        return named
    return named.assign(start=np.asarray(data.metadata["start"]), end=np.asarray(data.metadata["end"]))


def _groups(data: Any, is_windows: bool) -> dict[str, str] | None:
    """Return the group of each recording."""
    groups = getattr(data, "groups", None)
    if groups is None:
        return None
    names = data.metadata["recording"] if is_windows else data.ids
    return dict(zip(names, groups, strict=True))
