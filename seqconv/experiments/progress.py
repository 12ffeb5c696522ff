"""A progress bar over the epochs of several runs, and a line for each finished run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class RunsProgress:
    """A progress bar over several runs, by epochs, if output is a terminal; otherwise only the lines.

    Args:
        console: where to tell it.
        count: how many runs there are; `done` of them were through before.
        epochs: of all runs that are not through, at most.
    """

    def __init__(self, console: Console, *, count: int, done: int, epochs: int) -> None:
        self._console, self._count, self._number = console, count, done
        self._epochs, self._planned, self._of_run, self._started = epochs, 0, 0, 0.0
        self._progress: Progress | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bar within the block."""
        if not self._console.is_terminal:
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[told]}"))
        self._progress = Progress(*columns, TimeRemainingColumn(), console=self._console, transient=True)
        with self._progress:
            self._task = self._progress.add_task("", total=self._epochs, told="")
            yield
        self._progress = None

    def begin(self, name: str, epochs: int) -> None:
        """Note that a run begins, or goes on, with so many epochs at most."""
        self._number += 1
        self._started, self._of_run, self._planned, self._name = time.monotonic(), 0, epochs, name
        self._update("preparing")

    def epoch(self, told: str) -> None:
        """Note that an epoch of the run has ended."""
        self._of_run += 1
        if self._progress is not None:
            self._progress.advance(self._task)
        self._update(f"epoch {self._of_run}/{self._planned}  {told}")

    def line(self, text: str, *, name: str = "") -> None:
        """Print that the run has ended: its result, in rich's markup, and how long it took."""
        if self._progress is not None:
            self._progress.advance(self._task, self._planned - self._of_run)
        shown = f"{escape(name)}  " if name else ""
        place = f"{self._number:>{len(str(self._count))}}/{self._count}"
        seconds = time.monotonic() - self._started
        self._console.print(f"{place}  {shown}{text}  {seconds:.0f} s", highlight=False)

    def _update(self, told: str) -> None:
        if self._progress is not None:
            description = f"{self._number}/{self._count}  {escape(self._name)}"
            self._progress.update(self._task, description=description, told=told)
