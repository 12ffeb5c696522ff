"""Train several runs one after the other, each as if it were alone; one that fails stops no other."""

import shlex
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from seqconv.config import Config, load_config
from seqconv.errors import SeqconvError
from seqconv.experiments.folder import LOGS
from seqconv.reports.folder import CONFIG
from seqconv.training.run.run_dir import program
from seqconv.training.run.single import Load
from seqconv.training.run.train import begin, go_on
from seqconv.training.state.interrupts import RunStopped


@dataclass(frozen=True)
class Attempt:
    """A run to train, or to go on with.

    Attributes:
        name: of its folder.
        config: of the run.
        settle: given the error that ended the run, or None, returns a line about it in rich's markup.
        changes: overrides of the config; what it refuses fails this run alone.
        watch: given the number of an epoch, from 1, the monitored value and whether it is the last; it may raise, which
            ends the run.
    """

    name: str
    config: Config
    settle: Callable[[Exception | None], str]
    changes: Sequence[str | tuple[str, Any]] = ()
    watch: Callable[[int, float, bool], None] | None = None


class RunsProgress:
    """A line for each run that has ended; on a terminal also `bar`, over the epochs of all.

    Args:
        console: where to print.
        count: the number of runs; `done` of them had ended before.
        epochs: the largest number of epochs of all other runs together.
    """

    def __init__(self, console: Console, *, count: int, done: int, epochs: int) -> None:
        self._console, self._count, self._number = console, count, done
        self._planned, self._of_run, self._started, self._name = 0, 0, 0.0, ""
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[state]}"))
        is_hidden = not console.is_terminal
        self.bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=is_hidden)
        self._task = self.bar.add_task("", total=epochs, state="")

    def begin(self, name: str, epochs: int) -> None:
        """Note that a run begins, or goes on, with so many epochs at most."""
        self._number += 1
        self._started, self._of_run, self._planned, self._name = time.monotonic(), 0, epochs, name
        self._update("preparing")

    def epoch(self, value: str) -> None:
        """Note that an epoch of the run has ended, with the monitored value."""
        self._of_run += 1
        self.bar.advance(self._task)
        self._update(f"epoch {self._of_run}/{self._planned}  {value}")

    def end(self, result: str, width: int) -> None:
        """Print the result of the run, in rich's markup, and how long it took; `width` letters for its name."""
        self.bar.advance(self._task, self._planned - self._of_run)
        place = f"{self._number:>{len(str(self._count))}}/{self._count}"
        seconds = time.monotonic() - self._started
        self._console.print(f"{place}  {escape(self._name.ljust(width))}  {result}  {seconds:.0f} s", highlight=False)

    def _update(self, state: str) -> None:
        description = f"{self._number}/{self._count}  {escape(self._name)}"
        self.bar.update(self._task, description=description, state=state)


@dataclass(frozen=True)
class Runs:
    """Several runs in one folder, and the command that goes on with them: `kind` is "sweep", made by "train"."""

    path: Path
    kind: str
    command: str
    load: Load
    console: Console
    overrides: Sequence[str] = ()

    def describe(self, facts: Iterable[tuple[str, str]], done: int, count: int) -> None:
        """Print what they are made of, and how many have finished."""
        facts = [*facts, ("folder", str(self.path))]
        facts += [("resumed", f"{done} of {count} runs have finished")] if done else []
        width = max(len(name) for name, _ in facts) + 2
        for name, value in facts:
            self.console.print(f"[bold]{name:<{width}}[/]{escape(value)}", highlight=False)
        self.console.print()

    def train(self, attempts: Iterable[Attempt], *, done: int, count: int, epochs: int, width: int = 0) -> None:
        """Train the runs; `epochs` of all of them at most, `width` letters for a name.

        Raises:
            RunStopped: says how to go on.
        """
        progress = RunsProgress(self.console, count=count, done=done, epochs=epochs)
        with progress.bar:
            for number, attempt in enumerate(attempts, start=done + 1):
                progress.begin(attempt.name, attempt.config.num_epochs)
                try:
                    result = attempt.settle(self._train_one(attempt, progress))
                except KeyboardInterrupt as stop:
                    name = signal.Signals(getattr(stop, "signal", signal.SIGINT))
                    raise RunStopped(
                        name,
                        f"{name.name} stopped the {self.kind} in run {number} of {count}, {attempt.name}; what was "
                        f"trained is kept. Go on with: {program()} {self.command} --resume "
                        f"{shlex.quote(str(self.path))}",
                    ) from None
                progress.end(result, width)

    def _train_one(self, attempt: Attempt, progress: RunsProgress) -> Exception | None:
        """Train a run, or go on with it; what it says goes into a file."""
        path, log = self.path / attempt.name, self.path / LOGS / f"{attempt.name}.txt"
        log.parent.mkdir(exist_ok=True)
        # Layers are named by a count that goes on from model to model: each run begins as the first of its process.
        keras.utils.clear_session()
        with log.open("a", encoding="utf-8") as file:
            console = Console(file=file, width=100, soft_wrap=True, color_system=None)
            listeners = [EpochListener(progress, attempt)]
            try:
                if (path / CONFIG).is_file():
                    go_on(path, self.overrides, self.load, listeners, console)
                else:
                    config = load_config(attempt.config, [*attempt.changes, *self.overrides])
                    begin(config, path, self.load, listeners, console)
            except Exception as error:
                file.write(str(error) if isinstance(error, SeqconvError) else traceback.format_exc())
                return error
        return None


class EpochListener(keras.callbacks.Callback):  # type: ignore[misc]
    """A listener that reports each epoch to the progress bar, and to `watch` of the attempt."""

    def __init__(self, progress: RunsProgress, attempt: Attempt) -> None:
        super().__init__()
        self._progress, self._monitor, self._watch = progress, attempt.config.monitor, attempt.watch

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        value = (logs or {}).get(self._monitor)
        self._progress.epoch(f"{self._monitor} {value:.4f}" if isinstance(value, float) else "")
        if self._watch is not None and isinstance(value, float):
            self._watch(epoch + 1, value, epoch + 1 == self.params["epochs"])


def reason_of(error: Exception) -> str:
    """Return the reason why a run failed."""
    return str(error).strip() or type(error).__name__


def failed_line(reason: str) -> str:
    """Return the line with the first sentence of the reason why a run failed."""
    return f"[red]failed[/]: {escape(reason.splitlines()[0].split('. ')[0])}"
