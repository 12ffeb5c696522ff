"""Batches made in the background, while the last step computes."""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import keras
import numpy as np

from seqconv.batching import Layout, PlacedTargets, make_batch
from seqconv.batching.frame_targets import MISSING
from seqconv.models.keras_internals import DataAdapter

READY_BATCHES = 4
# As many batches Keras takes to see what they are like, before it begins again.
LOOKED_AT = 2

Scope = Callable[[], contextlib.AbstractContextManager[Any]]


class StepData(NamedTuple):
    """The arguments of one training step: the inputs of a `SequenceModel`, labels, and weights by c."""

    inputs: dict[str, Any]
    labels: Any
    weights: Any


def assemble(
    layouts: Iterable[Layout],
    source: Any,
    labels: np.ndarray | PlacedTargets,
    weights: np.ndarray,
    *,
    loss_scale: float,
) -> Iterator[StepData]:
    """Yield the data of each step, NumPy arrays, one element a layout.

    Args:
        layouts: the steps, in order.
        source: sequences; `source[i]` is `(time, num_features)`.
        labels: encoded labels of all sequences, `(n, ...)`, or of their frames; NaN, where a label is missing,
            becomes -1.
        weights: weight of each sequence, `(n,)`.
        loss_scale: the constant c by which the loss of a step is divided: weights come out as `weight / c`.
    """
    if not isinstance(labels, PlacedTargets):
        # A loss cannot leave out NaN: its gradient would be NaN, too.
        labels = np.where(np.isnan(labels), np.array(MISSING, labels.dtype), labels)
    for layout in layouts:
        batch = make_batch(layout, source, labels=labels, weights=weights)
        yield StepData(batch.as_inputs(), batch.labels, batch.weights / np.float32(loss_scale))


class BatchFeed(Iterator[StepData], contextlib.AbstractContextManager["BatchFeed"]):
    """An iterator over the data of steps, some of them ready before they are asked for.

    One thread assembles them, and on TensorFlow and PyTorch copies them to the device (JAX does that itself). An error
    in it is raised where that element is taken. Close it, or use it in a `with`: its thread ends with it.

    >>> steps = [StepData({"features": np.full((1, 2, 1), step)}, np.ones((1, 1)), np.ones((1, 1))) for step in (0, 1)]
    >>> with BatchFeed(steps) as feed:
    ...     [float(keras.ops.max(data.inputs["features"])) for data in feed]
    [0.0, 1.0]
    """

    def __init__(self, batches: Iterable[StepData], *, scope: Scope = contextlib.nullcontext) -> None:
        self._batches, self._scope = iter(batches), scope
        self._thread = ThreadPoolExecutor(1, "seqconv-batches")
        # One more than are ready: the thread has always one to work on.
        self._pending = deque(self._thread.submit(self._make) for _ in range(READY_BATCHES + 1))

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __next__(self) -> StepData:
        # The end, or an error, stays in its place, so that it comes again each time.
        batch = self._pending[0].result() if self._pending else None
        if batch is None:
            raise StopIteration
        self._pending.popleft()
        self._pending.append(self._thread.submit(self._make))
        return batch

    def close(self) -> None:
        """Stop the thread and wait for its end."""
        self._thread.shutdown(cancel_futures=True)
        self._pending.clear()

    def _make(self) -> StepData | None:
        """Return the next element; None after the last."""
        with self._scope():
            batch = next(self._batches, None)
            if batch is None or keras.backend.backend() == "jax":
                return batch
            return StepData(*(keras.tree.map_structure(keras.ops.convert_to_tensor, part) for part in batch))


class EpochData(DataAdapter):  # type: ignore[misc]
    """The next `num_steps` elements of a feed, as Keras's `fit` takes them on every backend.

    `data_wait`: seconds that steps have waited for their data.
    """

    def __init__(self, feed: BatchFeed, num_steps: int) -> None:
        self._feed, self._num_steps = feed, num_steps
        self._first = list[StepData]()
        self.data_wait = 0.0

    @property
    def num_batches(self) -> int:
        """Steps of the epoch."""
        return self._num_steps

    def __iter__(self) -> Iterator[StepData]:
        for step in range(self._num_steps):
            if step < len(self._first):
                yield self._first[step]
                continue
            started = time.perf_counter()
            batch = next(self._feed)
            self.data_wait += time.perf_counter() - started
            if step < LOOKED_AT:
                self._first.append(batch)
            else:
                # It has begun; batches may be large.
                self._first.clear()
            yield batch

    def get_numpy_iterator(self) -> Iterator[StepData]:
        """Return the iterator that Keras uses, on any backend."""
        return iter(self)

    get_tf_dataset = get_jax_iterator = get_torch_dataloader = get_numpy_iterator
