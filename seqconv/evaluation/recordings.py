"""Scores over whole recordings, in addition to those of the windows or frames that a model answers for."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from seqconv.config.evaluation import Aggregate, EvaluationConfig, EventScoring
from seqconv.data.events.annotations import RecordingEvents
from seqconv.data.events.arrays import judged_arrays, true_arrays
from seqconv.evaluation.predictions import Answers, HeadlineScorer
from seqconv.metrics import count_events, event_scorer, event_scores
from seqconv.metrics.checks import FloatArray, IntArray
from seqconv.metrics.intervals import Bootstrap
from seqconv.models.card import read_card, read_decision_rule, seconds_per_frame
from seqconv.prediction.event_detection import DetectionRules, detect_events
from seqconv.tasks.settings import TargetConfig
from seqconv.tasks.target import Target

SHARPNESS = 10.0
"""Sharpness of the soft maximum: 0 would be the mean, infinity the maximum."""


def score_whole(
    model: Any, target: Target, data: Any, answers: Answers, settings: EvaluationConfig, bootstrap: Bootstrap
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Score the answers over whole recordings, if these are known.

    Returns:
        Scores and tables under the keys `recordings` and `events`; empty if there are none.
    """
    background = read_card(model).background
    is_windows = getattr(getattr(data, "provenance", None), "cut", None) == "windows"
    names = data.metadata["recording"] if is_windows else data.ids
    groups = getattr(data, "groups", None)
    recording_of = dict(zip(data.ids, names, strict=True))
    group_of = None if groups is None else dict(zip(names, groups, strict=True))
    metrics, tables = dict[str, Any](), dict[str, pd.DataFrame]()

    def intervals(scorer: HeadlineScorer, ids: Sequence[str]) -> dict[str, Any]:
        drawn = None if group_of is None else [group_of[name] for name in ids]
        return dict(bootstrap.intervals(scorer, len(ids), drawn)) if len(ids) > 1 else {}

    if is_windows and target.kind == "sequence" and target.definition.joins_windows:
        found, scorer, tables["recordings"] = _score_recordings(target, data, answers, settings, background)
        metrics["recordings"] = found | {"intervals": intervals(scorer, tables["recordings"]["id"].tolist())}
    marked: RecordingEvents | None = getattr(data, "annotations", None)
    if marked is not None and target.definition.class_names(target.names) and (is_windows or target.kind == "frame"):
        decisions = read_decision_rule(model, target)
        rules = DetectionRules(background, **settings.events.known_rules, decisions=decisions)
        table = answers.table.assign(recording=answers.table["id"].map(recording_of))
        if is_windows and "time" not in table:
            table = table.assign(start=np.asarray(data.metadata["start"]), end=np.asarray(data.metadata["end"]))
        tables["events"] = detect_events(table, target, rules, output_seconds(model, data))
        ids = list(dict.fromkeys(table["recording"]))
        found, scorer = score_events(target, marked, tables["events"], ids, settings.events, background)
        metrics["events"] = found | {"intervals": intervals(scorer, ids)}
    return metrics, tables


def output_seconds(model: Any, data: Any) -> float:
    """Return the seconds from one output frame to the next; 0 if they are unknown."""
    return float(getattr(model, "total_stride", 1) * (seconds_per_frame(model, data) or 0.0))


def aggregate_windows(values: FloatArray, owners: IntArray, how: Aggregate) -> FloatArray:
    """Return one row for each recording, `(recordings, C)`, from the rows of its windows.

    Args:
        values: probabilities, or values of a regression, `(windows, C)`.
        owners: number of the recording that each window is of, from 0.
        how: mean; max; or lse, log(mean(exp(r p))) / r with r = 10, which lies between the two (P. O. Pinheiro and
            R. Collobert, "From Image-level to Pixel-level Labeling with Convolutional Networks", CVPR 2015).

    >>> aggregate_windows(np.array([[0.0], [1.0], [0.5]]), np.array([0, 0, 1]), "max").tolist()
    [[1.0], [0.5]]
    """
    count = int(owners.max()) + 1
    if how == "max":
        found = np.full((count, values.shape[1]), -np.inf)
        np.maximum.at(found, owners, values)
        return found
    scaled = np.exp(SHARPNESS * values) if how == "lse" else values
    numbers = np.bincount(owners, minlength=count)[:, None]
    means: FloatArray = np.stack([np.bincount(owners, column, count) for column in scaled.T], axis=1) / numbers
    return np.log(means) / SHARPNESS if how == "lse" else means


def _score_recordings(
    target: Target, data: Any, answers: Answers, settings: EvaluationConfig, background: str | None
) -> tuple[dict[str, Any], HeadlineScorer, pd.DataFrame]:
    """Return scores over recordings, the function that scores some of them, and a table with a row for each.

    Where all windows of each recording have the label of that, it is the truth. Where events label them, a recording
    has every class that some window has, and the scores are those of several labels; the background is none.
    """
    owners, ids = pd.factorize(data.metadata["recording"])
    owners = owners.astype(np.int64)
    values = aggregate_windows(answers.predictions, owners, settings.aggregate)
    truth = _of_recordings(answers.targets, owners)
    joined = target.definition.join_windows(target, truth, values, background)
    target, truth, values = replace(target, task=joined.task, names=joined.names), joined.targets, joined.predictions
    task = target.definition
    scores = task.score(truth, values, target.names, num_bins=settings.calibration_bins)
    columns = {**task.truth_columns(target, truth), **task.prediction_columns(target, values)}
    table = pd.DataFrame({"id": list(ids), "num_windows": np.bincount(owners), **columns})
    facts = {"aggregate": settings.aggregate, "num_recordings": len(ids)}
    return {**facts, **scores}, task.headline_scorer(truth, values), table


def _of_recordings(targets: FloatArray, owners: IntArray) -> FloatArray:
    """Return what is true in some window; NaN if that is unknown for some and true for none."""
    is_missing = np.isnan(targets)
    truth = aggregate_windows(np.where(is_missing, 0, targets), owners, "max")
    is_unknown = aggregate_windows(is_missing.astype(np.float64), owners, "max") == 1
    return np.where(is_unknown & (truth == 0), np.nan, truth)


def score_events(
    target: Target,
    marked: RecordingEvents,
    found: pd.DataFrame,
    ids: list[str],
    rules: EventScoring,
    background: str | None,
) -> tuple[dict[str, Any], HeadlineScorer]:
    """Return segment-based and event-based scores, and false alarms per hour; and the function that scores some.

    What was found where nobody could name an event (one without a label) is neither right nor wrong.
    """
    names = list(target.definition.class_names(target.names, background))
    places = {name: place for place, name in enumerate(marked.ids)}
    config = TargetConfig(task=target.task, separator=target.separator)
    true, judged, spans = [], [], []
    for name in ids:
        place = places[name]
        true.append(true_arrays(marked.events[place], names, config))
        judged.append(judged_arrays(found[found["id"] == name], marked.events[place], names))
        spans.append((float(marked.starts[place]), float(marked.ends[place])))
    counts = count_events(true, judged, spans, len(names), segment=rules.segment, collar=rules.collar)
    used = {"median": 0.0, "max_gap": 0.0, "min_seconds": 0.0, **rules.known_rules}
    scores = {**rules.model_dump(), **used, "num_recordings": len(ids), **event_scores(counts, names)}
    return scores, event_scorer(counts)
