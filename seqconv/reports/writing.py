"""`write_report`: from a run folder to its `report.html`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqconv.batching import Plan
from seqconv.data.sequences import Sequences
from seqconv.features.kinds import RecordedKind
from seqconv.inspection import describe
from seqconv.metrics.intervals import Bootstrap
from seqconv.reports import batches, curves, facts, score_figures, scores
from seqconv.reports.answers import Interval, class_intervals, subset_intervals
from seqconv.reports.drawings import Drawing
from seqconv.reports.folder import RunFolder
from seqconv.reports.html_page import write_page
from seqconv.reports.names import describe_decisions, label
from seqconv.reports.network import draw_filters
from seqconv.reports.recordings import make_cards, prediction_table, summarize
from seqconv.reports.report_inputs import Material, gather
from seqconv.reports.tables import Table, frame_table
from seqconv.reports.timelines import draw_timelines

REPORT = "report.html"
MOST_REPEATS = 1000


def write_report(
    run_dir: str | Path, *, parts: Mapping[str, Sequences] | None = None, plan: Plan | None = None, model: Any = None
) -> Path:
    """Write `report.html` into a run folder: one file that shows the run and needs no network.

    What is not given is read again: sequences from the manifest of the run (through the feature cache), the plan from
    their lengths, the model from the folder. Their lengths are kept in `lengths.csv` for later reports without them.

    Args:
        run_dir: the folder of a run, finished or not.
        parts: the sequences of the run by split: train, valid, test.
        plan: how they were batched.
        model: the model that was kept.

    Returns:
        The path of the page.

    Raises:
        ConfigError: there is no run in this folder.
        StoreError: one of its files is damaged.
        StorageError: the page cannot be written.
    """
    material = gather(run_dir, parts, plan, model)
    return write_page("report.html.j2", material.folder.path / REPORT, **contents(material))


def contents(material: Material) -> dict[str, Any]:
    """Return the values for the template."""
    folder, answers, model = material.folder, material.answers, material.model
    history, config = folder.history, folder.config
    summary = None if answers is None else summarize(answers)
    slices = material.scores.get("slices", {})
    return {
        "title": config.name,
        "tiles": facts.tiles(material),
        "folder": folder,
        "notes": [*([folder.unfinished] if folder.unfinished else []), *material.notes],
        "training": _training_drawings(material),
        "members": _members(folder),
        "scores": scores.score_table(folder.metrics) if folder.metrics else None,
        "whole": scores.whole_scores(folder.metrics, folder.scored_split),
        "timelines": draw_timelines(material),
        "score_drawings": _score_drawings(material),
        "slices": [(column, scores.named_table(column, rows)) for column, rows in slices.items()],
        "score_notes": _score_notes(material),
        "data_table": facts.data_table(material),
        "plan_facts": facts.plan_facts(material),
        **_batches(material),
        "speed": _drawn(curves.draw_speed(history), curves.draw_waiting(history)),
        "speed_facts": facts.speed_facts(material),
        "layers": None if model is None else list(describe(model)),
        "filters": None if model is None else draw_filters(model, material.seconds_per_frame),
        "cards": ([], []) if summary is None or answers is None else make_cards(material, answers, summary),
        "predictions": None if summary is None else prediction_table(summary),
        "num_predictions": 0 if summary is None else len(summary),
        "wrongs": None if summary is None or "wrong" not in summary else int(summary["wrong"].sum()),
        "config_text": config.to_yaml(),
        "versions": folder.versions,
        "quarantine": None if folder.quarantine.empty else frame_table(folder.quarantine),
        "unit": "recordings" if isinstance(config.features, RecordedKind) else "sequences",
    }


def _members(folder: RunFolder) -> Table | None:
    headline = folder.config.target.definition.headline
    return scores.member_table(folder.members, folder.metrics, headline) if folder.members else None


def _training_drawings(material: Material) -> list[Drawing]:
    history, config = material.folder.history, material.folder.config
    if history.empty:
        return []
    best = curves.best_epoch(history, config.monitor, config.monitor_mode)
    scored = curves.draw_scores(history, best, config.monitor)
    return _drawn(curves.draw_losses(history, best), scored, curves.draw_learning_rate(history))


def _score_drawings(material: Material) -> list[Drawing]:
    metrics, config, answers = material.scores, material.folder.config, material.answers
    drawings: list[Drawing | None] = []
    if matrix := metrics.get("confusion_matrix"):
        drawings.append(score_figures.draw_confusion(matrix, list(metrics["per_class"])))
    by_name: dict[str, dict[str, Interval]] = {}
    if answers is not None:
        by_name = class_intervals(answers, _bootstrap(material), material.groups())
    drawings.append(score_figures.draw_classes(metrics.get("per_class") or metrics.get("per_column") or {}, by_name))
    rows, seconds = metrics.get("by_length") or [], material.seconds_per_frame
    by_length = _length_intervals(material, rows)
    drawings.append(score_figures.draw_lengths_scored(rows, by_length, config.target.task, seconds))
    if answers is not None and answers.given is None:
        drawings += score_figures.draw_values(answers)
    elif answers is not None:
        bins, error = config.evaluation.calibration_bins, metrics.get("calibration_error")
        drawings.append(score_figures.draw_calibration(answers, bins, error))
    return _drawn(*drawings)


def _length_intervals(material: Material, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Interval]]:
    answers, known = material.answers, material.answered_lengths
    if answers is None or not all(name in known for name in answers.ids):
        return [{} for _ in rows]
    lengths = np.array([known[name] for name in answers.ids])
    members = [np.flatnonzero((lengths >= row["min_frames"]) & (lengths <= row["max_frames"])) for row in rows]
    bootstrap, groups = _bootstrap(material), material.groups()
    return [subset_intervals(answers, each, bootstrap, groups) for each in members]


def _bootstrap(material: Material) -> Bootstrap:
    settings = material.folder.config.evaluation
    return Bootstrap(min(settings.bootstrap, MOST_REPEATS), settings.confidence, material.folder.config.seed)


def _score_notes(material: Material) -> list[str]:
    folder, metrics, settings = material.folder, material.scores, material.folder.config.evaluation
    notes = [f"{label(name)}: {note}." for name, note in metrics.get("notes", {}).items()]
    if "decisions" in metrics:
        notes.append(f"Decided with {describe_decisions(metrics['decisions'])}.")
    if metrics.get("intervals"):
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


def _batches(material: Material) -> dict[str, Any]:
    """Return the drawings of the batches, and the table of their shapes."""
    plan, lengths = material.plan, {split: material.lengths(split).to_numpy(np.int64) for split in facts.SPLITS}
    known = {split: found for split, found in lengths.items() if len(found)}
    drawing = batches.draw_lengths(known, plan, material.seconds_per_frame)
    if plan is None:
        return {"batch_drawings": _drawn(drawing), "shapes": None}
    layouts = batches.first_layouts(plan)
    drawings = _drawn(drawing, batches.draw_filling(layouts, len(plan)), batches.draw_batch(layouts))
    return {"batch_drawings": drawings, "shapes": batches.shape_table(plan, layouts)}


def _drawn(*drawings: Drawing | None) -> list[Drawing]:
    return [drawing for drawing in drawings if drawing is not None]
