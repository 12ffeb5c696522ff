"""Callbacks around steps and epochs: progress, the best model, the history."""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from seqconv.files import write_atomically, write_text

Logs = dict[str, Any]
Callbacks = Sequence[keras.callbacks.Callback]
NOTABLE_WAIT = 0.03
"""Share of waiting for data above which the line of an epoch shows it; the last line always does."""

MOST_WRITING = 20
"""The wait before the best model is written again, in durations of its last writing; the end of training waits not."""

LAST_COLUMNS = ("learning_rate", "seconds", "data_wait", "frames_per_second")


class RunCallbacks(keras.callbacks.CallbackList):  # type: ignore[misc]
    """A callback list that begins and ends once a run, although `fit` is called once an epoch.

    `fit` ends an epoch before validation; here the epoch ends with `finish_epoch`, when validation is known.
    `first_step`: the steps of the epoch that were done before this `fit`. `after_step` is called, with the number of
    steps done and the logs of Keras for the last, after all callbacks.
    """

    def __init__(self, callbacks: Callbacks, model: keras.Model, epochs: int) -> None:
        super().__init__(callbacks, add_history=True, add_progbar=False, model=model, epochs=epochs)
        self._trained = model
        self.first_step = 0
        self.after_step: Callable[[int, Logs], object] | None = None
        self._metrics: list[np.ndarray] = []
        self.hears_steps = [callback for callback in self.callbacks if _hears_steps(callback)]

    def begin_run(self) -> None:
        """Tell all callbacks that training begins."""
        super().on_train_begin()

    def go_on(self) -> None:
        """Keep the metrics as they are at the start of the next epoch: some of its steps are done."""
        self._metrics = [np.array(keras.ops.convert_to_numpy(v)) for v in self._trained.metrics_variables]

    def finish_epoch(self, epoch: int, logs: Logs) -> None:
        """Tell all callbacks that the epoch, validation included, has ended."""
        super().on_epoch_end(epoch, logs)

    def end_run(self, logs: Logs) -> None:
        """Tell all callbacks that training has ended."""
        super().on_train_end(logs)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Ignore the call that every `fit` makes: it is not the beginning of the run."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Ignore the call that every `fit` makes: it is not the end of the run."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Tell all callbacks; `fit` has reset the metrics, which are put back for an epoch that goes on."""
        super().on_epoch_begin(epoch, logs)
        for variable, value in zip(self._trained.metrics_variables, self._metrics, strict=False):
            variable.assign(value)
        self._metrics = []

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Tell all callbacks, with the number of the step in its epoch."""
        super().on_train_batch_begin(self.first_step + batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Tell the callbacks that use it. Reading a value waits for the device, so only users' callbacks get values."""
        batch += self.first_step
        read = (logs or {}) if any(not isinstance(callback, ProgressBar) for callback in self.hears_steps) else {}
        numbers = {name: float(keras.ops.convert_to_numpy(value)) for name, value in read.items()}
        for callback in self.hears_steps:
            callback.on_train_batch_end(batch, logs if isinstance(callback, ProgressBar) else numbers)
        if self.after_step is not None:
            self.after_step(batch + 1, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Ignore the call that `fit` makes before validation: it is not the end of the epoch."""


def _hears_steps(callback: keras.callbacks.Callback) -> bool:
    """Whether a callback does anything at the end of a step; `on_batch_end` is Keras's other name for it."""
    names = ("on_train_batch_end", "on_batch_end")
    return any(
        getattr(getattr(callback, name), "__func__", None) is not getattr(keras.callbacks.Callback, name)
        for name in names
    )


class ProgressBar(keras.callbacks.Callback):  # type: ignore[misc]
    """A progress bar over the steps, and one line an epoch."""

    def __init__(self, console: Console, steps: list[int], best: "BestModel") -> None:
        super().__init__()
        self.console, self.steps, self.best = console, steps, best
        self.progress: Progress | None = None
        self.drawn = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if not self.console.is_terminal:
            return
        name, loss = TextColumn(f"epoch {self._number(epoch)}"), TextColumn("{task.fields[loss]}")
        columns = name, BarColumn(bar_width=30), MofNCompleteColumn(), loss, TimeRemainingColumn()
        self.progress = Progress(*columns, console=self.console, transient=True)
        self.task = self.progress.add_task("steps", total=self.steps[epoch], loss="")
        self.progress.start()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self.progress is None:
            return
        # Reading the loss waits for the device: ten times a second is as often as the bar is drawn.
        is_last = batch + 1 == self.progress.tasks[0].total
        if is_last or time.monotonic() - self.drawn > 0.1:
            self.drawn = time.monotonic()
            value = float(keras.ops.convert_to_numpy((logs or {})["mean_loss"]))
            loss = f"loss {value:.4f}{'  validating' if is_last else ''}"
            self.progress.update(self.task, completed=batch + 1, loss=loss)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.close()
        logs = logs or {}
        shown = [name for name in ("loss", "val_loss", self.best.monitor) if name and logs.get(name) is not None]
        scores = "  ".join(f"{name} {logs[name]:.4f}" for name in dict.fromkeys(shown))
        mark = "  [green]best[/]" if self.best.monitor and self.best.best_epoch == epoch else ""
        wait = logs["data_wait"] / logs["seconds"]
        slow = f"  [yellow]data wait {wait:.0%}[/]" if wait > NOTABLE_WAIT else ""
        self.console.print(
            f"epoch {self._number(epoch)}  {scores}  {logs['seconds']:.1f} s{mark}{slow}", highlight=False
        )

    def _number(self, epoch: int) -> str:
        return f"{epoch + 1:>{len(str(len(self.steps)))}}/{len(self.steps)}"

    def close(self) -> None:
        """Remove the bar from the screen."""
        if self.progress is not None:
            self.progress.stop()
            self.progress = None


class StateOfAttributes:
    """A callback with a state that consists of some attributes."""

    KEPT: tuple[str, ...]

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint stores."""
        return {name: getattr(self, name) for name in self.KEPT}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what a checkpoint has stored."""
        for name in self.KEPT:
            setattr(self, name, state[name])


class BestModel(StateOfAttributes, keras.callbacks.Callback):  # type: ignore[misc]
    """A keeper of the model of the epoch with the best monitored value; the file is whole at any moment.

    With `anew_at`, that epoch replaces earlier ones, however good they are. Without `monitor` it is the last. Where
    epochs are short, not each better one is written: `write` does what is left, and is called when training ends.
    """

    KEPT = ("best", "best_epoch")

    def __init__(self, path: Path, monitor: str | None, mode: str, anew_at: int = 0) -> None:
        super().__init__()
        self.anew_at = anew_at
        self.path, self.monitor = path, monitor
        self.sign = 1.0 if mode == "max" else -1.0
        self.best: float | None = None
        self.best_epoch = -1
        self.copy: keras.Model | None = None
        self._is_written, self._written_at, self._writing = True, -math.inf, 0.0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if epoch == self.anew_at:
            self.best = None
        value = None if self.monitor is None else (logs or {}).get(self.monitor)
        is_first = self.best is None
        is_better = value is not None and (is_first or self.sign * value > self.sign * (self.best or 0.0))
        if is_better or (is_first and value is None):
            self._save(self.model.get_weights())
            self.best_epoch, self.best = epoch, None if value is None else float(value)

    def weights(self) -> list[np.ndarray]:
        """Return the weights of the best model; none before the first epoch has ended."""
        return [] if self.copy is None else self.copy.get_weights()

    def put_weights(self, weights: list[np.ndarray]) -> None:
        """Make this the best model so far, also in the file."""
        if weights:
            self._save(weights)

    def _save(self, weights: list[np.ndarray]) -> None:
        # A copy that was never compiled: the optimizer's state would triple the file and serves no prediction.
        if self.copy is None:
            self.copy = self.model.__class__.from_config(self.model.get_config())
        self.copy.set_weights(weights)
        self._is_written = False
        if time.monotonic() - self._written_at >= MOST_WRITING * self._writing:
            self.write()

    def write(self) -> None:
        """Write the best model, if that was not done yet."""
        if self._is_written or self.copy is None:
            return
        begun = time.monotonic()
        write_atomically(self.path, self.copy.save)
        self._is_written, self._written_at = True, time.monotonic()
        self._writing = self._written_at - begun


class Patience(StateOfAttributes, keras.callbacks.EarlyStopping):  # type: ignore[misc]
    """Keras's early stopping, with a count that continues in a resumed run."""

    KEPT = ("wait", "best", "best_epoch", "stopped_epoch")


class HistoryFile(StateOfAttributes, keras.callbacks.Callback):  # type: ignore[misc]
    """`history.csv`: one row an epoch, rewritten whole so that it is never cut."""

    KEPT = ("rows",)

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows: list[Logs] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.rows.append(_in_order({"epoch": epoch + 1, **(logs or {})}))
        self._write()

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what a checkpoint has stored, also in the file."""
        super().restore(state)
        if self.rows:
            self._write()

    def _write(self) -> None:
        columns = list(_in_order({name: None for row in self.rows for name in row}))
        table = pd.DataFrame(self.rows, columns=columns, dtype=object)
        write_text(table.to_csv(index=False, lineterminator="\n"), self.path)


def _in_order(row: Logs) -> Logs:
    """Sort values: from training, from validation, then costs; Keras passes logs in alphabetical order."""

    def rank(name: str) -> tuple[int, bool, str]:
        if name in LAST_COLUMNS:
            return 3, False, str(LAST_COLUMNS.index(name))
        place = 0 if name == "epoch" else 2 if name.startswith("val_") else 1
        return place, name not in ("loss", "val_loss"), name

    return {name: row[name] for name in sorted(row, key=rank)}
