"""The same network in PyTorch, fed by lhotse's DynamicBucketingSampler, in a process of its own.

PyTorch and TensorFlow each keep a pool of threads, and do not like to be imported in the wrong order.
"""

import multiprocessing
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from benchmarks.data import Data, make_noise
from benchmarks.networks import BLOCKS, FRAMES_PER_BATCH, LEARNING_RATE, NUM_CLASSES, NUM_FEATURES
from benchmarks.peers import import_torch, lhotse_sampler, make_cuts
from benchmarks.stock_training import PADDING, SPEED

NAME = "PyTorch, lhotse DynamicBucketingSampler"
NUM_BUCKETS = 30


class TorchTraining:
    """The contestant, as the process that measures sees it."""

    name = NAME

    def __init__(self, data: Data) -> None:
        self.lengths = data.name
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        self.note = self._pool.submit(_start, data.name, data.lengths).result()

    def measure(self, round_number: int) -> Mapping[str, float]:
        """One epoch."""
        return self._pool.submit(_train_epoch, round_number).result()

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()


class _Trainer:
    """What lives in the process: sequences `(d, time)` in memory, network, optimizer, sampler."""

    def __init__(self, data: Data) -> None:
        torch = import_torch()

        from seqconv.store.workers import available_cores

        torch.manual_seed(0)
        torch.set_num_threads(available_cores())
        self.lengths = data.lengths
        self.features = [torch.from_numpy(np.ascontiguousarray(array.T)) for array in data.arrays]
        self.classes = torch.from_numpy(data.classes)
        self.model = make_network()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE, fused=True)
        self.sampler = lhotse_sampler(
            make_cuts(data.lengths), frames_per_batch=FRAMES_PER_BATCH, num_buckets=NUM_BUCKETS, seed=0
        )
        self.note = (
            f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, {NUM_BUCKETS} buckets, no masks, "
            "fused Adam; padded to the longest of each batch"
        )

    def __getitem__(self, cuts: Any) -> tuple[Any, Any]:
        """A batch: features `(n, d, time)` with zeros behind shorter sequences, and classes `(n,)`."""
        torch = import_torch()

        indices = [int(cut.id) for cut in cuts]
        width = int(self.lengths[indices].max())
        batch = torch.zeros((len(indices), NUM_FEATURES, width))
        for row, index in enumerate(indices):
            batch[row, :, : self.lengths[index]] = self.features[index]
        return batch, self.classes[indices]

    def train_epoch(self, epoch: int) -> dict[str, float]:
        torch = import_torch()

        self.model.train()
        self.sampler.set_epoch(epoch)
        loader = torch.utils.data.DataLoader(self, sampler=self.sampler, batch_size=None)
        total = 0
        started = time.perf_counter()
        for features, classes in loader:
            self.optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(self.model(features), classes)
            loss.backward()
            self.optimizer.step()
            total += features.shape[0] * features.shape[2]
        seconds = time.perf_counter() - started
        real = int(self.lengths.sum())
        return {PADDING: total / real - 1, SPEED: real / seconds}


def make_network() -> Any:
    """The network, over `(n, d, time)`."""
    nn = import_torch().nn

    layers: list[Any] = []
    channels = NUM_FEATURES
    for filters, kernel_size in BLOCKS:
        layers.append(nn.Conv1d(channels, filters, kernel_size, padding=kernel_size // 2, bias=False))
        layers += [nn.BatchNorm1d(filters), nn.ReLU(inplace=True)]
        channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(channels, NUM_CLASSES))


_trainers: list[_Trainer] = []


def _start(name: str, lengths: Any) -> str:
    """Build the trainer of this process; returns what it says of itself."""
    _trainers[:] = [_Trainer(make_noise(name, lengths))]
    return _trainers[0].note


def _train_epoch(epoch: int) -> dict[str, float]:
    return _trainers[0].train_epoch(epoch)
