"""Columns of long tables that may be what is to be learned: those that stay the same in a sequence, and others."""

from collections.abc import Iterable, Sequence
from typing import Any

from seqconv.cli.drafting.comments import INDENT
from seqconv.cli.drafting.heads import GROUPS, LABELS, Head, words_of
from seqconv.cli.drafting.places import Place
from seqconv.cli.drafting.questions import Reading, choose
from seqconv.cli.drafting.targets import MOST_CLASSES
from seqconv.config.files import write_value
from seqconv.errors import list_some


def steady_labels(heads: Sequence[Head]) -> list[str]:
    """Return the columns that mostly stay the same and may say what happens: those named so, or else all of words."""
    if not heads:
        return []
    keys = dict.fromkeys(name for head in heads for name in head.rows.by if not GROUPS & words_of(name))
    worded = [name for name in keys if LABELS & words_of(name)]
    return worded or [name for name in keys if name in heads[0].columns.words]


def changing_labels(heads: Sequence[Head], by: Sequence[str], *, with_numbers: bool = False) -> dict[str, str]:
    """Return the columns that may say what happens and change within a sequence, with how many values, how often.

    Args:
        heads: beginnings of tables with the same columns.
        by: columns that are equal in a sequence.
        with_numbers: whether to take columns of a few whole numbers if no other may be meant.
    """
    first = heads[0]
    free = [name for name in first.cells if name not in (*by, *first.clocks) and not GROUPS & words_of(name)]
    named = [name for name in free if LABELS & words_of(name) or name in first.columns.words]
    numbers = [name for name in free if all((number % 1) == 0 for number in first.columns.numbers.get(name, [0.5]))]
    found = {name: _count(heads, by, name) for name in named or (numbers if with_numbers else [])}
    return {
        name: f"{len(values)} values such as {list_some(values[:2])}; in a sequence of {rows:.3g} rows it changes "
        + ("once" if changes == 1 else f"{changes:.2g} times")
        for name, (values, changes, rows) in found.items()
        if changes and (name in named or len(values) <= MOST_CLASSES)
    }


def ask_label(place: Place, heads: Sequence[Head], rows: dict[str, Any], wanted: str | None = None) -> str | None:
    """Return which of the columns that change within a sequence the user wants to be learned; None if there is none.

    Args:
        place: what the config is drafted for.
        heads: beginnings of tables with the same columns.
        rows: what a sequence is without it.
        wanted: the column that the user has named, if any.

    Raises:
        ManifestError: there is no terminal to ask on; has the command for each.
    """
    by = rows["by"]
    found = changing_labels(heads, by, with_numbers=True)
    if wanted is not None:
        found = {name: text for name, text in found.items() if name == wanted}
    if not found:
        return None
    same = f"with equal {list_some(by)}" if by else "of a whole file"
    what = "no column that may be what is to be learned stays" if wanted is None else f"'{wanted}' does not stay"
    return choose(
        f"'{place.path}': {what} the same in a sequence {same}. A sequence could end where it changes, but a "
        "prediction, which does not know it, cannot end it there, so windows are to be cut from both.",
        [
            Reading(f"'{name}' ({text})", place.command("--label", name, "--set", _rows(name, rows)), name)
            for name, text in found.items()
        ],
    )


def tell_others(place: Place, heads: Sequence[Head], by: Sequence[str]) -> list[str]:
    """Say which columns change within a sequence and are not learned, with the command that learns each."""
    lines: list[str] = []
    for name, text in changing_labels(heads, by).items():
        lines.append(f"not used, since it changes within a sequence: '{name}' ({text}). To learn it:")
        lines.append(INDENT + place.command("--label", name))
    return lines


def _rows(name: str, rows: dict[str, Any]) -> str:
    return f"data.rows={write_value({**rows, 'by': [*rows['by'], name], 'sequence': 'run'})}"


def _count(heads: Iterable[Head], by: Sequence[str], name: str) -> tuple[list[str], float, float]:
    """Return the values of a column, and of a sequence on average its changes and its rows."""
    values = sorted({cell for head in heads for cell in head.cells[name] if cell is not None})
    sequences = sum(head.count_runs(by) for head in heads)
    changes = sum(head.count_runs((*by, name)) for head in heads) - sequences
    return values, changes / sequences, sum(len(head.cells[name]) for head in heads) / sequences
