"""`predict_events`: from long recordings to a table of events with start and end."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

import pandas as pd

from seqconv.errors import ConfigError
from seqconv.features.store import BadFile
from seqconv.models.card import model_target, read_card, read_decision_rule, seconds_per_frame
from seqconv.models.factory import open_model
from seqconv.prediction.dispatch import predict_tables
from seqconv.prediction.event_detection import DetectionRules, detect_events, no_detections
from seqconv.tasks.target import Target


def predict_events(
    model: Any,
    inputs: Any,
    *,
    median: float | None = None,
    max_gap: float | None = None,
    min_seconds: float | None = None,
    threshold: float | None = None,
    quarantine: list[BadFile] | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Find events in recordings with a model of windows or frames.

    Consecutive windows or frames of the same class are one event; the class of the background is none.
    A window stands for its middle, as long as its hop.

    Args:
        model, inputs, quarantine, options: as for `predict`.
        median: width in seconds of a median filter over the hits of each class.
        max_gap: hits of a class with at most so many seconds between them are one event.
        min_seconds: shorter events are left out.
        threshold: probability from which on a class is a hit; default: of classes the most probable one, of several
            labels those that `predict` gives.

    Returns:
        A row for each event: id, start, end (in seconds), label, score (the highest probability within it).
        `median`, `max_gap` and `min_seconds` are by default those of the model: of `evaluation.events` in the config of
        its run, or chosen on valid.

    Raises:
        As `predict`; ConfigError: the model gives one answer for a recording.
    """
    rules = {"median": median, "max_gap": max_gap, "min_seconds": min_seconds, "threshold": threshold}
    tables = [events for _, events in event_tables(model, inputs, rules, quarantine, **options) if len(events)]
    return pd.concat(tables, ignore_index=True) if tables else no_detections()


def event_tables(
    model: Any, inputs: Any, rules: Mapping[str, float | None], quarantine: list[BadFile] | None, **options: Any
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the result of `predict_events`, recording by recording, also if nothing was found."""
    model = open_model(model)
    target, card = model_target(model, options.get("target")), read_card(model)
    known = {name: value for name, value in rules.items() if value is not None}
    decisions = read_decision_rule(model, target)
    chosen = DetectionRules(card.background, **{**card.event_rules, **known}, decisions=decisions)
    frame_seconds = getattr(model, "total_stride", 1) * (seconds_per_frame(model, None) or 0.0)
    tables = predict_tables(model, inputs, quarantine=quarantine, repeats=False, **options)
    for name, parts in groupby(_recordings(tables, target), key=itemgetter(0)):
        rows = pd.concat([rows for _, rows in parts], ignore_index=True)
        yield name, detect_events(rows.assign(recording=name), target, chosen, frame_seconds)


def _recordings(tables: Iterable[pd.DataFrame], target: Target) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the name of a recording and its rows; one that goes on in the next table comes again."""
    for table in tables:
        if not target.definition.class_names(target.names) or not {"time", "start"} & set(table):
            raise ConfigError(
                "events are found by models that classify windows (data.windows) or frames (model.pooling 'frames') of "
                "recordings, whose features say how many seconds a frame is (features.frame_rate)."
            )
        yield from ((str(name), rows) for name, rows in table.groupby("id", sort=False))
