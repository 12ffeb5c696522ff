"""The content of a file of features: values, the names of their columns, and the times of rows."""

from typing import NamedTuple

import numpy as np

from seqconv.errors import ManifestError, list_some
from seqconv.features.columns import Columns, read_clock
from seqconv.features.kinds import Array, Precomputed


class TableNames(NamedTuple):
    """Names of the columns of a table that are features, in order, and of those that were left out as words."""

    used: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


class Content(NamedTuple):
    """Values `(time, d)`, names of their columns, and the times of rows, if there is a clock."""

    values: Array
    names: TableNames = TableNames()
    times: Array | None = None


def content_of_table(table: Columns, settings: Precomputed) -> Content:
    """Return the columns of a table that are features: those of the settings, or all that hold numbers.

    Raises:
        ManifestError: a column is not there or holds text, or none is left; without the path.
    """
    chosen, clock, times = settings.columns, settings.clock, None
    try:
        if clock in table.names:
            times = read_clock(table, clock)
    except ValueError as error:
        raise ManifestError(f"cannot be read as a table ({str(error).strip()})") from error
    if clock is not None and times is None:
        raise ManifestError(f"lacks '{clock}', which is features.clock; it has {list_some(table.names)}")
    if chosen is not None:
        _check_chosen(table, chosen)
    elif table.problems:
        raise ManifestError(
            f"{next(iter(table.problems.values()))}. Fix it, or name the columns to use in features.columns"
        )
    used = chosen or tuple(name for name in table.numbers if name != clock)
    if not used:
        raise ManifestError("has no numeric column; is the first line the header?")
    left_out = () if chosen else tuple(name for name in table.words if name != clock)
    return Content(np.column_stack([table.numbers[name] for name in used]), TableNames(used, left_out), times)


def _check_chosen(table: Columns, chosen: tuple[str, ...]) -> None:
    missing = [name for name in chosen if name not in table.names]
    if missing:
        raise ManifestError(f"lacks {list_some(missing)} of features.columns; it has {list_some(table.names)}")
    texts = [name for name in chosen if name not in table.numbers]
    if texts:
        reason = table.problems.get(texts[0], f"all of column '{texts[0]}'")
        raise ManifestError(f"{list_some(texts)} of features.columns hold text, not numbers: {reason}")
