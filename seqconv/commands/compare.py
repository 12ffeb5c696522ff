"""`seqconv compare`, `python scripts/compare.py`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqconv.commands.splits import say
from seqconv.commands.terminal import report_errors
from seqconv.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from seqconv.reporting.contenders import Contender
    from seqconv.reporting.tables import Table


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

    from seqconv.reporting.contenders import expand, group_runs

    runs = expand(arguments.runs)
    if len(runs) < 2:
        raise ConfigError(
            f"there is one run to compare, '{arguments.runs[0]}'. Give another, or the folder of several."
        )
    console = Console(soft_wrap=True)
    for title, table in describe(group_runs(runs, each=arguments.each)):
        console.print(f"\n[bold]{title}[/]", highlight=False)
        console.print(_as_rich(table) if table.rows else "nothing", highlight=False)
    if arguments.output is not None:
        from seqconv.reporting import write_comparison

        say(f"wrote {write_comparison(arguments.runs, Path(arguments.output))}")
    return 0


def describe(contenders: "Sequence[Contender]") -> "list[tuple[str, Table]]":
    """Titles and tables of a comparison."""
    from rich.markup import escape

    from seqconv.evaluation.report import label
    from seqconv.reporting.comparison import config_differences
    from seqconv.reporting.contenders import difference_table, spread_table
    from seqconv.reporting.tables import Table

    def with_names(table: Table) -> Table:
        rows = tuple((label(str(row[0])), *row[1:]) for row in table.rows)
        return Table(table.columns, rows)

    parts = [("scores", with_names(spread_table(contenders)))]
    if len(contenders) > 1:
        title = f"differences from {escape(contenders[0].name)}"
        parts.append((title, with_names(difference_table(contenders))))
        settings = {each.name: each.settings for each in contenders}
        parts.append(("what differs in the configs", config_differences(settings)))
    return parts


def _as_rich(table: "Table") -> "RichTable":
    from rich.markup import escape
    from rich.table import Table as RichTable

    shown = RichTable(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for name, is_numeric in zip(table.columns, table.numeric, strict=True):
        shown.add_column(escape(name), justify="right" if is_numeric else "left", overflow="fold")
    for row in table.texts:
        shown.add_row(*map(escape, row))
    return shown
