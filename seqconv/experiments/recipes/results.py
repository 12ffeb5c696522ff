"""The candidates that a search has tried: printed as they come, and kept as a table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from seqconv.experiments.recipes.clock import Clock
from seqconv.experiments.recipes.folder import write_table
from seqconv.experiments.recipes.scores import Difference, FloatArray, Judge, Scored
from seqconv.reports.names import label
from seqconv.reports.tables import interval_text

WIDTH = 32


@dataclass(frozen=True, eq=False)
class Answer:
    """The answers of a candidate to left-out training sequences, `logits` `(n, num_outputs)`, and their score."""

    name: str
    scored: Scored
    logits: FloatArray
    seconds: float


class Results:
    """The candidates of a search, in the order in which they were tried.

    `saved`: the name of the candidate whose model is in the folder. `by_folds`: the best that was measured by folds.
    """

    def __init__(self, path: Path, console: Console, clock: Clock) -> None:
        self.console = console
        self._path, self._clock = path, clock
        self._rows: list[dict[str, Any]] = []
        self.saved: str | None = None
        self.reason = ""
        self.by_folds: Answer | None = None

    def add(self, answer: Answer, judge: Judge) -> None:
        """Print and keep how a candidate has scored."""
        scored = answer.scored
        shown = f" ({interval_text(scored.interval)})" if scored.interval else ""
        self._print(answer.name, f"loss {scored.loss:.4f}  {label(judge.headline)} {scored.score:.4f}{shown}")
        low, high = scored.interval or (None, None)
        self._write(
            tried=answer.name,
            loss=scored.loss,
            score=judge.headline,
            value=scored.score,
            low=low,
            high=high,
            sequences=scored.count,
            seconds=round(answer.seconds, 2),
        )

    def compare(self, name: str, other: str, gain: Difference) -> None:
        """Print and keep how the loss of a candidate compares with that of another, simpler one."""
        verdict = "better" if gain.is_lower else "not better"
        self._print(name, f"{verdict} than {other}: its loss is {gain}")
        self._write(tried=name, note=f"{verdict} than {other}: its loss is {gain}")

    def skip(self, name: str, reason: str) -> None:
        """Print and keep why a candidate was not tried to its end."""
        self._print(name, f"skipped: {reason}")
        self._write(tried=name, note=f"skipped: {reason}")

    def save(self, name: str, reason: str) -> None:
        """Print and keep that the model of a candidate is now that of the run."""
        if name != self.saved:
            self._print(name, f"saved: {reason}")
            self._write(tried=name, note=f"saved: {reason}")
        self.saved, self.reason = name, reason

    def note(self, text: str) -> None:
        """Print something about the search."""
        self.console.print(f"[yellow]{'note':<9}[/]{text}", highlight=False)

    @property
    def reasons(self) -> str:
        """The reasons why candidates were not tried."""
        return "; ".join(f"{row['tried']}: {row['note']}" for row in self._rows if row["note"])

    def conclude(self) -> None:
        """Print which model was chosen, and why."""
        self.console.print(f"\n[bold]{'chosen':<9}[/]{self.saved}: {self.reason}", highlight=False)

    def _print(self, name: str, text: str) -> None:
        line = f"{self._clock.spent:>6.1f} s  {name:<{WIDTH}}  {text}"
        self.console.print(line, highlight=False, markup=False)

    def _write(self, **row: Any) -> None:
        columns = ("tried", "loss", "score", "value", "low", "high", "sequences", "seconds", "note")
        self._rows.append({name: row.get(name) for name in columns} | {"at": round(self._clock.spent, 2)})
        write_table(self._rows, self._path)
