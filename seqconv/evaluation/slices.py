"""Slices: the sequences of each value of a column, which get separate scores."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from seqconv.errors import ConfigError, list_some
from seqconv.metrics.checks import IntArray

MOST_NUMBERS = 10
"""A column of numbers with more values than these is cut into classes."""
MOST_VALUES = 100
MISSING = "(missing)"


def slice_indices(data: Any, columns: Sequence[str], num_bins: int = 4) -> dict[str, dict[str, IntArray]]:
    """Return, for each column, the sequences of each of its values.

    A column of which all values are numbers, more than 10 of them, is cut at their quantiles into `num_bins` classes
    with about as many sequences each. Numbers with leading zeros (007) are names. Where a cell is empty, the value is
    "(missing)".

    Args:
        data: `Sequences`, or anything with `.metadata` (a DataFrame) and `.groups`.
        columns: of the metadata, or "group".
        num_bins: classes of a column of many numbers.

    Raises:
        ConfigError: no such column, with those that there are; a column with more than 100 names, as ids and paths are.

    >>> import pandas as pd
    >>> from types import SimpleNamespace
    >>> data = SimpleNamespace(metadata=pd.DataFrame({"rpm": range(0, 4000, 100)}), groups=None)
    >>> {name: len(found) for name, found in slice_indices(data, ["rpm"], num_bins=2)["rpm"].items()}
    {'0 to 1900': 20, '2000 to 3900': 20}
    """
    return {column: _slices_of(column, _texts(data, column), num_bins) for column in columns}


def _texts(data: Any, column: str) -> list[str]:
    metadata: Any = getattr(data, "metadata", None)
    known = [] if metadata is None else [str(name) for name in metadata.columns]
    if column in known:
        is_empty = metadata[column].isna()
        return [MISSING if empty else _text(value) for value, empty in zip(metadata[column], is_empty, strict=True)]
    if column == "group" and getattr(data, "groups", None) is not None:
        return [str(group) for group in data.groups]
    there = ", ".join(known) if known else "none"
    raise ConfigError(f"there is no column '{column}' to slice by; these sequences have: {there}.")


def _slices_of(column: str, texts: list[str], num_bins: int) -> dict[str, IntArray]:
    values = sorted(set(texts) - {MISSING})
    are_numbers = bool(values) and all(map(_is_number, values))
    if are_numbers and len(values) > MOST_NUMBERS:
        texts, values = _cut(texts, num_bins)
    elif len(values) > MOST_VALUES:
        raise ConfigError(
            f"column '{column}' has {len(values)} values, {list_some(values)}, and each would be a slice of few "
            f"sequences. Slice by a column with up to {MOST_VALUES} values, or one of numbers."
        )
    elif are_numbers:
        values.sort(key=float)
    array = np.array(texts, object)
    found = {value: np.flatnonzero(array == value) for value in [*values, MISSING]}
    return {value: indices for value, indices in found.items() if len(indices)}


def _cut(texts: list[str], num_bins: int) -> tuple[list[str], list[str]]:
    """Return the class of each number, named by its least and its largest; and all classes, ascending."""
    is_there = np.array([text != MISSING for text in texts])
    numbers = np.array([float(text) for text in texts if text != MISSING])
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, num_bins + 1)[1:-1], method="lower"))
    places = np.searchsorted(edges, numbers)
    names = {
        place: f"{numbers[places == place].min():.6g} to {numbers[places == place].max():.6g}"
        for place in np.unique(places).tolist()
    }
    cut = np.full(len(texts), MISSING, object)
    cut[is_there] = [names[place] for place in places.tolist()]
    return cut.tolist(), list(names.values())


def _text(value: Any) -> str:
    """Format a whole number without decimals, also if a gap in the column has made it 3.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _is_number(text: str) -> bool:
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return False
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
