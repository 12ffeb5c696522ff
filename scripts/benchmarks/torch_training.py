"""The same network in PyTorch, fed by lhotse's DynamicBucketingSampler, in a process of its own.

PyTorch and TensorFlow each keep a pool of threads, and do not like to be imported in the wrong order. There are two
variants of the same arithmetic: the network as people write it, and the fastest that was found for a CPU.
`torch.compile` is not in it: on a CPU it compiles these convolutions anew for every width, also with `dynamic=True`,
and gives up after eight of them.
"""

import multiprocessing
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.data import Data, make_noise
from benchmarks.networks import BLOCKS, FRAMES_PER_BATCH, LEARNING_RATE, NUM_CLASSES, NUM_FEATURES
from benchmarks.peers import import_torch, lhotse_sampler, make_cuts
from benchmarks.stock_training import PADDING, SPEED

PLAIN = "PyTorch, lhotse DynamicBucketingSampler"
TUNED = "PyTorch in channels_last, lhotse DynamicBucketingSampler"
NUM_BUCKETS = 30
_HOW = {
    PLAIN: "Conv1d",
    TUNED: "Conv2d over (1, k) in channels_last",
}


@contextmanager
def torch_process() -> Iterator[ProcessPoolExecutor]:
    """A new process that ends with the `with`."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


class TorchTraining:
    """A contestant, as the process that measures sees it."""

    def __init__(self, name: str, data: Data, pool: ProcessPoolExecutor) -> None:
        self.name, self.lengths, self._pool = name, data.name, pool
        self.note = pool.submit(_start, name, data.name, data.lengths).result()

    def measure(self, round_number: int) -> Mapping[str, float]:
        """One epoch."""
        return self._pool.submit(_train_epoch, self.name, round_number).result()


class _Trainer:
    """The contents of the process: sequences in memory, network, optimizer, sampler."""

    def __init__(self, name: str, data: Data) -> None:
        torch = import_torch()
        from seqconv.features.store.workers import available_cores

        torch.manual_seed(0)
        torch.set_num_threads(available_cores())
        self.is_tuned, self.lengths = name == TUNED, data.lengths
        arrays = data.arrays if self.is_tuned else [np.ascontiguousarray(array.T) for array in data.arrays]
        self.features = [torch.from_numpy(array) for array in arrays]
        self.classes = torch.from_numpy(data.classes)
        self.model = make_tuned_network() if self.is_tuned else make_plain_network()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE, fused=True)
        self.sampler = lhotse_sampler(
            make_cuts(data.lengths), frames_per_batch=FRAMES_PER_BATCH, num_buckets=NUM_BUCKETS, seed=0
        )
        self.note = (
            f"{_HOW[name]}, fused Adam, {torch.get_num_threads()} threads, no masks (PyTorch {torch.__version__}); "
            f"{NUM_BUCKETS} buckets, padded to the longest of each batch"
        )

    def __getitem__(self, cuts: Any) -> tuple[Any, Any]:
        """A batch, zeros behind shorter sequences: `(n, d, time)`, or `(n, d, 1, time)` in channels_last; classes."""
        torch = import_torch()
        indices = [int(cut.id) for cut in cuts]
        width = int(self.lengths[indices].max())
        if self.is_tuned:
            batch = torch.zeros((len(indices), width, NUM_FEATURES))
            for row, index in enumerate(indices):
                batch[row, : self.lengths[index]] = self.features[index]
            return batch[:, None].permute(0, 3, 1, 2), self.classes[indices]
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
            torch.nn.functional.cross_entropy(self.model(features), classes).backward()
            self.optimizer.step()
            total += features.shape[0] * features.shape[-1]
        seconds = time.perf_counter() - started
        real = int(self.lengths.sum())
        return {PADDING: total / real - 1, SPEED: real / seconds}


def make_plain_network() -> Any:
    """The network over `(n, d, time)`."""
    nn = import_torch().nn
    layers: list[Any] = []
    channels = NUM_FEATURES
    for filters, kernel_size in BLOCKS:
        layers.append(nn.Conv1d(channels, filters, kernel_size, padding=kernel_size // 2, bias=False))
        layers += [nn.BatchNorm1d(filters), nn.ReLU(inplace=True)]
        channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(channels, NUM_CLASSES))


def make_tuned_network() -> Any:
    """The network over `(n, d, 1, time)`, the channels of a frame side by side in memory."""
    torch = import_torch()
    nn = torch.nn
    layers: list[Any] = []
    channels = NUM_FEATURES
    for filters, kernel_size in BLOCKS:
        layers.append(nn.Conv2d(channels, filters, (1, kernel_size), padding=(0, kernel_size // 2), bias=False))
        layers += [nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]
        channels = filters
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, NUM_CLASSES))
    return network.to(memory_format=torch.channels_last)


_trainers: dict[str, _Trainer] = {}


@lru_cache(maxsize=1)
def _noise(name: str, lengths: tuple[int, ...]) -> Data:
    return make_noise(name, np.array(lengths))


def _start(contestant: str, name: str, lengths: Any) -> str:
    """Build a trainer of this process; returns what it says of itself."""
    _trainers[contestant] = _Trainer(contestant, _noise(name, tuple(lengths.tolist())))
    return _trainers[contestant].note


def _train_epoch(contestant: str, epoch: int) -> dict[str, float]:
    return _trainers[contestant].train_epoch(epoch)
