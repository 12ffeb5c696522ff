"""The training loop: one `fit` an epoch, on that epoch's plan, then validation."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import keras

from seqconv.batching import Layout
from seqconv.errors import ConfigError
from seqconv.evaluation import evaluate
from seqconv.training.callbacks import Logs, RunCallbacks
from seqconv.training.devices import device_scope
from seqconv.training.experiment import Experiment
from seqconv.training.pipeline import BatchFeed, EpochData, StepData, assemble


def run_epochs(experiment: Experiment, callbacks: RunCallbacks, num_epochs: int) -> None:
    """Train until `num_epochs`, or until a callback sets `model.stop_training`.

    Plans of different epochs differ in their number of steps, so each epoch is a `fit` of its own, over as many steps;
    the callbacks see one run, and one feed goes through all epochs: the first batches of an epoch are made while the
    epoch before it is validated.

    Raises:
        ConfigError: the loss is no longer a number.
    """
    callbacks.begin_run()
    logs: Logs = {}
    layouts = (layout for epoch in range(num_epochs) for layout in experiment.plan.epoch(epoch))
    with feed_for(experiment, layouts) as feed:
        for epoch in range(num_epochs):
            logs = _train_epoch(experiment, callbacks, epoch, feed)
            _check_finite(experiment, epoch, logs)
            callbacks.finish_epoch(epoch, logs)
            if experiment.model.stop_training:
                break
    callbacks.end_run(logs)


def run_steps(experiment: Experiment, layouts: Sequence[Layout], callbacks: Any = None) -> EpochData:
    """Train these steps, outside of any epoch; returns what they have waited for."""
    with feed_for(experiment, layouts) as feed:
        data = EpochData(feed, len(layouts))
        experiment.model.fit(data, shuffle=False, verbose=0, callbacks=callbacks)
    return data


def time_steps(experiment: Experiment, num_steps: int) -> list[float]:
    """Train the first steps of the first epoch, and return the seconds that each took.

    They run once before: the first step of all compiles, and the first of each shape prepares its kernels.
    """
    layouts = experiment.plan.epoch(0)[:num_steps]
    timer = _StepTimer()
    run_steps(experiment, [*layouts, *layouts], callbacks=[timer])
    return timer.seconds[-len(layouts) :]


def validation_logs(experiment: Experiment) -> Logs:
    """Scores on the validation sequences, named `val_...`."""
    metrics = evaluate(experiment.model, experiment.data.valid, bootstrap=0).metrics
    return {f"val_{name}": value for name, value in metrics.items() if isinstance(value, float)}


def feed_for(experiment: Experiment, layouts: Iterable[Layout]) -> BatchFeed:
    """The training data of these layouts, made in the background."""
    batches: Iterator[StepData] = assemble(
        layouts, experiment.data.train, experiment.labels, experiment.weights, loss_scale=experiment.loss_scale
    )
    return BatchFeed(batches, scope=partial(device_scope, experiment.config.training.device))


def _train_epoch(experiment: Experiment, callbacks: RunCallbacks, epoch: int, feed: BatchFeed) -> Logs:
    model, data = experiment.model, EpochData(feed, experiment.steps[epoch])
    started = time.monotonic()
    model.fit(data, initial_epoch=epoch, epochs=epoch + 1, callbacks=callbacks, shuffle=False, verbose=0)
    seconds = time.monotonic() - started
    trained = callbacks.training_logs
    # Keras's own "loss" averages steps; ours weighs every sequence the same.
    logs = {"loss": trained["mean_loss"]}
    logs.update((name, value) for name, value in trained.items() if name not in ("loss", "mean_loss"))
    logs.update(validation_logs(experiment))
    logs["learning_rate"] = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    logs |= {"seconds": seconds, "data_wait": data.data_wait}
    logs["frames_per_second"] = experiment.plan.num_frames / seconds
    return logs


def _check_finite(experiment: Experiment, epoch: int, logs: Logs) -> None:
    if math.isfinite(logs["loss"]) and "val_loss" in logs:
        return
    training = experiment.config.training
    where = "validation" if math.isfinite(logs["loss"]) else "training"
    raise ConfigError(
        f"training diverged in epoch {epoch + 1}: the loss on the {where} sequences is no longer a finite "
        f"number. Lower training.learning_rate ({training.learning_rate:g})"
        f"{'' if training.gradient_clip else ', set training.gradient_clip to 1'}"
        f"{'' if training.warmup_epochs else ', or let the rate rise over training.warmup_epochs'}."
    )


class _StepTimer(keras.callbacks.Callback):  # type: ignore[misc]
    """Seconds of each step."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        # Reading the loss waits for a device that works in the background.
        float((logs or {})["loss"])
        self.seconds.append(time.perf_counter() - self.started)
