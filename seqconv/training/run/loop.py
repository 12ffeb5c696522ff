"""The training loop: one `fit` an epoch, on that epoch's plan, then validation."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras

from seqconv.batching import Layout
from seqconv.evaluation import evaluate
from seqconv.training.output.callbacks import Logs, RunCallbacks
from seqconv.training.run.runtime import device_scope
from seqconv.training.run.setup import RunSetup
from seqconv.training.state.checkpointing import StateKeeper
from seqconv.training.state.checkpoints import Progress
from seqconv.training.state.interrupts import RunStopped, StopSignals
from seqconv.training.step.averaging import WeightAverage
from seqconv.training.step.divergence import DivergenceError, LossWatch, remedy
from seqconv.training.step.prefetch import BatchFeed, EpochData
from seqconv.training.step.train_step import step_seconds


@dataclass(frozen=True)
class RunLoop:
    """The work around the epochs of a run: callbacks, averages, checks of the loss, saving, stopping.

    `scores` are those of the last validation, all of them, for callbacks that want more than numbers.
    """

    experiment: RunSetup
    callbacks: RunCallbacks
    watch: LossWatch
    keeper: StateKeeper
    signals: StopSignals
    average: WeightAverage
    scores: dict[str, Any] = field(default_factory=dict)

    def run(self, progress: Progress) -> None:
        """Train from `progress` on until the last epoch, or until a callback sets `model.stop_training`.

        Plans of different epochs differ in their number of steps, so each epoch is a `fit` of its own, over as many
        steps; the callbacks see one run, and one feed goes through all epochs: the first batches of an epoch are made
        while the epoch before it is validated.

        Raises:
            DivergenceError: the loss is no longer a number.
            RunStopped: a signal asked for it; the state is saved.
        """
        experiment, logs = self.experiment, Logs()
        num_epochs = experiment.config.training.epochs
        plan, first, done = experiment.plan, progress.epoch, progress.step
        if 0 < done < experiment.steps[first]:
            self.callbacks.go_on()
        epochs = ((epoch, plan.epoch(epoch, start=done if epoch == first else 0)) for epoch in range(first, num_epochs))
        with self._feed(epochs) as feed:
            while progress.epoch < num_epochs:
                self._train_epoch(progress, feed)
                logs = self._end_epoch(progress)
                progress = Progress(progress.epoch + 1)
                if experiment.model.stop_training:
                    break
                self._save_where_due(progress)
        self.callbacks.end_run(logs)
        self.keeper.save(progress, is_complete=True)

    def _feed(self, epochs: Iterable[tuple[int, Iterable[Layout]]]) -> AbstractContextManager[Any]:
        return feed_for(self.experiment, epochs)

    def _train_epoch(self, progress: Progress, feed: Any) -> None:
        experiment, epoch = self.experiment, progress.epoch
        done, seconds, wait = progress.step, progress.seconds, progress.data_wait
        if done == experiment.steps[epoch]:
            return
        data = EpochData(feed, experiment.steps[epoch] - done)
        started = time.monotonic()

        def after_step(step: int, logs: Logs) -> None:
            progress.step = step
            progress.seconds, progress.data_wait = seconds + time.monotonic() - started, wait + data.data_wait
            self.watch.see(epoch, step, logs["loss"])
            self.keeper.count_step()
            self._save_where_due(progress)

        self.callbacks.first_step, self.callbacks.after_step = done, after_step
        experiment.model.fit(
            data, initial_epoch=epoch, epochs=epoch + 1, callbacks=self.callbacks, shuffle=False, verbose=0
        )
        self.watch.check()

    def _end_epoch(self, progress: Progress) -> Logs:
        """Validate, and call the callbacks, which see the weights that were validated."""
        with self._saved_if_stopped(progress), self.average.away():
            logs = self._epoch_logs(progress)
            self.callbacks.finish_epoch(progress.epoch, logs)
        self.average.commit()
        return logs

    def _epoch_logs(self, progress: Progress) -> Logs:
        experiment, model = self.experiment, self.experiment.model
        logs = self._training_logs()
        with self.signals.at_once():
            self.average.put(progress.epoch)
            valid = experiment.data.valid
            metrics = {} if valid is None else evaluate(model, valid, bootstrap=0).metrics
        self.scores.clear()
        self.scores.update(metrics)
        # A score that is undefined is None.
        logs.update((f"val_{name}", value) for name, value in self.scores.items() if isinstance(value, float))
        if not math.isfinite(logs["loss"]) or ("val_loss" not in logs and valid is not None):
            where = "validation" if math.isfinite(logs["loss"]) else "training"
            raise DivergenceError(
                f"training diverged in epoch {progress.epoch + 1}: the loss on the {where} sequences is no longer a "
                f"finite number. {remedy(experiment)}"
            )
        logs |= {"seconds": progress.seconds, "data_wait": progress.data_wait}
        logs["frames_per_second"] = experiment.plan.num_frames_of(progress.epoch) / progress.seconds
        return logs

    def _training_logs(self) -> Logs:
        model = self.experiment.model
        logs: Logs = {name: float(value) for name, value in model.get_metrics_result().items()}
        # Keras's own "loss" averages steps; ours weighs every sequence the same.
        logs["loss"] = logs.pop("mean_loss")
        logs["learning_rate"] = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        return logs

    def _save_where_due(self, progress: Progress) -> None:
        with self._saved_if_stopped(progress):
            self.signals.check()
        if self.keeper.is_due:
            self.keeper.save(progress)

    @contextmanager
    def _saved_if_stopped(self, progress: Progress) -> Iterator[None]:
        """Save the state if a signal stops the run in the block, and say at which step."""
        try:
            yield
        except RunStopped as stop:
            self.keeper.save(progress)
            steps = self.experiment.steps
            epoch = min(progress.epoch, len(steps) - 1)
            where = f"in epoch {progress.epoch + 1} of {len(steps)}, after step {progress.step} of {steps[epoch]}"
            message = f"{stop.signal.name} stopped the run {where}; its state is saved"
            raise RunStopped(stop.signal, message) from None


def run_steps(experiment: RunSetup, layouts: Sequence[Layout], callbacks: Any = None) -> EpochData:
    """Train these steps of the first epoch, outside of any; return the data, with the seconds of waiting for it."""
    with feed_for(experiment, [(0, layouts)]) as feed:
        data = EpochData(feed, len(layouts))
        experiment.model.fit(data, shuffle=False, verbose=0, callbacks=callbacks)
    return data


def time_steps(experiment: RunSetup, num_steps: int) -> list[float]:
    """Train the first steps of the first epoch, and return the seconds that each took.

    They run once before: the first step of all compiles, and the first of each shape prepares its kernels.
    """
    layouts = experiment.plan.epoch(0)[:num_steps]
    with feed_for(experiment, [(0, [*layouts, *layouts])]) as feed:
        return list(step_seconds(experiment.model, feed))[-len(layouts) :]


def feed_for(experiment: RunSetup, epochs: Iterable[tuple[int, Iterable[Layout]]]) -> BatchFeed:
    """Return the training data of these layouts, by epoch, made in the background."""
    steps = partial(experiment.training_set.steps, loss_scale=experiment.loss_scale)
    batches = (data for epoch, layouts in epochs for data in steps(epoch, layouts))
    return BatchFeed(batches, scope=partial(device_scope, experiment.config.training.device))
