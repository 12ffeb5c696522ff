"""The training loop: one `fit` an epoch, on that epoch's plan, then validation."""

import time
from typing import Any

import keras

from seqconv.evaluation import evaluate
from seqconv.training.callbacks import Logs, RunCallbacks
from seqconv.training.experiment import Experiment
from seqconv.training.pipeline import batch_dataset


def run_epochs(experiment: Experiment, callbacks: RunCallbacks, num_epochs: int) -> None:
    """Train until `num_epochs`, or until a callback sets `model.stop_training`.

    Plans of different epochs differ in their number of steps, so each epoch is a `fit` of its own, over a dataset of
    known cardinality; the callbacks see one run.
    """
    callbacks.begin_run()
    logs: Logs = {}
    for epoch in range(num_epochs):
        logs = _train_epoch(experiment, callbacks, epoch)
        callbacks.finish_epoch(epoch, logs)
        if experiment.model.stop_training:
            break
    callbacks.end_run(logs)


def run_steps(experiment: Experiment, num_steps: int) -> float:
    """Train the first steps of the first epoch, and return the seconds that the last of them took."""
    model, seconds = experiment.model, 0.0
    for inputs, labels, weights in _dataset(experiment, 0).take(num_steps):
        started = time.monotonic()
        model.train_on_batch(inputs, labels, sample_weight=weights)
        seconds = time.monotonic() - started
    return seconds


def validation_logs(experiment: Experiment) -> Logs:
    """Scores on the validation sequences, named `val_...`."""
    metrics = evaluate(experiment.model, experiment.data.valid, bootstrap=0).metrics
    return {f"val_{name}": value for name, value in metrics.items() if isinstance(value, float)}


def _train_epoch(experiment: Experiment, callbacks: RunCallbacks, epoch: int) -> Logs:
    model = experiment.model
    started = time.monotonic()
    model.fit(
        _dataset(experiment, epoch),
        initial_epoch=epoch,
        epochs=epoch + 1,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
    )
    seconds = time.monotonic() - started
    logs = dict(callbacks.training_logs)
    # Keras's own "loss" averages steps; ours weighs every sequence the same.
    logs["loss"] = logs.pop("mean_loss")
    logs.update(validation_logs(experiment))
    logs["learning_rate"] = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    logs["seconds"] = seconds
    logs["frames_per_second"] = sum(layout.num_frames for layout in experiment.plan.epoch(epoch)) / seconds
    return logs


def _dataset(experiment: Experiment, epoch: int) -> Any:
    return batch_dataset(
        experiment.plan.epoch(epoch),
        experiment.data.train,
        experiment.labels,
        experiment.weights,
        loss_scale=experiment.loss_scale,
    )
