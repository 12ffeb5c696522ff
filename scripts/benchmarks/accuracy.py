"""Accuracy on data/prompts after the same training time: packed sequences, whole, beside random crops of 4 s.

More frames a second are no use where less is learned from them. The clock runs while steps do: compiling before the
first step and scoring are not counted. Both models answer for whole sequences of the test split, without padding.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.corpora import RATE, features_at
from benchmarks.data import Data
from benchmarks.lengths import PROMPTS
from benchmarks.networks import FRAMES_PER_BATCH, MODEL_CONFIG, as_users_do, compile_stock, stock_network
from benchmarks.own_training import TRAINING
from benchmarks.results import Comparison
from benchmarks.rounds import Contestant, run_rounds
from benchmarks.settings import Settings
from benchmarks.stock_training import CROP_ROWS, crop_batches
from seqconv.config.backends import start_keras

BENCHMARK = "training-accuracy"
PACKED, CROPS = "seqconv packed", "random crops of 4 s"
# Scores are taken after so many seconds of steps.
SECONDS = (5, 10, 20, 30)
QUICK_SECONDS = (1,)


def compare(settings: Settings) -> Iterator[Comparison]:
    """One comparison; each round trains both from its own seed."""
    start_keras()
    from seqconv.config import load_config
    from seqconv.data.datasets import load_datasets

    values = {
        "data": {"manifest": str(PROMPTS / "manifest.csv")},
        "features": features_at(RATE),
        "batching": {"strategy": "packed", "frames_per_batch": FRAMES_PER_BATCH},
        "model": MODEL_CONFIG,
        "training": TRAINING,
    }
    datasets = load_datasets(load_config(values).data_spec)
    seconds = QUICK_SECONDS if settings.is_quick else SECONDS
    contestants: list[Contestant] = [PackedAccuracy(values, datasets, seconds), CropAccuracy(datasets, seconds)]
    yield Comparison(
        BENCHMARK,
        f"accuracy on {len(datasets.test or ())} test sequences of data/prompts, each round from another seed",
        run_rounds([entry for entry in contestants if settings.takes(entry.name)], settings),
        compared=f"accuracy after {seconds[-1]} s",
        ratios=[(PACKED, CROPS)],
    )


class PackedAccuracy:
    """seqconv on its own path."""

    name = PACKED
    note = "whole sequences"
    lengths = "data/prompts"

    def __init__(self, values: Mapping[str, Any], datasets: Any, seconds: tuple[int, ...]) -> None:
        self._values, self._datasets, self._seconds = values, datasets, seconds

    def measure(self, round_number: int) -> Mapping[str, float]:
        """Train, and score after each time; nothing where it only warms up."""
        import keras

        from seqconv.config import load_config
        from seqconv.prediction.forward import forward
        from seqconv.training.run.loop import run_steps
        from seqconv.training.run.setup import prepare

        if round_number == 0:
            return {}
        keras.utils.set_random_seed(round_number)
        data = self._datasets
        experiment = prepare(load_config({**self._values, "seed": round_number}), data)
        truth = data.target.encode(data.test.labels).argmax(axis=-1)
        clock, found = _make_clock(), {}
        epoch = done = 0
        for seconds in self._seconds:
            clock.limit = seconds
            while not clock.is_over:
                layouts = experiment.plan.epoch(epoch, start=done)
                before = clock.steps
                run_steps(experiment, layouts, callbacks=[clock])
                done += clock.steps - before
                if done == len(experiment.plan.epoch(epoch)):
                    epoch, done = epoch + 1, 0
            logits = forward(experiment.model, data.test)
            found[f"accuracy after {seconds} s"] = float((logits.argmax(axis=-1) == truth).mean())
        return {**found, "epochs": epoch + done / len(experiment.plan.epoch(epoch))}


class CropAccuracy:
    """Plain Keras: the same network on crops, then asked about whole sequences, one at a time."""

    name = CROPS
    note = "a new crop of each sequence in every epoch, shorter ones repeated"
    lengths = "data/prompts"

    def __init__(self, datasets: Any, seconds: tuple[int, ...]) -> None:
        self._datasets, self._seconds = datasets, seconds

    def measure(self, round_number: int) -> Mapping[str, float]:
        """Train, and score after each time; nothing where it only warms up."""
        import keras

        from seqconv.features import feature_statistics

        if round_number == 0:
            return {}
        keras.utils.set_random_seed(round_number)
        train, test = (self._as_data(part) for part in (self._datasets.train, self._datasets.test))
        model = compile_stock(stock_network(normalization=feature_statistics(self._datasets.train)))
        order = np.arange(len(train.arrays))
        batches = crop_batches(train.as_dataset(order).shuffle(len(order), seed=round_number).repeat())
        clock, found = _make_clock(), {}
        for seconds in self._seconds:
            clock.limit = seconds
            with as_users_do():
                model.fit(batches, steps_per_epoch=1_000_000, callbacks=[clock], shuffle=False, verbose=0)
            answers = np.array([model(array[None], training=False).numpy().argmax() for array in test.arrays])
            found[f"accuracy after {seconds} s"] = float((answers == test.classes).mean())
        return {**found, "epochs": clock.steps * CROP_ROWS / len(order)}

    def _as_data(self, part: Any) -> Data:
        classes = self._datasets.target.encode(part.labels).argmax(axis=-1)
        return Data(self.lengths, [part[index] for index in range(len(part))], classes)


def _make_clock() -> Any:
    """A callback that stops `fit` when its steps have taken `limit` seconds in all; the first step of all is free."""
    import keras

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        limit = 0.0
        seconds = 0.0
        steps = 0

        @property
        def is_over(self) -> bool:
            return self.seconds >= self.limit

        def on_train_begin(self, logs: Any = None) -> None:
            self._last = time.perf_counter()

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            now = time.perf_counter()
            if self.steps:
                self.seconds += now - self._last
            self._last = now
            self.steps += 1
            if self.is_over:
                self.model.stop_training = True

    return Clock()
