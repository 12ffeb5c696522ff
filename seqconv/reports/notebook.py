"""Evaluations, runs and their worst recordings as a notebook shows them: tables, figures and sound, all in one."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from seqconv.errors import SeqconvError
from seqconv.features.kinds import RecordedKind
from seqconv.reports.curves import best_epoch, draw_losses, draw_scores
from seqconv.reports.drawings import Drawing, read_template
from seqconv.reports.html_page import environment
from seqconv.reports.names import label
from seqconv.reports.scores import MOST_NAMES, draw_classes, draw_confusion, draw_lengths_scored, split_table
from seqconv.reports.sounds import Sound, embed_sound
from seqconv.reports.tables import make_table
from seqconv.text import amount

if TYPE_CHECKING:
    import pandas as pd

MOST_SOUND = 3_000_000
"""Bytes of sound in one output; what comes first gets it."""
MOST_ROWS = 100


class ScoredSplit(Protocol):
    """The part of an evaluation that a notebook shows."""

    @property
    def metrics(self) -> dict[str, Any]: ...
    @property
    def split_name(self) -> str: ...
    @property
    def confidence(self) -> float: ...
    @property
    def task(self) -> str: ...


class FinishedRun(Protocol):
    """The part of a run that a notebook shows."""

    @property
    def path(self) -> Path: ...
    @property
    def history(self) -> "pd.DataFrame": ...
    @property
    def model(self) -> Any: ...
    @property
    def evaluation(self) -> ScoredSplit: ...


def evaluation_html(evaluation: ScoredSplit) -> str:
    """Return the scores with their intervals; confusions, classes and lengths as figures."""
    return _render([_evaluation_part(evaluation)])


def run_html(run: FinishedRun) -> str:
    """Return the folder of the run and its cost, its curves, its scores."""
    from seqconv.config import load_config

    history, figures = run.history, list[Drawing]()
    facts = [("folder", str(run.path)), ("epochs", f"{len(history)}")]
    try:
        config = load_config(run.path / "config.yaml")
    except SeqconvError:
        # The folder has been moved away; what is in memory is shown.
        figures.append(draw_losses(history, None))
    else:
        best = best_epoch(history, config.monitor, config.monitor_mode)
        facts.append(("kept epoch", "the last" if best is None else f"{best}, by {config.monitor}"))
        drawn = (draw_losses(history, best), draw_scores(history, best, config.monitor))
        figures += [each for each in drawn if each is not None]
    facts.append(("parameters", f"{run.model.count_params():,}"))
    part = {"title": FinishedRun, "facts": facts, "tables": [], "figures": figures}
    return _render([part, _evaluation_part(run.evaluation)])


def worst_html(table: "pd.DataFrame", data: Any) -> str:
    """Return the rows of a table of errors, with a player for each recording if there is sound."""
    sounds = embed_sounds(table["id"].tolist()[:MOST_ROWS], data)
    columns = [str(name) for name in table.columns if not str(name).startswith("p_")]
    shown = make_table(columns, table[columns].head(MOST_ROWS).to_numpy(object).tolist())
    title = f"{amount(len(table), 'sequence')} with the largest loss"
    return _render([{"title": title, "facts": [], "tables": [(shown, sounds)], "figures": []}])


def table_html(table: "pd.DataFrame", title: str) -> str:
    """Return a table of plain values under a title."""
    shown = make_table([str(name) for name in table.columns], table.head(MOST_ROWS).to_numpy(object).tolist())
    return _render([{"title": title, "facts": [], "tables": [(shown, None)], "figures": []}])


def embed_sounds(ids: Sequence[str], data: Any) -> list[Sound | None] | None:
    """Return the sound of each of these sequences, as far as there is room; None if there is none at all."""
    metadata, settings = getattr(data, "metadata", None), getattr(data, "feature_settings", None)
    if metadata is None or not isinstance(settings, RecordedKind) or "path" not in metadata:
        return None
    places = {name: place for place, name in enumerate(data.ids)}
    left, sounds = MOST_SOUND, list[Sound | None]()
    for name in ids:
        row = metadata.iloc[places[name]]
        start, end = (None if row[key] != row[key] else float(row[key]) for key in ("start", "end"))
        sound = embed_sound(row["path"], start, end)
        if sound is not None and sound.num_bytes > left:
            sound = None
        left -= 0 if sound is None else sound.num_bytes
        sounds.append(sound)
    return sounds if any(sounds) else None


def _evaluation_part(evaluation: ScoredSplit) -> dict[str, Any]:
    metrics = evaluation.metrics
    title = f"{evaluation.split_name}: {amount(metrics['num_sequences'], 'sequence')}"
    if "num_frames" in metrics:
        title += f", {amount(metrics['num_frames'], 'frame')}"
    notes = [(label(name), note) for name, note in metrics["notes"].items()]
    tables = [(split_table(metrics, evaluation.confidence), None)]
    return {"title": title, "facts": notes, "tables": tables, "figures": _figures(evaluation)}


def _figures(evaluation: ScoredSplit) -> list[Drawing]:
    metrics = evaluation.metrics
    by_name = metrics.get("per_class") or metrics.get("per_column") or {}
    figures: list[Drawing | None] = []
    matrix = metrics.get("confusion_matrix")
    if matrix and len(matrix) <= MOST_NAMES:
        figures.append(draw_confusion(matrix, list(by_name)))
    figures.append(draw_classes(by_name, {}))
    rows = metrics["by_length"]
    figures.append(draw_lengths_scored(rows, [{} for _ in rows], evaluation.task, None))
    return [each for each in figures if each is not None]


def _render(parts: Sequence[Mapping[str, Any]]) -> str:
    with_art = [{**part, "art": [(each, _apart(each)) for each in part["figures"]]} for part in parts]
    template = environment().get_template("notebook.html.j2")
    return template.render(style=read_template("notebook.css"), shown=with_art)


def _apart(drawing: Drawing) -> str:
    """Return the SVG with ids that no other output of a notebook has, unless it shows the same."""
    mark = hashlib.blake2b(drawing.svg.encode(), digest_size=6).hexdigest()
    svg = drawing.svg
    for before in ('id="', "url(#", 'href="#'):
        svg = svg.replace(f"{before}{drawing.name}-", f"{before}{mark}-")
    return svg
