"""Train several runs one after the other, each as if it were alone; one that fails stops no other."""

import shlex
import signal
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.markup import escape

from seqconv.config import Config, load_config
from seqconv.errors import SeqconvError
from seqconv.experiments.folder import LOGS
from seqconv.experiments.progress import RunsProgress
from seqconv.training.run.run_dir import CONFIG, program
from seqconv.training.run.train import Load, begin, go_on
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
        """Print what they are made of, and how far they are."""
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
        bar = RunsProgress(self.console, count=count, done=done, epochs=epochs)
        with bar.shown():
            for number, attempt in enumerate(attempts, start=done + 1):
                bar.begin(attempt.name, attempt.config.training.epochs)
                try:
                    told = attempt.settle(self._train_one(attempt, bar))
                except KeyboardInterrupt as stop:
                    name = signal.Signals(getattr(stop, "signal", signal.SIGINT))
                    raise RunStopped(
                        name,
                        f"{name.name} stopped the {self.kind} in run {number} of {count}, {attempt.name}; what was "
                        f"trained is kept. Go on with: {program()} {self.command} --resume "
                        f"{shlex.quote(str(self.path))}",
                    ) from None
                bar.line(told, name=attempt.name.ljust(width))

    def _train_one(self, attempt: Attempt, bar: RunsProgress) -> Exception | None:
        """Train a run, or go on with it; what it says goes into a file."""
        path, log = self.path / attempt.name, self.path / LOGS / f"{attempt.name}.txt"
        log.parent.mkdir(exist_ok=True)
        # Layers are named by a count that goes on from model to model: each run begins as the first of its process.
        keras.utils.clear_session()
        with log.open("a", encoding="utf-8") as file:
            console = Console(file=file, width=100, soft_wrap=True, color_system=None)
            listeners = [EpochListener(bar, attempt)]
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
    """Tells a bar, and who watches the run, of each epoch."""

    def __init__(self, bar: RunsProgress, attempt: Attempt) -> None:
        super().__init__()
        self._bar, self._monitor, self._watch = bar, attempt.config.monitor, attempt.watch

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        value = (logs or {}).get(self._monitor)
        self._bar.epoch(f"{self._monitor} {value:.4f}" if isinstance(value, float) else "")
        if self._watch is not None and isinstance(value, float):
            self._watch(epoch + 1, value, epoch + 1 == self.params["epochs"])


def reason_of(error: Exception) -> str:
    """Return the reason why a run failed."""
    return str(error).strip() or type(error).__name__


def failed_line(reason: str) -> str:
    """Return the line with the first sentence of the reason why a run failed."""
    return f"[red]failed[/]: {escape(reason.splitlines()[0].split('. ')[0])}"
