"""The training loop: one `fit` an epoch, on that epoch's plan, then validation."""

import math
import time
from collections.abc import Sequence
from typing import Any

import keras

from seqconv.batching import Layout
from seqconv.errors import ConfigError
from seqconv.evaluation import evaluate
from seqconv.training.callbacks import Logs, RunCallbacks
from seqconv.training.experiment import Experiment
from seqconv.training.pipeline import batch_dataset


def run_epochs(experiment: Experiment, callbacks: RunCallbacks, num_epochs: int) -> None:
    """Train until `num_epochs`, or until a callback sets `model.stop_training`.

    Plans of different epochs differ in their number of steps, so each epoch is a `fit` of its own, over a dataset of
    known cardinality; the callbacks see one run.

    Raises:
        ConfigError: the loss is no longer a number.
    """
    callbacks.begin_run()
    logs: Logs = {}
    for epoch in range(num_epochs):
        logs = _train_epoch(experiment, callbacks, epoch)
        _check_finite(experiment, epoch, logs)
        callbacks.finish_epoch(epoch, logs)
        if experiment.model.stop_training:
            break
    callbacks.end_run(logs)


def time_steps(experiment: Experiment, num_steps: int) -> list[float]:
    """Train the first steps of the first epoch, and return the seconds that each took.

    They run once before: the first step of all compiles, and the first of each shape prepares its kernels.
    """
    layouts = experiment.plan.epoch(0)[:num_steps]
    timer = _StepTimer()
    experiment.model.fit(_dataset(experiment, [*layouts, *layouts]), shuffle=False, verbose=0, callbacks=[timer])
    return timer.seconds[-len(layouts) :]


def validation_logs(experiment: Experiment) -> Logs:
    """Scores on the validation sequences, named `val_...`."""
    metrics = evaluate(experiment.model, experiment.data.valid, bootstrap=0).metrics
    return {f"val_{name}": value for name, value in metrics.items() if isinstance(value, float)}


def _train_epoch(experiment: Experiment, callbacks: RunCallbacks, epoch: int) -> Logs:
    model = experiment.model
    started = time.monotonic()
    model.fit(
        _dataset(experiment, experiment.plan.epoch(epoch)),
        initial_epoch=epoch,
        epochs=epoch + 1,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    )
    seconds = time.monotonic() - started
    trained = callbacks.training_logs
    # Keras's own "loss" averages steps; ours weighs every sequence the same.
    logs = {"loss": trained["mean_loss"]}
    logs.update((name, value) for name, value in trained.items() if name not in ("loss", "mean_loss"))
    logs.update(validation_logs(experiment))
    logs["learning_rate"] = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    logs["seconds"] = seconds
    logs["frames_per_second"] = sum(layout.num_frames for layout in experiment.plan.epoch(epoch)) / seconds
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


def _dataset(experiment: Experiment, layouts: Sequence[Layout]) -> Any:
    return batch_dataset(
        layouts,
        experiment.data.train,
        experiment.labels,
        experiment.weights,
        loss_scale=experiment.loss_scale,
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
