"""What a series says: its facts, a line for each run, the summary."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seqconv.evaluation.report import label
from seqconv.reporting.tables import interval_text, number
from seqconv.series.bar import RunsBar
from seqconv.series.folder import SeriesFolder
from seqconv.series.summary import SUMMARY_CSV, Summary

if TYPE_CHECKING:
    from seqconv.reporting.folder import RunFolder

SHOWN_SCORES = 1
MOST_LETTERS = 20


class EpochEar(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells a bar of each epoch of a run, with the monitored value."""

    def __init__(self, bar: RunsBar, monitor: str) -> None:
        super().__init__()
        self._bar, self._monitor = bar, monitor

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        value = (logs or {}).get(self._monitor)
        self._bar.epoch(f"{self._monitor} {value:.4f}" if isinstance(value, float) else "")


def print_facts(folder: SeriesFolder, done: int, console: Console) -> None:
    """What a series is made of, and how far it is."""
    facts = [("series", folder.grid.describe())]
    facts += [(key.rpartition(".")[2], ", ".join(map(str, values))) for key, values in folder.grid.sweeps.items()]
    facts.append(("folder", str(folder.path)))
    if done:
        facts.append(("resumed", f"{done} of {len(folder.members)} runs have finished"))
    width = max(len(name) for name, _ in facts) + 2
    for name, value in facts:
        console.print(f"[bold]{name:<{width}}[/]{escape(value)}", highlight=False)
    console.print()


def finished_line(run: "RunFolder") -> str:
    """The first scores of a run."""
    scores = run.metrics[run.scored_split] if run.scored_split else {}
    names = [*scores.get("intervals", {}), *(name for name, value in scores.items() if isinstance(value, float))]
    told = [f"{label(name)} {number(scores[name])}" for name in list(dict.fromkeys(names))[:SHOWN_SCORES]]
    return "  ".join([*told, f"{len(run.history)} epochs"])


def failed_line(reason: str) -> str:
    """The first sentence of why a run has failed."""
    return f"[red]failed[/]: {escape(reason.splitlines()[0].split('. ')[0])}"


def print_summary(summary: Summary, folder: SeriesFolder, console: Console) -> None:
    """The scores by setting, what has failed, and where everything lies."""
    if len(summary.rows):
        console.print()
        console.print(_score_table(summary, folder))
    counts = summary.members["state"].value_counts()
    console.print()
    for name, reason in summary.failures.items():
        console.print(f"[red]failed[/]   {escape(name)}: {escape(reason)}", highlight=False)
    told = ", ".join(f"{counts[state]} {state}" for state in ("finished", "failed", "missing") if state in counts)
    console.print(f"runs     {told}", highlight=False)
    console.print(f"summary  {folder.path / SUMMARY_CSV}", highlight=False, markup=False)


def _score_table(summary: Summary, folder: SeriesFolder) -> Table:
    coverage = f"{folder.config.evaluation.confidence:.0%} interval"
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for key in folder.grid.sweeps:
        name = key.rpartition(".")[2]
        table.add_column(name, overflow="fold", min_width=min(len(name), MOST_LETTERS))
    table.add_column("score", no_wrap=True)
    # Without folds, all predictions of a seed are those of its run.
    names = ["runs", "mean", "deviation", f"{coverage}\nover runs", *(["pooled"] if folder.grid.folds else [])]
    for name in (*names, f"{coverage}\nover sequences"):
        table.add_column(name, justify="right", no_wrap=True)
    for setting, rows in summary.settings:
        cells = [str(value) for value in setting.values()]
        for row in (row for row in rows if row["score"] in summary.headline):
            shown = [*cells, label(row["score"]), str(row["runs"]), number(row["mean"]), number(row["deviation"])]
            shown.append(_interval(row["low"], row["high"]))
            shown += [number(row["pooled"])] if folder.grid.folds else []
            shown.append(_interval(row["pooled_low"], row["pooled_high"]))
            table.add_row(*map(escape, shown))
            cells = ["" for _ in cells]
    return table


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else interval_text([low, high])
