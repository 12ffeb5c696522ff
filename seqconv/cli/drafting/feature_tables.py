"""Tables of features: their clock, whether its steps are even, and their gaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.features.columns import Columns, is_clock, read_clock, read_columns
from seqconv.features.precomputed import TABLE_SUFFIXES

FloatArray = npt.NDArray[np.float64]
_MOST_READ = 30
_UNEVEN = 0.1
_LONG_GAP = 10


GIVEN = "as you say"
"""The reason of what the user sets."""


@dataclass(frozen=True)
class TableFacts:
    """Keys of `features` that say how tables are read, each with its reason."""

    settings: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def given(self, settings: Mapping[str, Any]) -> "TableFacts":
        """Return the same with keys that the user sets."""
        return TableFacts({**self.settings, **settings}, {**self.reasons, **dict.fromkeys(settings, GIVEN)})


def look_at_tables(paths: Sequence[str]) -> TableFacts:
    """Read some of the tables among the paths: which columns are features, which is a clock, and what is missing."""
    tables = [Path(path) for path in paths if Path(path).suffix.lower() in TABLE_SUFFIXES]
    read = []
    for path in tables[:: max(1, -(-len(tables) // _MOST_READ))]:
        try:
            read.append(read_columns(path))
        except (ValueError, OSError):
            # Whoever reads the features says what is wrong.
            return TableFacts()
    if not read:
        return TableFacts()
    numbers = read[0].numbers
    left = [name for name, values in numbers.items() if not is_clock(name, values)]
    facts: dict[str, tuple[Any, str]] = {}
    if 0 < len(left) < len(numbers):
        facts["columns"] = left, "of the tables; the others count time or hold text"
    measured = [table.numbers[name] for table in read for name in left if name in table.numbers]
    gaps = max(map(_longest_gap, measured), default=0)
    clock = _find_uneven_clock(read)
    if clock is not None:
        facts |= _describe_clock(read, clock, left)
    if gaps and (clock is not None or gaps <= _LONG_GAP):
        facts["missing"] = "interpolate", f"gaps of up to {gaps} rows are filled by lines; 'mask' marks them, too"
        facts.setdefault("max_gap", (gaps, "frames, of the longest gap that was seen"))
    elif gaps:
        facts["missing"] = "mask", f"gaps of up to {gaps} rows: too long for lines, so that a feature marks them"
    return TableFacts(*({key: fact[part] for key, fact in facts.items()} for part in (0, 1)))


def _find_uneven_clock(tables: Sequence[Columns]) -> str | None:
    """Return the column with the times of rows, if their steps differ."""
    for name in tables[0].names:
        times = [_times_of(table, name) for table in tables]
        known = [each for each in times if each is not None]
        if len(known) == len(times):
            steps = np.concatenate([np.diff(each) for each in known])
            if len(steps) and (steps > 0).all() and np.ptp(steps) > _UNEVEN * np.median(steps):
                return name
    return None


def _times_of(table: Columns, name: str) -> FloatArray | None:
    values = table.numbers.get(name)
    if values is not None and not is_clock(name, values):
        return None
    try:
        return read_clock(table, name)
    except (ValueError, KeyError):
        return None


def _describe_clock(tables: Sequence[Columns], clock: str, names: Sequence[str]) -> dict[str, tuple[Any, str]]:
    steps, spans = [], []
    for table in tables:
        times = read_clock(table, clock)
        steps.append(np.diff(times))
        known = [times[~np.isnan(table.numbers[name])] for name in names if name in table.numbers]
        spans += [float(np.diff(each).max()) for each in known if len(each) > 1]
    joined = np.concatenate(steps)
    rate = float(f"{1 / np.median(joined):.2g}")
    spread = f"steps of {joined.min():.3g} to {joined.max():.3g}, median {np.median(joined):.3g}"
    return {
        "clock": (clock, f"rows are at uneven times, in seconds: {spread}"),
        "resample": (rate, "frames a second that the rows become"),
        "max_gap": (float(np.ceil(max(spans, default=0.0) * 100) / 100), "seconds, of the longest gap that was seen"),
    }


def _longest_gap(values: FloatArray) -> int:
    """Return the length of the longest run of NaN.

    >>> _longest_gap(np.array([1.0, np.nan, np.nan, 2.0, np.nan]))
    2
    """
    known = np.flatnonzero(~np.isnan(np.concatenate([[0.0], values, [0.0]])))
    return int(np.diff(known).max() - 1)
