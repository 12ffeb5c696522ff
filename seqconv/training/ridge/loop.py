"""The loop of a run whose head is fitted in closed form: one epoch without steps, then validation as ever."""

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from seqconv.batching import Layout
from seqconv.training.output.callbacks import Logs
from seqconv.training.output.report import print_fact
from seqconv.training.ridge.fit import FittedHead, fit_head
from seqconv.training.run.loop import RunLoop
from seqconv.training.state.checkpoints import Progress


@dataclass(frozen=True)
class RidgeLoop(RunLoop):
    """A loop with one epoch, in which the head is fitted, and how it was fitted."""

    console: Console = field(default_factory=Console)
    folder: Path | None = None
    fitted: list[FittedHead] = field(default_factory=list)

    def _feed(self, epochs: Iterable[tuple[int, Iterable[Layout]]]) -> AbstractContextManager[Any]:
        return nullcontext()

    def _train_epoch(self, progress: Progress, feed: Any) -> None:
        experiment, started = self.experiment, time.monotonic()
        training_set, strength = experiment.training_set, experiment.config.training.strength
        self.callbacks.on_epoch_begin(progress.epoch)
        with self.signals.at_once():
            fitted = fit_head(
                experiment.model,
                training_set.sequences,
                training_set.labels,
                training_set.weights,
                strength,
                self.folder,
            )
        progress.step, progress.seconds = experiment.steps[progress.epoch], time.monotonic() - started
        self.fitted.append(fitted)
        print_fact("ridge", str(fitted), self.console)

    def _training_logs(self) -> Logs:
        fitted = self.fitted[-1]
        return {"loss": fitted.loss, "strength": float(np.exp(np.mean(np.log(fitted.strengths)))), **fitted.scores}
