"""Tables on a terminal: whatever its width, no name and no digit is cut off."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console

from seqconv.reports.tables import Table

_BETWEEN = "  "


def print_table(table: Table, console: Console) -> None:
    """Print a table as `table_lines` formats it; in a file or pipe there is room for everything."""
    for line in table_lines(table, console.width if console.is_terminal else None):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def table_lines(table: Table, width: int | None = None) -> list[str]:
    """Return a table as lines of text; a name that the first column repeats is written once.

    Where it is wider than `width` letters, the names of the first column are on separate lines, above their rows. Lines
    that are still too wide are wrapped by the terminal.

    >>> table = Table(("run", "score", "mean"), (("a long name", "accuracy", 0.5), ("a long name", "F1", 0.25)))
    >>> print(*table_lines(table), sep="\\n")
    run          score       mean
    a long name  accuracy  0.5000
                 F1        0.2500
    >>> print(*table_lines(table, 20), sep="\\n")
    score       mean
    <BLANKLINE>
    a long name
    accuracy  0.5000
    F1        0.2500
    """
    names = [row[0] for row in table.texts]
    is_first = [place == 0 or name != names[place - 1] for place, name in enumerate(names)]
    rows = [("" if not first else row[0], *row[1:]) for row, first in zip(table.texts, is_first, strict=True)]
    flat = _aligned(table.columns, rows, table.numeric)
    if width is None or max(map(cell_len, flat)) <= width or len(table.columns) < 2:
        return flat
    head_lines = 1 + max(column.count("\n") for column in table.columns[1:])
    lines = _aligned(table.columns[1:], [row[1:] for row in rows], table.numeric[1:])
    head, body = lines[:head_lines], lines[head_lines:]
    for line, name, first in zip(body, names, is_first, strict=True):
        head += ["", name, line] if first else [line]
    return head


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> list[str]:
    heads = [column.split("\n") for column in columns]
    tallest = max(map(len, heads))
    # Headings of one line are at the bottom.
    filled = [[""] * (tallest - len(head)) + head for head in heads]
    lines = [*zip(*filled, strict=True), *rows]
    widths = [max(cell_len(line[place]) for line in lines) for place in range(len(columns))]
    return [
        _BETWEEN.join(
            " " * (width - cell_len(cell)) + cell if to_right else cell + " " * (width - cell_len(cell))
            for cell, width, to_right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    ]
