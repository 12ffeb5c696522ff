"""`seqconv compare`, `python scripts/compare.py`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqconv.cli.options import command
from seqconv.cli.splits import say
from seqconv.errors import ConfigError

if TYPE_CHECKING:
    from seqconv.experiments.run_groups import Contender
    from seqconv.reports.tables import Table


@command(
    "compare",
    "Compare runs: mean and deviation over seeds and folds, differences on the sequences that both were tested on, "
    "with intervals, and what differs in their configs. Runs that differ only in seed and fold are taken as one.",
    {
        "runs RUN": ("folder of a run, or of several; differences are those from the first", {"nargs": "+"}),
        "--each": "take every run by itself, also other seeds and folds",
        "--output FILE": "also write a page, as seqconv report does",
    },
)
def main(arguments: argparse.Namespace) -> None:
    """Print what the runs have scored, and how they differ."""
    from rich.console import Console
    from rich.markup import escape

    from seqconv.experiments.run_groups import expand, group_runs
    from seqconv.reports.terminal_table import print_table

    runs = expand(arguments.runs)
    if len(runs) < 2:
        raise ConfigError(f"there is only one run, '{arguments.runs[0]}'. Give another, or the folder of several.")
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


def describe(contenders: "Sequence[Contender]", width: int | None = None) -> "list[tuple[str, Table]]":
    """Return titles and tables of a comparison, for a terminal of so many columns."""
    from seqconv.experiments.run_groups import config_differences, difference_table, kind_of, shorten, spread_table
    from seqconv.reports.tables import Table
    from seqconv.reports.terminal_table import table_lines

    parts = [("scores", shorten(spread_table(contenders)))]
    if len(contenders) > 1:
        parts.append((f"differences from {contenders[0].name}", shorten(difference_table(contenders))))
        are_single = all(len(each.runs) == 1 for each in contenders)
        settings = {each.name: each.config.to_dict() if are_single else kind_of(each.runs[0]) for each in contenders}
        differing = config_differences(settings)
        if width is not None and any(len(line) > width for line in table_lines(differing)):
            # With too little room for a column for each run, each has a row.
            rows = [(key, *pair) for key, *values in differing.rows for pair in zip(settings, values, strict=True)]
            differing = Table(("setting", "run", "value"), tuple(rows))
        parts.append(("what differs in the configs", differing))
    return parts
