"""Runs that are stopped, resumed and compared."""

import os
import signal

import keras
import pandas as pd

from support.training_data import classified

EPOCHS = 4
# All that has a state: dropout's seeds, normalization, Adam, a schedule, the count of early stopping, class weights.
RICH = {
    "model": {
        "blocks": [
            {"filters": 6, "kernel_size": 3, "norm": "batch", "dropout": 0.3},
            {"filters": 6, "kernel_size": 3, "norm": "batch", "spatial_dropout": 0.2},
        ],
        "pooling": ["mean", "max"],
        "dense_dropout": 0.2,
    },
    "training": {
        "epochs": EPOCHS,
        "learning_rate": 1e-2,
        "schedule": "cosine",
        "warmup_epochs": 1,
        "class_weight": "balanced",
        "early_stopping": {"patience": 3},
        "checkpoint": {"steps": 3, "minutes": None},
    },
}


class Stopping(keras.callbacks.Callback):
    """Sends a signal to this process, once, in the middle of a step, at the begin of an epoch or at its end."""

    def __init__(self, epoch, step=None, number=signal.SIGTERM):
        super().__init__()
        self.place, self.number, self.epoch = (epoch, step), number, -1

    def _stop_at(self, step):
        if (self.epoch, step) == self.place:
            os.kill(os.getpid(), self.number)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self._stop_at(batch)

    def on_epoch_end(self, epoch, logs=None):
        self._stop_at("end")


def data(**changes):
    parts = {"train_data": classified(44), "valid_data": classified(20, seed=1)}
    return {**parts, **changes}


def numbers(history):
    return history.drop(columns=["seconds", "data_wait", "frames_per_second"])


def assert_same_run(ours, theirs):
    for first, second in zip(ours.model.get_weights(), theirs.model.get_weights(), strict=True):
        assert first.tobytes() == second.tobytes()
    assert numbers(ours.history).equals(numbers(theirs.history))
    assert ours.metrics == theirs.metrics
    pd.testing.assert_frame_equal(numbers(pd.read_csv(ours.path / "history.csv")), numbers(ours.history))
