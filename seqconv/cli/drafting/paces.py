"""The pace of the rows of a long table: how many a second has, as far as a clock, its name or the user says it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from seqconv.cli.drafting.comments import INDENT
from seqconv.cli.drafting.heads import Head, words_of
from seqconv.cli.drafting.places import Place
from seqconv.features.columns import read_clock

_RATE = "features.frame_rate"
# Seconds of each unit, and the words for it in the name of a column.
_UNITS: dict[str, tuple[float, set[str]]] = {
    "seconds": (1.0, {"s", "sec", "secs", "second", "seconds"}),
    "milliseconds": (1e-3, {"ms", "msec", "millis", "millisecond", "milliseconds"}),
    "microseconds": (1e-6, {"us", "µs", "μs", "usec", "micros", "microsecond", "microseconds"}),
    "nanoseconds": (1e-9, {"ns", "nsec", "nanos", "nanosecond", "nanoseconds"}),
}
# Of slower and faster ones than a row a day and 100,000 a second, nobody thinks.
_SLOWEST, _FASTEST = 1 / 86400, 1e5


@dataclass(frozen=True)
class Pace:
    """The seconds from row to row, if known. `why`: what says it; `said`: what the user may do if nothing does."""

    step: float | None
    why: str = ""
    said: tuple[str, ...] = ()

    @property
    def rate(self) -> float | None:
        """Rows a second."""
        return None if self.step is None else float(f"{1 / self.step:.3g}")


def find_pace(place: Place, head: Head, keys: Sequence[Any]) -> Pace:
    """Find the pace of the rows; where the unit of a clock is not known, say what each would mean.

    Args:
        place: what the config is drafted for; the user may have set the rate.
        head: the beginning of the table.
        keys: cells that are equal in the rows of a sequence.
    """
    given = place.given.get("features", {}).get("frame_rate")
    if isinstance(given, int | float) and given > 0:
        return Pace(1 / given)
    start, end = _longest_run(keys)
    steps = {name: _usual_step(read_clock(head.columns, name)[start:end]) for name in head.clocks}
    steps = {name: step for name, step in steps.items() if step > 0}
    for name, step in steps.items():
        unit = 1.0 if name in head.columns.words else _unit_of(name)
        if unit is not None:
            return Pace(step * unit, f"a second: steps of '{name}' are mostly {step * unit:.3g} s")
    return Pace(None, said=tuple(_ask(place, *next(iter(steps.items()), (None, 0.0)))))


def _unit_of(name: str) -> float | None:
    """Return the seconds of the unit that the name of a clock says; None if it says none, or several."""
    found = [seconds for seconds, words in _UNITS.values() if words & words_of(name)]
    return found[0] if len(found) == 1 else None


def _ask(place: Place, name: str | None, step: float) -> list[str]:
    """Return what the user may say about the rate: a line in words, and a command."""
    rates = {unit: 1 / (step * seconds) for unit, (seconds, _) in _UNITS.items()} if step else {}
    rates = {unit: rate for unit, rate in rates.items() if _SLOWEST <= rate <= _FASTEST}
    why = "no column says when a row was measured"
    if name is not None:
        why = f"'{name}' mostly rises by {step:.6g}, and does not say in which unit"
    lines = [
        f"LOOK AT THIS: {why}, so that nothing says how many rows a second has, and no windows are proposed, which are "
        "cut alike in training and prediction. Say it:"
    ]
    for unit, rate in rates.items():
        lines += [f"  if it counts {unit}:", INDENT + place.set(_RATE, f"{rate:.6g}")]
    return [*lines, "  else, with the rows a second that you know instead of RATE:", INDENT + place.set(_RATE, "RATE")]


def _usual_step(times: Any) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def _longest_run(keys: Sequence[Any]) -> tuple[int, int]:
    edges = [0, *(row + 1 for row, (one, other) in enumerate(pairwise(keys)) if one != other), len(keys)]
    return max(pairwise(edges), key=lambda edge: edge[1] - edge[0])
