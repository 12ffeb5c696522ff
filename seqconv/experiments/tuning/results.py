"""Results of a search: a table of its trials, the config of the best one, and the text printed about both."""

import shlex
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console

from seqconv.experiments.run_specs import short_keys
from seqconv.experiments.tuning.folder import BEST, STUDY, TRIALS, TuningFolder
from seqconv.experiments.tuning.space import Choices, Range
from seqconv.experiments.tuning.study import Study
from seqconv.files import write_text
from seqconv.reports.tables import make_table, number
from seqconv.reports.terminal_table import print_table
from seqconv.training.run.run_dir import program

SHOWN = 5
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def trial_table(search: TuningFolder, study: Study) -> pd.DataFrame:
    """Return a row for each trial: number, state, best monitored value, epochs, values tried, reason of failure."""
    rows: list[dict[str, Any]] = []
    for trial in study.trials:
        reached = list(trial.intermediate_values.values())
        choose = max if search.config.monitor_mode == "max" else min
        rows.append(
            {
                "trial": trial.number,
                "state": _STATES[trial.state.name],
                search.config.monitor: trial.value if trial.state.name == "COMPLETE" else choose(reached, default=None),
                "epochs": len(reached),
                **study.values_of(trial),
                "reason": study.reason_of(trial),
            }
        )
    return pd.DataFrame(rows)


def write_results(search: TuningFolder, study: Study) -> None:
    """Write `trials.csv`, and `best.yaml` once a trial has finished."""
    write_text(trial_table(search, study).to_csv(index=False), search.path / TRIALS)
    best = study.best
    if best is not None:
        head = (
            f"# The best of {len(study.trials)} trials: {search.config.monitor} {best.value:.4f} on valid, in trial "
            f"{best.number}.\n# Chosen by valid: say so next to its scores, and give those of test.\n"
        )
        write_text(head + search.config.with_(study.values_of(best)).to_yaml(), search.path / BEST)


def describe(values: Choices | Range) -> str:
    """Describe the values that are searched.

    >>> describe(Range(low=1e-4, high=1e-2, log=True))
    '0.0001 to 0.01, log'
    """
    if isinstance(values, Choices):
        return ", ".join(map(_short, values.choices))
    step = f", in steps of {values.step:g}" if values.step else ""
    return f"{values.low:g} to {values.high:g}{', log' if values.log else ''}{step}"


def describe_values(values: Mapping[str, Any]) -> str:
    """Write the values of a trial as text."""
    names = short_keys(list(values))
    return ", ".join(f"{names[key]} {_short(value)}" for key, value in values.items())


def print_best(search: TuningFolder, study: Study, console: Console) -> None:
    """Print the best trials, how many there were of each kind, and what to do next."""
    trials, monitor = trial_table(search, study), search.config.monitor
    complete = trials[trials["state"] == "complete"]
    complete = complete.sort_values(monitor, ascending=search.config.monitor_mode == "min", kind="stable")
    names = short_keys(list(search.space))
    rows = [
        (f"trial {row['trial']}", number(row[monitor]), *(_short(row[key]) for key in names))
        for row in complete.head(SHOWN).to_dict("records")
    ]
    console.print()
    print_table(make_table(["", monitor, *names.values()], rows), console)
    console.print()
    counts = trials["state"].value_counts()
    states = ", ".join(f"{counts[state]} {state}" for state in _STATES.values() if state in counts)
    best = search.path / BEST
    for name, text in (("trials", f"{states}: {search.path / TRIALS}"), ("study", search.path / STUDY), ("best", best)):
        console.print(f"{name:<9}{text}", highlight=False, markup=False)
    console.print("\ntrain it, and score it on the test split:", highlight=False)
    console.print(f"  {program()} train --config {shlex.quote(str(best))}", highlight=False, markup=False)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
