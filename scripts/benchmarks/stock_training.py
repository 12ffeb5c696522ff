"""Plain Keras in training: the limit that nobody can pass, and what users of tf.data do about lengths."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.buckets import bucket_by_length, doubling_boundaries, hand_set_boundaries
from benchmarks.data import Data
from benchmarks.lengths import Lengths
from benchmarks.networks import (
    BATCH_SIZE,
    FRAMES_PER_BATCH,
    NUM_CLASSES,
    NUM_FEATURES,
    as_users_do,
    compile_stock,
    stock_network,
)

SPEED = "real frames/s"
PADDING = "padding per real frame"
CROP_FRAMES = 400
CROP_ROWS = FRAMES_PER_BATCH // CROP_FRAMES
LIMIT_BATCHES = 8
# Steps of a stretch, for those whose epoch costs much the same everywhere: at least some seconds.
LIMIT_STEPS = 64
CROP_STEPS = 64
PADDED_STEPS = 24


class Limit:
    """Equal lengths: no padding, no masks, all data in memory; each round the faster of `fit` and `train_on_batch`."""

    name = "limit"

    def __init__(self, lengths: str, num_steps: int = LIMIT_STEPS, network: Callable[[], Any] = stock_network) -> None:
        import tensorflow as tf

        self.lengths, self._num_steps = lengths, num_steps
        shape = (LIMIT_BATCHES, BATCH_SIZE, FRAMES_PER_BATCH // BATCH_SIZE, NUM_FEATURES)
        features = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        classes = np.random.default_rng(0).integers(NUM_CLASSES, size=shape[:2])
        self._batches = [(tf.constant(x), tf.constant(y)) for x, y in zip(features, classes, strict=True)]
        self._dataset = tf.data.Dataset.from_tensor_slices((features, classes)).repeat().prefetch(2)
        self._model = compile_stock(network())
        self.note = f"{shape[1]} x {shape[2]} frames a step, plain Keras, the faster of fit and train_on_batch"

    def measure(self, round_number: int) -> Mapping[str, float]:
        """Both ways: `fit` waits now and then, and a limit that waits is none."""
        seconds = min(seconds_of(self._fit), seconds_of(self.train_on_batch))
        return {PADDING: 0.0, SPEED: self._num_steps * FRAMES_PER_BATCH / seconds}

    def _fit(self) -> None:
        self._model.fit(self._dataset, steps_per_epoch=self._num_steps, shuffle=False, verbose=0)

    def train_on_batch(self) -> None:
        """A stretch of steps, one call each."""
        for step in range(self._num_steps):
            self._model.train_on_batch(*self._batches[step % LIMIT_BATCHES])


class Stock:
    """Plain Keras fed by `tf.data`, each round on sequences in another order.

    `num_sequences`: as many are drawn anew for each round; None for all of them, a whole epoch.
    """

    def __init__(self, name: str, note: str, data: Data, num_sequences: int | None = None) -> None:
        self.name, self.note, self.lengths = name, note, data.name
        self.data, self.num_sequences = data, num_sequences
        with as_users_do():
            self._model = compile_stock(stock_network(masking=True))

    def batches(self, dataset: Any, seed: int) -> Any:
        """Batches of `(features, class)` from a dataset of sequences."""
        raise NotImplementedError

    def count_real(self, lengths: Lengths) -> int:
        """Frames that are neither padding nor copies, in a pass over sequences of these lengths."""
        return int(lengths.sum())

    def measure(self, round_number: int) -> Mapping[str, float]:
        """Train on a dataset of its own, and count its frames in a second, untimed pass."""
        order = np.random.default_rng(round_number).permutation(len(self.data.lengths))[: self.num_sequences]
        dataset = self.batches(self.data.as_dataset(order), round_number)
        with as_users_do():
            seconds = seconds_of(lambda: self._model.fit(dataset, shuffle=False, verbose=0))
        total = sum(int(np.prod(features.shape[:2])) for features, _ in dataset)
        real = self.count_real(self.data.lengths[order])
        return {PADDING: total / real - 1, SPEED: real / seconds}


class PaddedToLongest(Stock):
    """Batches of shuffled sequences, each padded to its longest."""

    def __init__(self, data: Data) -> None:
        note = f"plain Keras, tf.data padded_batch({BATCH_SIZE}); {PADDED_STEPS} steps drawn each round"
        super().__init__("shuffled, padded to longest", note, data, PADDED_STEPS * BATCH_SIZE)

    def batches(self, dataset: Any, seed: int) -> Any:
        return _shuffle(dataset, self.data, seed).padded_batch(BATCH_SIZE).prefetch(_autotune())


class TfDataBuckets(Stock):
    """`bucket_by_sequence_length`; `is_fitted`: with boundaries set by somebody who looked at the lengths."""

    def __init__(self, name: str, data: Data, *, is_fitted: bool) -> None:
        self._boundaries = (hand_set_boundaries if is_fitted else doubling_boundaries)(data.lengths)
        kind = "buckets of about equally many frames" if is_fitted else "buckets of doubling width"
        super().__init__(name, f"plain Keras, {len(self._boundaries)} {kind}, padded to the boundary", data)

    def batches(self, dataset: Any, seed: int) -> Any:
        shuffled = _shuffle(dataset, self.data, seed)
        return bucket_by_length(shuffled, self._boundaries, FRAMES_PER_BATCH).prefetch(_autotune())


class RandomCrops(Stock):
    """A random part of every sequence, all of one length; shorter sequences are repeated up to it."""

    def __init__(self, data: Data) -> None:
        note = f"plain Keras, {CROP_ROWS} x {CROP_FRAMES}, shorter ones repeated; copies do not count as real"
        super().__init__("random crops of 4 s", note, data, CROP_STEPS * CROP_ROWS)

    def batches(self, dataset: Any, seed: int) -> Any:
        return crop_batches(_shuffle(dataset, self.data, seed))

    def count_real(self, lengths: Lengths) -> int:
        return int(np.minimum(lengths, CROP_FRAMES).sum())


def crop_batches(dataset: Any) -> Any:
    """Batches of random crops, from a dataset of `(features, class)`."""
    cropped = dataset.map(
        lambda features, label: (random_crop(features, CROP_FRAMES), label), num_parallel_calls=_autotune()
    )
    return cropped.batch(CROP_ROWS).prefetch(_autotune())


def random_crop(features: Any, num_frames: int) -> Any:
    """`num_frames` frames of a sequence `(time, d)` from a random start; a shorter one is repeated."""
    import tensorflow as tf

    length = tf.shape(features)[0]
    start = tf.random.uniform((), 0, tf.maximum(length - num_frames, 0) + 1, tf.int32)
    times = tf.maximum(-(-num_frames // length), 1)
    cropped = tf.tile(features[start : start + num_frames], [times, 1])[:num_frames]
    return tf.ensure_shape(cropped, (num_frames, features.shape[1]))


def _shuffle(dataset: Any, data: Data, seed: int) -> Any:
    return dataset.shuffle(len(data.lengths), seed=seed, reshuffle_each_iteration=False)


def _autotune() -> Any:
    import tensorflow as tf

    return tf.data.AUTOTUNE


def seconds_of(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started
