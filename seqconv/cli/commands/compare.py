"""`seqconv compare`, `python scripts/compare.py`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqconv.cli.splits import say
from seqconv.cli.terminal import report_errors
from seqconv.errors import ConfigError

if TYPE_CHECKING:
    from seqconv.experiments.run_groups import Contender
    from seqconv.reports.tables import Table


def make_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="seqconv compare",
        description="Compare runs: mean and deviation over seeds and folds, differences on the sequences that both "
        "were tested on, with intervals, and what differs in their configs. Runs that differ only in seed and fold are "
        "taken as one.",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="folder of a run, or of several; differences are those from the first"
    )
    parser.add_argument("--each", action="store_true", help="take every run by itself, also other seeds and folds")
    parser.add_argument("--output", metavar="FILE", help="also write a page, as seqconv report does")
    return parser


@report_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    arguments = make_parser().parse_args(argv)
    from rich.console import Console
    from rich.markup import escape

    from seqconv.experiments.run_groups import expand, group_runs
    from seqconv.reports.terminal_table import print_table

    runs = expand(arguments.runs)
    if len(runs) < 2:
        raise ConfigError(
            f"there is one run to compare, '{arguments.runs[0]}'. Give another, or the folder of several."
        )
    console = Console(soft_wrap=True)
    for title, table in describe(group_runs(runs, each=arguments.each), console.width if console.is_terminal else None):
        console.print(f"\n[bold]{escape(title)}[/]", highlight=False)
        if table.rows:
            print_table(table, console)
        else:
            console.print("nothing", highlight=False)
    if arguments.output is not None:
        from seqconv.experiments import write_comparison

        say(f"wrote {write_comparison(arguments.runs, Path(arguments.output))}")
    return 0


def describe(contenders: "Sequence[Contender]", width: int | None = None) -> "list[tuple[str, Table]]":
    """Titles and tables of a comparison, for a terminal of so many letters."""
    from seqconv.experiments.comparison import config_differences
    from seqconv.experiments.run_groups import difference_table, spread_table
    from seqconv.reports.terminal_table import table_lines

    parts = [("scores", _shortened(spread_table(contenders)))]
    if len(contenders) > 1:
        parts.append((f"differences from {contenders[0].name}", _shortened(difference_table(contenders))))
        are_single = all(len(each.runs) == 1 for each in contenders)
        settings = {each.name: each.runs[0].config.to_dict() if are_single else each.settings for each in contenders}
        differing = config_differences(settings)
        if width is not None and any(len(line) > width for line in table_lines(differing)):
            differing = _one_below_the_other(differing)
        parts.append(("what differs in the configs", differing))
    return parts


def _shortened(table: "Table") -> "Table":
    """Without what says nothing: columns that are empty, a pooled score that is the mean; run and count as one."""
    from seqconv.reports.tables import Table

    columns = [[row[place] for row in table.rows] for place in range(len(table.columns))]
    by_name = dict(zip(table.columns, columns, strict=True))
    if "runs" in by_name:
        counts = by_name.pop("runs")
        named = zip(by_name["run"], counts, strict=True)
        by_name["run"] = [name if count == 1 else f"{name} ({count} runs)" for name, count in named]
    if {"pooled", "mean"} <= set(by_name):
        pairs = zip(by_name["pooled"], by_name["mean"], strict=True)
        if all(pooled is None or abs(pooled - mean) < 1e-9 for pooled, mean in pairs):
            del by_name["pooled"]
    kept = {name: cells for name, cells in by_name.items() if any(cell not in (None, "") for cell in cells)}
    titles = tuple(name.replace(" over ", "\nover ") for name in kept)
    return Table(titles, tuple(zip(*kept.values(), strict=True)))


def _one_below_the_other(differing: "Table") -> "Table":
    """The settings of each run in a row of their own, for where there is no room beside each other."""
    from seqconv.reports.tables import Table

    names = differing.columns[1:]
    rows = [(key, name, value) for key, *values in differing.rows for name, value in zip(names, values, strict=True)]
    return Table(("setting", "run", "value"), tuple(rows))
