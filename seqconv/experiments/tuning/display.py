"""What a search says: its facts, a line for each trial, the best ones."""

import shlex
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from seqconv.experiments.run_specs import short_keys
from seqconv.experiments.tuning.folder import BEST, STUDY, TRIALS, TuningFolder
from seqconv.experiments.tuning.results import trial_table
from seqconv.experiments.tuning.space import Parameter
from seqconv.experiments.tuning.study import Study
from seqconv.reports.tables import make_table, number
from seqconv.reports.terminal_table import print_table
from seqconv.training.run.run_dir import program

SHOWN = 5


def print_facts(search: TuningFolder, done: int, console: Console) -> None:
    """What is searched, where, and how far it is."""
    config = search.config
    way = "largest" if config.monitor_mode == "max" else "smallest"
    pruning = ", those that are worse are ended early" if search.prunes else ""
    facts = [
        ("search", f"{search.num_trials} trials for the {way} {config.monitor}{pruning}; test is not scored"),
        *((name, describe(each)) for name, each in zip(_names(search), search.parameters, strict=True)),
        ("folder", str(search.path)),
    ]
    if done:
        facts.append(("resumed", f"{done} trials are through"))
    width = max(len(name) for name, _ in facts) + 2
    for name, value in facts:
        console.print(f"[bold]{name:<{width}}[/]{escape(value)}", highlight=False)
    console.print()


def describe(parameter: Parameter) -> str:
    """A parameter in words.

    >>> describe(Parameter("training.learning_rate", low=1e-4, high=1e-2, log=True))
    '0.0001 to 0.01, log'
    """
    if parameter.choices:
        return ", ".join(map(_short, parameter.choices))
    step = f", in steps of {parameter.step:g}" if parameter.step else ""
    return f"{parameter.low:g} to {parameter.high:g}{', log' if parameter.log else ''}{step}"


def finished_line(monitor: str, value: float | None, values: Mapping[str, Any], *, is_best: bool) -> str:
    """A trial that has come to its end."""
    mark = "  [green]best[/]" if is_best else ""
    return f"{monitor} {number(value)}  {_told(values)}{mark}"


def pruned_line(reason: str, values: Mapping[str, Any]) -> str:
    """A trial that was ended early."""
    return f"[dim]{escape(reason.partition(':')[0])}[/]  {_told(values)}"


def failed_line(reason: str, values: Mapping[str, Any]) -> str:
    """A trial that has failed."""
    return f"[red]failed[/]: {escape(reason.splitlines()[0].split('. ')[0])}  {_told(values)}"


def print_best(search: TuningFolder, study: Study, console: Console) -> None:
    """The best trials, how many there were of each kind, and what to do next."""
    trials, monitor = trial_table(search, study), search.config.monitor
    complete = trials[trials["state"] == "complete"]
    complete = complete.sort_values(monitor, ascending=search.config.monitor_mode == "min", kind="stable")
    keys = [each.key for each in search.parameters]
    rows = [
        (f"trial {row['trial']}", number(row[monitor]), *(_short(row[key]) for key in keys))
        for row in complete.head(SHOWN).to_dict("records")
    ]
    console.print()
    print_table(make_table(["", monitor, *_names(search)], rows), console)
    console.print()
    counts = trials["state"].value_counts()
    told = ", ".join(f"{counts[state]} {state}" for state in ("complete", "pruned", "failed") if state in counts)
    best = search.path / BEST
    for name, text in (("trials", f"{told}: {search.path / TRIALS}"), ("study", search.path / STUDY), ("best", best)):
        console.print(f"{name:<9}{text}", highlight=False, markup=False)
    console.print("\ntrain it, and score it on the test split:", highlight=False)
    console.print(f"  {program()} train --config {shlex.quote(str(best))}", highlight=False, markup=False)


def _told(values: Mapping[str, Any]) -> str:
    names = short_keys(list(values))
    return escape(", ".join(f"{names[key]} {_short(value)}" for key, value in values.items()))


def _names(search: TuningFolder) -> list[str]:
    return list(short_keys([each.key for each in search.parameters]).values())


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
