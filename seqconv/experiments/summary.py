"""The summary of a sweep: mean, deviation and interval of each score by setting, and the score over all folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from seqconv.experiments.folder import SweepFolder
from seqconv.experiments.run_groups import Contender, leave_out, score_names, scores_of, spread_table
from seqconv.experiments.run_specs import RunSpec, describe_setting, short_keys
from seqconv.files import write_text
from seqconv.reports.terminal_table import print_table

if TYPE_CHECKING:
    import pandas as pd

    from seqconv.reports.folder import RunFolder

SUMMARY, RUNS = "summary.csv", "runs.csv"


@dataclass(frozen=True)
class Summary:
    """Scores of the finished runs of a sweep.

    `rows`: one for each setting and score; `runs`: one for each run, with all its scores, or why it has failed;
    `groups`: the finished runs by setting.
    """

    rows: "pd.DataFrame"
    runs: "pd.DataFrame"
    groups: list[Contender]


def summarize(folder: SweepFolder, failures: Mapping[str, str]) -> Summary:
    """Sum up the runs that have finished.

    Raises:
        StoreError: a file of a run is damaged.
    """
    import pandas as pd

    finished = folder.read_finished()
    keys, rows, groups = short_keys(list(folder.grid.sweeps)), [], []
    for setting, specs in by_setting(folder.specs):
        name = describe_setting({keys[key]: value for key, value in setting.items()}) or folder.path.name
        group = Contender(name, [finished[spec.name] for spec in specs if spec.name in finished], folder.config)
        rows += [{**setting, "score": score, **_row(group, score)} for score in score_names(group.runs)]
        groups.append(group)
    runs = pd.DataFrame([_run_row(spec, finished, failures) for spec in folder.specs])
    return Summary(pd.DataFrame(rows), runs, groups)


def write_summary(summary: Summary, folder: SweepFolder) -> None:
    """Write `summary.csv` and `runs.csv` into the folder of the sweep."""
    write_text(summary.rows.to_csv(index=False), folder.path / SUMMARY)
    write_text(summary.runs.to_csv(index=False), folder.path / RUNS)


def print_summary(summary: Summary, folder: SweepFolder, failures: Mapping[str, str], console: Console) -> None:
    """Print the scores by setting, the failures, and where everything is."""
    console.print()
    if len(summary.rows):
        table = spread_table(summary.groups, f"{folder.config.evaluation.confidence:.0%} interval")
        # Without folds, all predictions of a seed are those of its run.
        unneeded = {
            name for name, is_used in (("run", folder.grid.sweeps), ("pooled", folder.grid.folds)) if not is_used
        }
        unneeded |= {"runs"} if len({row[2] for row in table.rows}) == 1 else set()
        print_table(leave_out(table, unneeded), console)
        console.print()
    for name, reason in failures.items():
        console.print(f"[red]failed[/]   {escape(name)}: {escape(reason)}", highlight=False)
    counts = summary.runs["state"].value_counts()
    told = ", ".join(f"{counts[state]} {state}" for state in ("finished", "failed", "missing") if state in counts)
    console.print(f"runs     {told}", highlight=False)
    console.print(f"summary  {folder.path / SUMMARY}", highlight=False, markup=False)


def by_setting(specs: Sequence[RunSpec]) -> list[tuple[Mapping[str, Any], list[RunSpec]]]:
    """Group the runs by setting, in order."""
    found: dict[str, list[RunSpec]] = {}
    for spec in specs:
        # Not by its text: the number 1 and the text '1' are two settings.
        found.setdefault(repr(spec.setting), []).append(spec)
    return [(same[0].setting, same) for same in found.values()]


def _row(group: Contender, score: str) -> dict[str, Any]:
    found = group.spread(score)
    pooled, interval = group.pooled.get(score, (None, None))
    row = {"runs": found.num_values, "mean": found.mean, "deviation": found.deviation}
    for name, ends in (("", found.interval), ("pooled_", interval)):
        row |= {"pooled": pooled} if name else {}
        row[f"{name}low"], row[f"{name}high"] = ends or (None, None)
    return row


def _run_row(spec: RunSpec, finished: "Mapping[str, RunFolder]", failures: Mapping[str, str]) -> dict[str, Any]:
    state = "finished" if spec.name in finished else "failed" if spec.name in failures else "missing"
    row: dict[str, Any] = {"run": spec.name, "state": state, **spec.setting}
    row |= {} if spec.fold is None else {"fold": spec.fold}
    row |= {"seed": spec.seed, "reason": failures.get(spec.name, "")}
    if spec.name in finished:
        run = finished[spec.name]
        row |= {"split": run.scored_split, **{name: scores_of(run)[name] for name in score_names([run])}}
    return row
