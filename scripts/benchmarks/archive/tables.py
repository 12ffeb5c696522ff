"""Tables of the benchmark: accuracies and seconds of the recipes, then all means and ranks beside published figures."""

import statistics
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.archive.published import read_published
from benchmarks.archive.rows import Row

Accuracies = Mapping[str, Mapping[str, float]]
"""By contestant, then by data set."""


def print_tables(rows: Sequence[Row], recipes: Sequence[str], console: Console) -> None:
    """Print what the recipes reached, then the same beside others, and the sources of their figures."""
    if not rows:
        return
    datasets = sorted({row.dataset for row in rows})
    console.print(_table_of_recipes(rows, datasets, recipes))
    published = read_published()
    methods = [name for name, values in published.accuracy.items() if values.keys() & set(datasets)]
    ours, theirs = mean_accuracies(rows), {name: published.accuracy[name] for name in methods}
    console.print(_table_beside(ours, theirs, datasets))
    for name in methods:
        console.print(f"{name}: {published.sources[name]}", markup=False, soft_wrap=True)


def mean_accuracies(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Return the mean over the seeds, by recipe, then by data set."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        found.setdefault(row.recipe, {}).setdefault(row.dataset, []).append(row.accuracy)
    return {name: {set_: statistics.fmean(each) for set_, each in of.items()} for name, of in found.items()}


def mean_over(accuracy: Mapping[str, float], datasets: Sequence[str]) -> float | None:
    """Return the mean over the data sets; None where one is missing: means over other sets do not compare.

    >>> mean_over({"a": 0.5, "b": 1.0}, ["a", "b"]), mean_over({"a": 0.5}, ["a", "b"])
    (0.75, None)
    """
    known = [accuracy[name] for name in datasets if name in accuracy]
    return statistics.fmean(known) if len(known) == len(datasets) else None


def mean_ranks(contestants: Accuracies, datasets: Sequence[str]) -> dict[str, float]:
    """Return the mean rank over the data sets, 1 being the best, of those that have a figure on each of them.

    Equal accuracies share the mean of their ranks.

    >>> mean_ranks({"x": {"a": 0.9, "b": 0.5}, "y": {"a": 0.8, "b": 0.5}, "z": {"a": 1.0}}, ["a", "b"])
    {'x': 1.25, 'y': 1.75}
    """
    complete = {name: of for name, of in contestants.items() if all(each in of for each in datasets)}
    ranks: dict[str, list[float]] = {name: [] for name in complete}
    for dataset in datasets:
        values = [of[dataset] for of in complete.values()]
        for name, of in complete.items():
            better, equal = sum(value > of[dataset] for value in values), values.count(of[dataset])
            ranks[name].append(better + (1 + equal) / 2)
    return {name: statistics.fmean(each) for name, each in ranks.items()}


def _table_of_recipes(rows: Sequence[Row], datasets: Sequence[str], recipes: Sequence[str]) -> Table:
    table = Table(title="accuracy on test, and seconds a run", title_justify="left", title_style="bold")
    table.add_column("data set")
    for name in recipes:
        table.add_column(name, justify="right")
        table.add_column("seconds", justify="right")
    for dataset in datasets:
        cells: list[str] = []
        for name in recipes:
            mine = [row for row in rows if (row.dataset, row.recipe) == (dataset, name)]
            cells += [_spread([row.accuracy for row in mine]), _seconds([row.seconds for row in mine])]
        table.add_row(dataset, *cells)
    return table


def _table_beside(ours: Accuracies, theirs: Accuracies, datasets: Sequence[str]) -> Table:
    title = (
        "mean accuracies, beside published ones where they are known; ranks are of those with a figure on each data set"
    )
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("data set")
    contestants = {**ours, **theirs}
    best = {name: max(known) for name in datasets if (known := [of[name] for of in theirs.values() if name in of])}
    named = contestants | ({"best published": best} if best else {})
    for name in named:
        table.add_column(name, justify="right")
    columns = list(named.values())
    for dataset in datasets:
        table.add_row(dataset, *(_digits(of.get(dataset)) for of in columns))
    table.add_section()
    table.add_row("mean", *(_digits(mean_over(of, datasets)) for of in columns))
    ranks = mean_ranks(contestants, datasets)
    table.add_row("mean rank", *(_digits(ranks.get(name), places=2) for name in named))
    return table


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    mean = _digits(statistics.fmean(values))
    return mean if len(values) == 1 else f"{mean} ({_digits(min(values))}-{_digits(max(values))})"


def _seconds(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f}" if values else ""


def _digits(value: float | None, places: int = 3) -> str:
    return "" if value is None else f"{value:.{places}f}"
