"""`write_report`: from a run folder to its `report.html`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqconv.features.kinds import RecordedKind
from seqconv.reports import batches, curves, facts, network, scores
from seqconv.reports.answers import Answers, Interval, class_intervals, subset_intervals
from seqconv.reports.choice import as_listed, choose, summarize, worst_first
from seqconv.reports.drawings import Drawing
from seqconv.reports.html_page import write_page
from seqconv.reports.names import describe_decisions, label
from seqconv.reports.recordings import make_cards
from seqconv.reports.report_inputs import Material, gather
from seqconv.reports.tables import Table, make_table
from seqconv.reports.timelines import draw_timelines
from seqconv.reports.whole import whole_scores
from seqconv.text import amount

if TYPE_CHECKING:
    import pandas as pd

    from seqconv.batching import Plan
    from seqconv.data.sequences import Sequences

REPORT = "report.html"


def write_report(
    run_dir: str | Path,
    *,
    parts: "Mapping[str, Sequences] | None" = None,
    plan: "Plan | None" = None,
    model: Any = None,
) -> Path:
    """Write `report.html` into a run folder: one file that shows the run and needs no network.

    What is not given is read again: sequences from the manifest of the run (through the feature cache), the plan from
    their lengths, the model from the folder. Their lengths are kept in `lengths.csv`, for when they are gone.

    Args:
        run_dir: the folder of a run, finished or not.
        parts: the sequences of the run by split: train, valid, test.
        plan: how they were batched.
        model: the model that was kept.

    Returns:
        The path of the page.

    Raises:
        ConfigError: no run lies there.
        StoreError: one of its files is damaged.
        StorageError: the page cannot be written.
    """
    material = gather(run_dir, parts, plan, model)
    return write_page("report.html.j2", material.folder.path / REPORT, **contents(material))


def contents(material: Material) -> dict[str, Any]:
    """Return the values for the template."""
    folder, answers = material.folder, material.answers
    history, config = folder.history, folder.config
    best = curves.best_epoch(history, config.monitor, config.monitor_mode) if len(history) else None
    summary = None if answers is None else summarize(answers)
    return {
        "title": config.name,
        "scored": _scored(material),
        "tiles": facts.tiles(material),
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "folder": folder,
        "notes": [*_notes(material), *material.notes],
        "training": _training(history, best, config.monitor),
        "scores": scores.score_table(folder.metrics) if folder.metrics else None,
        "whole": whole_scores(folder.metrics, folder.scored_split),
        "timelines": draw_timelines(material),
        "score_drawings": _score_drawings(material),
        "slices": _slices(material),
        "score_notes": _score_notes(material),
        "data_table": facts.data_table(material),
        "plan_facts": facts.plan_facts(material),
        "shapes": None if material.plan is None else batches.shape_table(material.plan),
        "batch_drawings": _batch_drawings(material),
        "speed": [] if history.empty else _given([curves.draw_speed(history), curves.draw_waiting(history)]),
        "speed_facts": facts.speed_facts(material),
        "layers": None if material.model is None else network.describe_layers(material.model),
        "filters": None if material.model is None else network.draw_filters(material.model, material.seconds_per_frame),
        "cards": ([], []) if summary is None or answers is None else _cards(material, summary, answers),
        "predictions": None if summary is None else _prediction_table(summary),
        "num_predictions": 0 if summary is None else len(summary),
        "wrongs": None if summary is None or "wrong" not in summary else int(summary["wrong"].sum()),
        "config_text": config.to_yaml(),
        "versions": folder.versions,
        "quarantine": None if folder.quarantine.empty else _frame_table(folder.quarantine),
        "unit": "recordings" if isinstance(config.features, RecordedKind) else "sequences",
    }


def _cards(material: Material, summary: "pd.DataFrame", answers: Answers) -> Any:
    return make_cards(material, summary, choose(summary, answers.kind))


def _training(history: "pd.DataFrame", best: int | None, monitor: str) -> list[Drawing]:
    if history.empty:
        return []
    return _given(
        [
            curves.draw_losses(history, best),
            curves.draw_scores(history, best, monitor),
            curves.draw_learning_rate(history),
        ]
    )


def _score_drawings(material: Material) -> list[Drawing]:
    folder, answers = material.folder, material.answers
    split = folder.scored_split if answers is None else folder.split
    if split is None:
        return []
    metrics, config = folder.metrics[split], folder.config
    groups = material.groups()
    found: dict[str, dict[str, Interval]] = {}
    if answers is not None:
        found = class_intervals(answers, config.evaluation, groups, config.seed)
    drawings: list[Drawing | None] = []
    if metrics.get("confusion_matrix"):
        drawings.append(scores.draw_confusion(metrics["confusion_matrix"], list(metrics["per_class"])))
    drawings.append(scores.draw_classes(metrics.get("per_class") or metrics.get("per_column") or {}, found))
    rows = metrics.get("by_length") or []
    by_length = _length_intervals(material, rows, groups)
    drawings.append(scores.draw_lengths_scored(rows, by_length, config.target.task, material.seconds_per_frame))
    if answers is not None and answers.given is None:
        drawings += scores.draw_values(answers)
    elif answers is not None:
        bins = config.evaluation.calibration_bins
        drawings.append(scores.draw_calibration(answers, bins, metrics.get("calibration_error")))
    return _given(drawings)


def _slices(material: Material) -> list[tuple[str, Table]]:
    folder = material.folder
    split = folder.split or folder.scored_split
    return [] if split is None else scores.slice_tables(folder.metrics[split])


def _length_intervals(
    material: Material, rows: list[dict[str, Any]], groups: list[str] | None
) -> list[dict[str, Interval]]:
    answers, known = material.answers, material.lengths_by_id()
    if answers is None or not all(name in known for name in answers.ids):
        return [{} for _ in rows]
    lengths = np.array([known[name] for name in answers.ids])
    config = material.folder.config
    members = [np.flatnonzero((lengths >= row["min_frames"]) & (lengths <= row["max_frames"])) for row in rows]
    return [subset_intervals(answers, each, config.evaluation, groups, config.seed) for each in members]


def _score_notes(material: Material) -> list[str]:
    folder = material.folder
    split = folder.split or folder.scored_split
    if split is None:
        return []
    metrics, settings = folder.metrics[split], folder.config.evaluation
    notes = [f"{label(name)}: {note}." for name, note in metrics["notes"].items()]
    if "decisions" in metrics:
        notes.append(f"Decided with {describe_decisions(metrics['decisions'])}.")
    if metrics["intervals"]:
        of = "groups" if material.groups() is not None else "sequences"
        notes.append(
            f"Intervals hold {settings.confidence:.0%} of {settings.bootstrap:,} bootstrap draws; those by class and "
            f"by length are drawn over {of}."
        )
    if folder.metrics and not folder.predictions.empty and folder.split is None:
        notes.append(
            "predictions.csv has the scores of none of the splits in metrics.json, so that nothing is drawn from it."
        )
    return notes


def _batch_drawings(material: Material) -> list[Drawing]:
    splits = ("train", "valid", "test")
    lengths = {split: found for split in splits if (found := material.lengths(split)) is not None}
    drawings = [batches.draw_lengths(lengths, material.plan, material.seconds_per_frame)]
    if material.plan is not None:
        drawings += [batches.draw_filling(material.plan), batches.draw_batch(material.plan)]
    return _given(drawings)


def _scored(material: Material) -> str:
    """Describe how many items the scores are of."""
    split = material.folder.scored_split
    if split is None:
        return ""
    metrics = material.folder.metrics[split]
    frames = f"{metrics['num_frames']:,} frames of " if "num_frames" in metrics else ""
    return f"{frames}{amount(metrics['num_sequences'], 'sequence')} of {split}"


def _notes(material: Material) -> list[str]:
    return [material.folder.unfinished] if material.folder.unfinished else []


def _prediction_table(summary: "pd.DataFrame") -> Table:
    return _frame_table(as_listed(worst_first(summary)))


def _frame_table(frame: "pd.DataFrame") -> Table:
    return make_table([str(name).replace("_", " ") for name in frame], frame.to_numpy(object).tolist())


def _given(drawings: "list[Drawing | None]") -> list[Drawing]:
    return [drawing for drawing in drawings if drawing is not None]
