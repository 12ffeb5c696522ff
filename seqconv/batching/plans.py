"""Plans: which sequences share a batch, as a pure function of (lengths, options, geometry, seed, epoch)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, overload

import numpy as np

from seqconv.batching.layouts import IntArray, Layout, Shape, check_rank
from seqconv.batching.lengths import LongSequences
from seqconv.errors import ConfigError
from seqconv.frames import TimeGeometry, next_start, total_stride

_ORDER, _BATCHES, _CROP = 1, 2, 3


class Assembly(NamedTuple):
    """One epoch before positions are known: who shares a row, and which rows share a batch.

    `indices`: sequences in the order in which they are placed. `row_counts`: sequences in each row, batch after batch,
    empty rows included. `shape_ids`: for each batch, its place in the strategy's `shapes`.
    """

    indices: IntArray
    row_counts: IntArray
    shape_ids: IntArray


class Strategy(Protocol):
    """A way to group sequences; `packing`, `bucketing` and `padding` hold the four."""

    @property
    def name(self) -> str: ...

    @property
    def shapes(self) -> tuple[Shape, ...]: ...

    def assemble(self, order: IntArray, lengths: IntArray, generator: np.random.Generator | None) -> Assembly:
        """Group the sequences `order`; `lengths` is indexed by sequence. Without a generator, keep the order."""
        ...


@dataclass(frozen=True)
class EpochTable:
    """All layouts of an epoch as flat arrays; batch `i` owns entries `bounds[i] .. bounds[i + 1]`."""

    shapes: tuple[Shape, ...]
    shape_ids: IntArray
    bounds: IntArray
    indices: IntArray
    row: IntArray
    slot: IntArray
    start: IntArray
    length: IntArray
    offset: IntArray

    def __len__(self) -> int:
        return len(self.shape_ids)

    def layout(self, step: int) -> Layout:
        """The layout of one batch; its arrays are views."""
        low, high = self.bounds[step], self.bounds[step + 1]
        columns = (self.indices, self.row, self.slot, self.start, self.length, self.offset)
        return Layout(*self.shapes[self.shape_ids[step]], *(column[low:high] for column in columns))


class EpochPlan(Sequence[Layout]):
    """The layouts of one epoch for one process, from its first step on; equal plans compare equal."""

    def __init__(self, table: EpochTable, *, rank: int = 0, world_size: int = 1, start: int = 0) -> None:
        check_rank(rank, world_size)
        if not 0 <= start <= len(table):
            raise ConfigError(f"start={start}, but the epoch has {len(table)} steps. Give 0 .. {len(table)}.")
        self._table = table
        self._rank, self._world_size, self._start = rank, world_size, start

    def __len__(self) -> int:
        return len(self._table) - self._start

    @overload
    def __getitem__(self, step: int) -> Layout: ...
    @overload
    def __getitem__(self, step: slice) -> list[Layout]: ...
    def __getitem__(self, step: int | slice) -> Layout | list[Layout]:
        steps = range(self._start, len(self._table))[step]
        if isinstance(steps, range):
            return [self._layout(i) for i in steps]
        return self._layout(steps)

    def __iter__(self) -> Iterator[Layout]:
        return map(self._layout, range(self._start, len(self._table)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, EpochPlan):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def _layout(self, step: int) -> Layout:
        return self._table.layout(step).shard(self._rank, self._world_size)


class Plan:
    """Batches for every epoch of a run, known before any feature is read.

    `strategy`: name of the strategy. `shapes`: every (rows, width, num_slots) that may occur. `padding_ratio`: padding
    frames (gaps included) over all frames, in epoch 0. `mean_sequences`: sequences per step of epoch 0. `dropped`,
    `cropped`, `in_own_batch`: how many sequences were too long, by what became of them. `max_frames`: the longest
    length that is not too long, None where there is no limit. `len(plan)`: steps of epoch 0.
    """

    def __init__(
        self,
        strategy: Strategy,
        long_sequences: LongSequences,
        *,
        time_geometry: TimeGeometry = (),
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        self._strategy, self._long = strategy, long_sequences
        self._geometry, self._seed, self._shuffle = time_geometry, check_seed(seed), shuffle
        self._tables: dict[int, EpochTable] = {}
        self._num_steps: dict[int, int] = {}
        first = self._first = self._table(0)
        self.strategy = strategy.name
        self.shapes = strategy.shapes
        self.num_sequences = len(first.indices)
        self.num_frames = int(first.length.sum())
        self.total_frames: int = sum(first.shapes[i].rows * first.shapes[i].width for i in first.shape_ids.tolist())
        self.padding_ratio = 1 - self.num_frames / self.total_frames
        self.mean_sequences = self.num_sequences / len(first)
        self.max_frames = long_sequences.limit
        self.dropped = long_sequences.count("drop")
        self.cropped = long_sequences.count("crop")
        self.in_own_batch = long_sequences.count("own_batch")

    def __len__(self) -> int:
        return len(self._first)

    def num_steps(self, epoch: int) -> int:
        """Steps of an epoch; epochs of a packed plan may differ by a few."""
        if epoch not in self._num_steps:
            self._table(epoch)
        return self._num_steps[epoch]

    def epoch(self, epoch: int, *, rank: int = 0, world_size: int = 1, start: int = 0) -> EpochPlan:
        """The layouts of an epoch, for process `rank` of `world_size`, without the first `start` steps.

        Every process gets as many layouts of the same shapes. Raises ConfigError for a step or rank out of range.
        """
        return EpochPlan(self._table(epoch), rank=rank, world_size=world_size, start=start)

    def __str__(self) -> str:
        return _report(self, self._first)

    def __repr__(self) -> str:
        return (
            f"<{self.strategy} plan: {self.num_sequences} sequences, {len(self)} steps, "
            f"{len(self.shapes)} shapes, padding_ratio={self.padding_ratio:.4f}>"
        )

    def _table(self, epoch: int) -> EpochTable:
        if epoch < 0:
            raise ConfigError(f"epoch={epoch}: epochs count from 0")
        if epoch not in self._tables:
            # Two epochs are enough for a run (this one and the next) and bound the memory of a long one.
            while len(self._tables) >= 2:
                self._tables.pop(next(iter(self._tables)))
            self._tables[epoch] = self._make_table(epoch)
            self._num_steps[epoch] = len(self._tables[epoch])
        return self._tables[epoch]

    def _make_table(self, epoch: int) -> EpochTable:
        order = self._long.kept
        if self._shuffle:
            order = np.random.default_rng([self._seed, epoch, _ORDER]).permutation(order)
        generator = np.random.default_rng([self._seed, epoch, _BATCHES]) if self._shuffle else None
        assembly = self._strategy.assemble(order, self._long.lengths, generator)
        length = self._long.lengths[assembly.indices]
        # One number for each sequence of the whole set, so that an offset hangs on the index alone.
        draws = np.random.default_rng([self._seed, epoch, _CROP]).random(len(self._long.lengths))[assembly.indices]
        slack = self._long.original[assembly.indices] - length
        offset = np.floor(draws * (slack + 1)).astype(np.int64)
        return lay_out(assembly, self._strategy.shapes, length, offset, self._geometry)


def lay_out(
    assembly: Assembly, shapes: tuple[Shape, ...], length: IntArray, offset: IntArray, geometry: TimeGeometry
) -> EpochTable:
    """Give every sequence of an assembly its row, slot and start; `length` and `offset` as in `assembly.indices`."""
    rows_of_batch = np.array([shape.rows for shape in shapes], np.int64)[assembly.shape_ids]
    first_row = np.concatenate([[0], np.cumsum(rows_of_batch)])
    first_entry = np.concatenate([[0], np.cumsum(assembly.row_counts)])
    num_rows = len(assembly.row_counts)
    row = np.repeat(np.arange(num_rows) - np.repeat(first_row[:-1], rows_of_batch), assembly.row_counts)
    slot = np.arange(len(length)) - np.repeat(first_entry[:-1], assembly.row_counts)
    before = np.concatenate([[0], np.cumsum(footprints(length, geometry))])
    start = before[:-1] - np.repeat(before[first_entry[:-1]], assembly.row_counts)
    bounds = first_entry[first_row]
    return EpochTable(shapes, assembly.shape_ids, bounds, assembly.indices, row, slot, start, length, offset)


def footprints(lengths: IntArray, geometry: TimeGeometry) -> IntArray:
    """Frames from a sequence's start to the earliest start of the next one in its row.

    >>> from seqconv.frames import TimeLayer
    >>> footprints(np.array([5, 8]), (TimeLayer(5, stride=2),))
    array([ 8, 10])
    """
    # Starts are multiples of the total stride, so the gap depends only on where in a stride the sequence ends.
    stride = total_stride(geometry)
    after = np.array([next_start(end, geometry) - end for end in range(stride)], np.int64)
    return lengths + after[lengths % stride]


def check_seed(seed: int) -> int:
    """Raise ConfigError unless `seed` can seed a generator."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigError(f"seed={seed!r}: expected a whole number, 0 or more")
    return int(seed)


def _report(plan: Plan, table: EpochTable) -> str:
    steps = Counter(table.shape_ids.tolist())
    lines = [
        f"{plan.strategy}: {plan.num_sequences:,} sequences, {plan.num_frames:,} frames, "
        f"{len(plan):,} steps an epoch, {plan.mean_sequences:.1f} sequences a step",
        f"padding ratio {plan.padding_ratio:.4f} "
        f"({plan.total_frames / plan.num_frames - 1:.4f} padding frames for each real one)",
        "    rows x width     slots   steps",
    ]
    shown = sorted(range(len(plan.shapes)), key=lambda i: -steps[i])
    lines += [f"{plan.shapes[i].rows:8d} x {plan.shapes[i].width:<8d}{plan.shapes[i].num_slots:6d}{steps[i]:8,d}"
              for i in shown[:12]]  # fmt: skip
    if len(shown) > 12:
        lines.append(f"    and {len(shown) - 12} more shapes")
    fates = ((plan.dropped, "dropped"), (plan.cropped, "cropped"), (plan.in_own_batch, "in batches of their own"))
    for count, fate in fates:
        if count:
            lines.append(f"too long (over {plan.max_frames:,} frames): {count:,} {fate}")
    return "\n".join(lines)
