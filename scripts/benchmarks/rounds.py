"""Contestants take turns: every round measures each of them once."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.progress import track

from benchmarks.results import Series
from benchmarks.settings import Settings


class Contestant(Protocol):
    """Whoever is measured: `measure` does the work of one round, 0 being the one that only warms up."""

    @property
    def name(self) -> str: ...

    @property
    def note(self) -> str: ...

    @property
    def lengths(self) -> str: ...

    def measure(self, round_number: int) -> Mapping[str, float]:
        """The metrics of one round."""
        ...


@dataclass(frozen=True)
class Missing:
    """A contestant that cannot run here: `note` says why, and what would change that."""

    name: str
    lengths: str
    note: str
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Timed:
    """A contestant that is a function: its metric is `amount` over the seconds that it takes, or the seconds."""

    name: str
    lengths: str
    function: Callable[[], object]
    metric: str
    amount: float = 1.0
    note: str = ""
    is_rate: bool = True

    def measure(self, round_number: int) -> Mapping[str, float]:
        """Run the function once."""
        started = time.perf_counter()
        self.function()
        seconds = time.perf_counter() - started
        return {self.metric: self.amount / seconds if self.is_rate else seconds}


def run_rounds(contestants: Sequence[Contestant | Missing], settings: Settings) -> list[Series]:
    """Warm everybody up, then measure in rounds; each round begins with another contestant."""
    present = [entry for entry in contestants if not isinstance(entry, Missing)]
    results: dict[str, dict[str, list[float]]] = {entry.name: {} for entry in present}
    turns = [(0, entry) for entry in present]
    for number in range(1, settings.rounds + 1):
        first = number % max(len(present), 1)
        turns += [(number, entry) for entry in [*present[first:], *present[:first]]]
    for number, entry in track(turns, "measuring", transient=True):
        metrics = entry.measure(number)
        if number:
            for metric, value in metrics.items():
                results[entry.name].setdefault(metric, []).append(value)
    return [
        Series(entry.name, entry.lengths, dict.fromkeys(entry.metrics, ()), entry.note, is_missing=True)
        if isinstance(entry, Missing)
        else Series(entry.name, entry.lengths, results[entry.name], entry.note)
        for entry in contestants
    ]
