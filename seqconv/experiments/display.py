"""What a series says: its facts, a line for each run, the summary."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
from rich.console import Console
from rich.markup import escape

from seqconv.experiments.folder import SeriesFolder
from seqconv.experiments.progress import RunsProgress
from seqconv.experiments.run_specs import describe_setting, short_keys
from seqconv.experiments.summary import SUMMARY_CSV, Summary
from seqconv.reports.names import label
from seqconv.reports.tables import Table, interval_text, make_table, number
from seqconv.reports.terminal_table import print_table
from seqconv.text import amount

if TYPE_CHECKING:
    from seqconv.reports.folder import RunFolder

SHOWN_SCORES = 1
_ENDS = (("low", "high"), ("pooled_low", "pooled_high"))


class EpochListener(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells a bar of each epoch of a run, with the monitored value."""

    def __init__(self, bar: RunsProgress, monitor: str) -> None:
        super().__init__()
        self._bar, self._monitor = bar, monitor

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        value = (logs or {}).get(self._monitor)
        self._bar.epoch(f"{self._monitor} {value:.4f}" if isinstance(value, float) else "")


def print_facts(folder: SeriesFolder, done: int, console: Console) -> None:
    """What a series is made of, and how far it is."""
    facts = [("series", folder.grid.describe())]
    names = short_keys(list(folder.grid.sweeps))
    facts += [(names[key], ", ".join(map(str, values))) for key, values in folder.grid.sweeps.items()]
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
    return "  ".join([*told, amount(len(run.history), "epoch")])


def failed_line(reason: str) -> str:
    """The first sentence of why a run has failed."""
    return f"[red]failed[/]: {escape(reason.splitlines()[0].split('. ')[0])}"


def print_summary(summary: Summary, folder: SeriesFolder, console: Console) -> None:
    """The scores by setting, what has failed, and where everything lies."""
    if len(summary.rows):
        console.print()
        print_table(_score_table(summary, folder), console)
    counts = summary.members["state"].value_counts()
    console.print()
    for name, reason in summary.failures.items():
        console.print(f"[red]failed[/]   {escape(name)}: {escape(reason)}", highlight=False)
    told = ", ".join(f"{counts[state]} {state}" for state in ("finished", "failed", "missing") if state in counts)
    console.print(f"runs     {told}", highlight=False)
    console.print(f"summary  {folder.path / SUMMARY_CSV}", highlight=False, markup=False)


def _score_table(summary: Summary, folder: SeriesFolder) -> Table:
    """Settings, scores, means with two intervals; how many runs, where some have not finished."""
    coverage = f"{folder.config.evaluation.confidence:.0%} interval"
    names = ["setting", "score", "runs", "mean", "deviation"]
    names += [f"{coverage}\nover runs", "pooled", f"{coverage}\nover sequences"]
    keys, rows = short_keys(list(folder.grid.sweeps)), []
    for setting, scored in summary.settings:
        name = describe_setting({keys[key]: value for key, value in setting.items()})
        for row in (row for row in scored if row["score"] in summary.headline):
            over_runs, over_sequences = (_interval(row[low], row[high]) for low, high in _ENDS)
            spread = (row["runs"], row["mean"], row["deviation"], over_runs)
            rows.append((name, label(row["score"]), *spread, row["pooled"], over_sequences))
    unneeded = {"setting"} if not folder.grid.sweeps else set()
    # Without folds, all predictions of a seed are those of its run.
    unneeded |= set() if folder.grid.folds else {"pooled"}
    unneeded |= {"runs"} if len({row[2] for row in rows}) == 1 else set()
    kept = [place for place, name in enumerate(names) if name not in unneeded]
    return make_table([names[place] for place in kept], [[row[place] for place in kept] for row in rows])


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else interval_text([low, high])
