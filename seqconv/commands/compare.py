"""`seqconv compare`, `python scripts/compare.py`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    from rich.markup import escape

    from seqconv.reporting.contenders import expand, group_runs

    runs = expand(arguments.runs)
    if len(runs) < 2:
        raise ConfigError(
            f"there is one run to compare, '{arguments.runs[0]}'. Give another, or the folder of several."
        )
    console = Console(soft_wrap=True)
    for title, table in describe(group_runs(runs, each=arguments.each)):
        console.print(f"\n[bold]{escape(title)}[/]", highlight=False)
        console.print(_as_rich(table) if table.rows else "nothing", highlight=False)
    if arguments.output is not None:
        from seqconv.reporting import write_comparison

        say(f"wrote {write_comparison(arguments.runs, Path(arguments.output))}")
    return 0


def describe(contenders: "Sequence[Contender]") -> "list[tuple[str, Table]]":
    """Titles and tables of a comparison."""
    from seqconv.reporting.comparison import config_differences
    from seqconv.reporting.contenders import difference_table, spread_table

    parts = [("scores", _shortened(spread_table(contenders)))]
    if len(contenders) > 1:
        parts.append((f"differences from {contenders[0].name}", _shortened(difference_table(contenders))))
        are_single = all(len(each.runs) == 1 for each in contenders)
        settings = {each.name: each.runs[0].config.to_dict() if are_single else each.settings for each in contenders}
        parts.append(("what differs in the configs", config_differences(settings)))
    return parts


def _shortened(table: "Table") -> "Table":
    """Without what says nothing: columns that are empty, a pooled score that is the mean, a name that stands above."""
    from seqconv.reporting.tables import Table

    columns = [[row[place] for row in table.rows] for place in range(len(table.columns))]
    by_name = dict(zip(table.columns, columns, strict=True))
    kept = [name for name, cells in by_name.items() if any(cell not in (None, "") for cell in cells)]
    if {"pooled", "mean"} <= set(kept):
        pairs = zip(by_name["pooled"], by_name["mean"], strict=True)
        if all(pooled is None or abs(pooled - mean) < 1e-9 for pooled, mean in pairs):
            kept.remove("pooled")
    if set(by_name.get("runs", [])) == {1}:
        kept.remove("runs")
    rows: list[tuple[Any, ...]] = []
    for place, row in enumerate(table.rows):
        is_named = place and row[0] == table.rows[place - 1][0]
        known = dict(zip(table.columns, ("" if is_named else row[0], *row[1:]), strict=True))
        rows.append(tuple(known[name] for name in kept))
    return Table(tuple(kept), tuple(rows))


def _as_rich(table: "Table") -> "RichTable":
    from rich.markup import escape
    from rich.table import Table as RichTable

    shown = RichTable(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for name, is_numeric in zip(table.columns, table.numeric, strict=True):
        is_text = name in ("run", "setting")
        title = escape(name.replace(" over ", "\nover "))
        shown.add_column(title, justify="right" if is_numeric else "left", overflow="fold", no_wrap=not is_text)
    for row in table.texts:
        shown.add_row(*map(escape, row))
    return shown
