"""Evaluations, runs and their worst recordings as a notebook shows them: tables, figures and sound, all in one."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seqconv.config import load_config
from seqconv.errors import SeqconvError
from seqconv.reports.curves import best_epoch, draw_losses, draw_scores
from seqconv.reports.drawings import Drawing
from seqconv.reports.html_page import fill_template
from seqconv.reports.names import label
from seqconv.reports.score_figures import MOST_NAMES, draw_classes, draw_confusion, draw_lengths_scored
from seqconv.reports.scores import split_table
from seqconv.reports.sounds import Sound, embed_sounds
from seqconv.reports.tables import Table, frame_table
from seqconv.text import amount

MOST_ROWS = 100


def evaluation_html(metrics: Mapping[str, Any], split_name: str, confidence: float, task: str) -> str:
    """Return the scores with their intervals; confusions, classes and lengths as figures."""
    title = f"{split_name}: {amount(metrics['num_sequences'], 'sequence')}"
    if "num_frames" in metrics:
        title += f", {amount(metrics['num_frames'], 'frame')}"
    by_name, rows = metrics.get("per_class") or metrics.get("per_column") or {}, metrics["by_length"]
    matrix = metrics.get("confusion_matrix")
    figures = [
        draw_confusion(matrix, list(by_name)) if matrix and len(matrix) <= MOST_NAMES else None,
        draw_classes(by_name, {}),
        draw_lengths_scored(rows, [{} for _ in rows], task, None),
    ]
    notes = [(label(name), note) for name, note in metrics["notes"].items()]
    return _render(title, facts=notes, tables=[(split_table(metrics, confidence), None)], figures=figures)


def run_html(path: Path, history: pd.DataFrame, num_parameters: int) -> str:
    """Return the folder of a run and its cost, and its curves."""
    best, figures = None, list[Drawing | None]()
    facts = [("folder", str(path)), ("epochs", f"{len(history)}")]
    if "member" in history:
        facts = [("folder", str(path)), ("members", f"{history['member'].nunique()}, each a run in this folder")]
        return _render("Run", facts=[*facts, ("parameters", f"{num_parameters:,}")])
    try:
        config = load_config(path / "config.yaml")
    except SeqconvError:
        # The folder has been moved away; what is in memory is shown.
        pass
    else:
        best = best_epoch(history, config.monitor, config.monitor_mode)
        facts.append(("kept epoch", "the last" if best is None else f"{best}, by {config.monitor}"))
        figures = [draw_scores(history, best, config.monitor)]
    facts.append(("parameters", f"{num_parameters:,}"))
    return _render("Run", facts=facts, figures=[draw_losses(history, best), *figures])


def worst_html(table: pd.DataFrame, data: Any) -> str:
    """Return the rows of a table of errors, with a player for each recording if there is sound."""
    shown = table.head(MOST_ROWS)
    sounds = embed_sounds(shown["id"].tolist(), data, getattr(data, "feature_settings", None))
    columns = [name for name in shown if not str(name).startswith("p_")]
    title = f"{amount(len(table), 'sequence')} with the largest loss"
    return _render(title, tables=[(frame_table(shown[columns]), sounds if any(sounds) else None)])


def table_html(table: pd.DataFrame, title: str) -> str:
    """Return a table of plain values under a title."""
    return _render(title, tables=[(frame_table(table.head(MOST_ROWS)), None)])


def _render(
    title: str,
    *,
    facts: Sequence[tuple[str, str]] = (),
    tables: Sequence[tuple[Table, list[Sound | None] | None]] = (),
    figures: Sequence[Drawing | None] = (),
) -> str:
    art = [(each, _apart(each)) for each in figures if each is not None]
    return fill_template("notebook.html.j2", title=title, facts=facts, tables=tables, art=art)


def _apart(drawing: Drawing) -> str:
    """Return the SVG with ids that no other output of a notebook has, unless it shows the same."""
    mark = hashlib.blake2b(drawing.svg.encode(), digest_size=6).hexdigest()
    svg = drawing.svg
    for before in ('id="', "url(#", 'href="#'):
        svg = svg.replace(f"{before}{drawing.name}-", f"{before}{mark}-")
    return svg
