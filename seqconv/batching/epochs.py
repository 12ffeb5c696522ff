"""One epoch of a plan: sequences that share a row, rows that share a batch, and the layouts that follow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import NamedTuple, overload

import numpy as np

from seqconv.batching.epoch_sampling import EpochSample
from seqconv.batching.layouts import IntArray, Integers, Layout, Shape, check_rank
from seqconv.errors import ConfigError
from seqconv.geometry import TimeGeometry, next_start, total_stride


class Assembly(NamedTuple):
    """One epoch before positions are known: sequences that share a row, and rows that share a batch.

    `indices`: entries of the epoch (sequences, where it draws each once) in the order in which they are placed.
    `row_counts`: sequences in each row, batch after batch, empty rows included. `shape_ids`: for each batch, its place
    in the strategy's `shapes`.
    """

    indices: Integers
    row_counts: Integers
    shape_ids: Integers


@dataclass(frozen=True)
class EpochTable:
    """All batches of an epoch; the start of a sequence in its row is computed when its layout is asked for.

    `lengths` and `offsets` (None: all 0) are indexed by entry. `drawn`: which sequence an entry is, and how often it
    was drawn before; None where entries are sequences.
    """

    assembly: Assembly
    shapes: tuple[Shape, ...]
    lengths: IntArray
    offsets: IntArray | None
    geometry: TimeGeometry
    drawn: EpochSample | None = None

    def __len__(self) -> int:
        return len(self.assembly.shape_ids)

    @cached_property
    def num_frames(self) -> int:
        """Frames of all batches, padding included."""
        steps = np.bincount(self.assembly.shape_ids, minlength=len(self.shapes)).tolist()
        return sum(count * shape.rows * shape.width for count, shape in zip(steps, self.shapes, strict=True))

    @cached_property
    def real_frames(self) -> int:
        """Frames of all sequences in the batches."""
        return int(self.lengths[self.assembly.indices].sum())

    @cached_property
    def _first_row(self) -> IntArray:
        """First row of each batch, among the rows of the epoch; and the end of the last."""
        rows = np.array([shape.rows for shape in self.shapes], np.int64)[self.assembly.shape_ids]
        return np.concatenate([[0], np.cumsum(rows)])

    @cached_property
    def _first_entry(self) -> IntArray:
        """First entry of each batch, among the sequences of the epoch; and the end of the last."""
        sizes = np.add.reduceat(self.assembly.row_counts, self._first_row[:-1], dtype=np.int64)
        return np.concatenate([[0], np.cumsum(sizes)])

    def layout(self, step: int) -> Layout:
        """Return the layout of one batch."""
        shape = self.shapes[self.assembly.shape_ids[step]]
        counts = self.assembly.row_counts[self._first_row[step] : self._first_row[step + 1]]
        indices = self.assembly.indices[self._first_entry[step] : self._first_entry[step + 1]].astype(np.int64)
        row = np.repeat(np.arange(shape.rows), counts)
        first_of_row = (np.cumsum(counts) - counts)[row]
        slot = np.arange(len(indices)) - first_of_row
        length = self.lengths[indices]
        takes = footprints(length, self.geometry)
        before = np.cumsum(takes) - takes
        start = before - before[first_of_row]
        offset = np.zeros(len(indices), np.int64) if self.offsets is None else self.offsets[indices]
        sequences, repeat = indices, np.zeros(len(indices), np.int64)
        if self.drawn is not None:
            sequences, repeat = self.drawn.indices[indices], self.drawn.repeats[indices]
        return Layout(shape.rows, shape.width, shape.num_slots, sequences, row, slot, start, length, offset, repeat)


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

    def _layout(self, step: int) -> Layout:
        return self._table.layout(step).shard(self._rank, self._world_size)


def take_groups(values: Integers, sizes: Integers, sequence: Integers) -> Integers:
    """Return the groups `sequence` of `values`; group i has `sizes[i]` entries.

    >>> take_groups(np.array([1, 1, 2, 3, 3, 3]), np.array([2, 1, 3]), np.array([2, 0, 1]))
    array([3, 3, 3, 1, 1, 2])
    """
    taken = sizes[sequence]
    source = (np.cumsum(sizes) - sizes)[sequence]
    shift = (source - (np.cumsum(taken) - taken)).astype(np.int64)
    index = np.repeat(shift, taken)
    index += np.arange(len(index))
    return np.asarray(values[index])


def footprints(lengths: IntArray, geometry: TimeGeometry) -> IntArray:
    """Return the frames from a sequence's start to the earliest start of the next one in its row.

    >>> from seqconv.geometry import TimeLayer
    >>> footprints(np.array([5, 8]), (TimeLayer(5, stride=2),))
    array([ 8, 10])
    """
    gaps = _gaps_after(tuple(geometry))
    return lengths + (gaps[0] if len(gaps) == 1 else gaps[lengths % len(gaps)])


@cache
def _gaps_after(geometry: TimeGeometry) -> IntArray:
    """Return the frames between a sequence and the next one, by its end within a total stride."""
    return np.array([next_start(end, geometry) - end for end in range(total_stride(geometry))], np.int64)
