"""The summary of a sweep: mean, deviation and interval of each score by setting, and the score over all folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape

from seqconv.experiments.folder import SweepFolder
from seqconv.experiments.run_groups import Contender, leave_out, score_names, scores_of, spread_table
from seqconv.experiments.run_specs import RunSpec, describe_setting, short_keys
from seqconv.files import write_text
from seqconv.reports.folder import RunFolder, read_run
from seqconv.reports.tables import Table
from seqconv.reports.terminal_table import print_table

SUMMARY, RUNS = "summary.csv", "runs.csv"


@dataclass(frozen=True)
class Sweep:
    """A finished sweep.

    `path`: its folder. `summary`: a row for each setting and score: runs, mean, deviation, interval (low, high), and
    the score over all test predictions. `runs`: a row for each run, with all its scores. `failures`: the reasons why
    runs have failed, by name.
    """

    path: Path
    summary: pd.DataFrame
    runs: pd.DataFrame
    failures: Mapping[str, str]

    def __repr__(self) -> str:
        states = self.runs["state"].value_counts()
        counts = ", ".join(f"{count} {state}" for state, count in states.items())
        return f"<sweep in {self.path}: {counts}>"

    def _repr_html_(self) -> str:
        from seqconv.reports.notebook import table_html

        return table_html(self.summary, repr(self).strip("<>").capitalize())


def sum_up(folder: SweepFolder, failures: Mapping[str, str], console: Console) -> Sweep:
    """Sum up the runs that have finished: write `summary.csv` and `runs.csv`, print scores, failures and paths.

    Raises:
        StoreError: a file of a run is damaged.
    """
    finished = {spec.name: read_run(folder.run_path(spec)) for spec in folder.specs if folder.has_finished(spec)}
    keys, rows, groups = short_keys(list(folder.grid.sweeps)), [], []
    for setting, specs in by_setting(folder.specs):
        name = describe_setting({keys[key]: value for key, value in setting.items()}) or folder.path.name
        group = Contender(name, [finished[spec.name] for spec in specs if spec.name in finished], folder.config)
        rows += [{**setting, "score": score, **_row(group, score)} for score in score_names(group.runs)]
        groups.append(group)
    runs = pd.DataFrame([_run_row(spec, finished, failures) for spec in folder.specs])
    sweep = Sweep(folder.path, pd.DataFrame(rows), runs, failures)
    write_text(sweep.summary.to_csv(index=False), folder.path / SUMMARY)
    write_text(runs.to_csv(index=False), folder.path / RUNS)
    console.print()
    if rows:
        print_table(_score_table(groups, folder), console)
        console.print()
    for name, reason in failures.items():
        console.print(f"[red]failed[/]   {escape(name)}: {escape(reason)}", highlight=False)
    counts = runs["state"].value_counts()
    states = ", ".join(f"{counts[state]} {state}" for state in ("finished", "failed", "missing") if state in counts)
    console.print(f"runs     {states}", highlight=False)
    console.print(f"summary  {folder.path / SUMMARY}", highlight=False, markup=False)
    return sweep


def by_setting(specs: Sequence[RunSpec]) -> list[tuple[Mapping[str, Any], list[RunSpec]]]:
    """Group the runs by setting, in order."""
    found: dict[str, list[RunSpec]] = {}
    for spec in specs:
        # Not by its text: the number 1 and the text '1' are two settings.
        found.setdefault(repr(spec.setting), []).append(spec)
    return [(same[0].setting, same) for same in found.values()]


def _score_table(groups: Sequence[Contender], folder: SweepFolder) -> Table:
    """Return the scores by setting, without columns that say nothing about this sweep."""
    table = spread_table(groups, f"{folder.config.evaluation.confidence:.0%} interval")
    is_needed = {
        "run": bool(folder.grid.sweeps),
        # Without folds, all predictions of a seed are those of its run.
        "pooled": bool(folder.grid.folds),
        "runs": len({row[2] for row in table.rows}) > 1,
    }
    return leave_out(table, [name for name, needed in is_needed.items() if not needed])


def _row(group: Contender, score: str) -> dict[str, Any]:
    found = group.spread(score)
    pooled, interval = group.pooled.get(score, (None, None))
    row = {"runs": found.num_values, "mean": found.mean, "deviation": found.deviation}
    for name, ends in (("", found.interval), ("pooled_", interval)):
        row |= {"pooled": pooled} if name else {}
        row[f"{name}low"], row[f"{name}high"] = ends or (None, None)
    return row


def _run_row(spec: RunSpec, finished: Mapping[str, RunFolder], failures: Mapping[str, str]) -> dict[str, Any]:
    state = "finished" if spec.name in finished else "failed" if spec.name in failures else "missing"
    row: dict[str, Any] = {"run": spec.name, "state": state, **spec.setting}
    row |= {} if spec.fold is None else {"fold": spec.fold}
    row |= {"seed": spec.seed, "reason": failures.get(spec.name, "")}
    if spec.name in finished:
        run = finished[spec.name]
        row |= {"split": run.scored_split, **{name: scores_of(run)[name] for name in score_names([run])}}
    return row
