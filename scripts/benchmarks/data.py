"""Labeled sequences in memory; where only speed counts, of noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.lengths import Lengths
from benchmarks.networks import NUM_CLASSES, NUM_FEATURES

SEED = 0


@dataclass(frozen=True, eq=False)
class Data:
    """Sequences `(time, d)` with a class each; `name` is that of their lengths."""

    name: str
    arrays: Sequence[npt.NDArray[np.float32]]
    classes: npt.NDArray[np.int64]

    @cached_property
    def lengths(self) -> Lengths:
        """Frames of each sequence."""
        return np.array([len(array) for array in self.arrays], np.int64)

    def as_dataset(self, order: Lengths) -> Any:
        """A `tf.data.Dataset` of `(features, class)` of the sequences `order`, cut from one tensor in C++."""
        import tensorflow as tf

        frames = np.concatenate([self.arrays[index] for index in order])
        ragged = tf.RaggedTensor.from_row_lengths(frames, self.lengths[order])
        dataset = tf.data.Dataset.from_tensor_slices((ragged, self.classes[order]))
        return dataset.map(lambda features, label: (tf.ensure_shape(features, (None, frames.shape[1])), label))


def make_noise(name: str, lengths: Lengths) -> Data:
    """Sequences of these lengths, and classes of which each is there: noise costs a network what speech does."""
    rng = np.random.default_rng(SEED)
    frames = rng.standard_normal((int(lengths.sum()), NUM_FEATURES), dtype=np.float32)
    classes = rng.permutation(np.arange(len(lengths)) % NUM_CLASSES)
    return Data(name, np.split(frames, np.cumsum(lengths)[:-1]), classes)
