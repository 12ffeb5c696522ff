"""Positions of the sequences of one batch: rows, slots and frames, in plain NumPy."""

from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seqconv.errors import ConfigError

IntArray = NDArray[np.int64]
Integers = NDArray[np.integer[Any]]


class Shape(NamedTuple):
    """A shape that XLA compiles for: `rows` rows of `width` frames, each with room for `num_slots` sequences."""

    rows: int
    width: int
    num_slots: int


@dataclass(frozen=True, eq=False)
class Layout:
    """One batch before its features are read: n sequences placed into `rows` rows of `width` frames.

    The arrays have one entry for each placed sequence, ordered by row, then by start. Sequence `indices[i]`
    contributes its frames `offset[i] .. offset[i] + length[i]` to slot `slot[i]` of row `row[i]`, from frame
    `start[i]` of the row on. Slots count from 0 within a row. `offset` differs from 0 only for a cropped sequence,
    `repeat` only for a sequence that this epoch has drawn before: so many times.

    >>> layout = Layout(2, 8, 2, *np.array([[7, 0, 3], [0, 0, 1], [0, 1, 0], [0, 5, 0], [4, 3, 8], [0, 0, 0]]))
    >>> layout
    Layout(rows=2, width=8, num_slots=2, 3 sequences, 15 of 16 frames)
    >>> layout.shard(rank=1, world_size=2).indices
    array([3])
    """

    rows: int
    width: int
    num_slots: int
    indices: IntArray
    row: IntArray
    slot: IntArray
    start: IntArray
    length: IntArray
    offset: IntArray
    repeat: IntArray = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        if self.repeat is None:
            object.__setattr__(self, "repeat", np.zeros(len(self.indices), np.int64))

    @property
    def shape(self) -> Shape:
        """Rows, width and slots of each row."""
        return Shape(self.rows, self.width, self.num_slots)

    @property
    def num_frames(self) -> int:
        """Real frames in this batch; the rest of `rows * width` is padding."""
        return int(self.length.sum())

    def take_rows(self, first: int, last: int) -> "Layout":
        """Return rows `first .. last` (exclusive) as a separate batch; rows that do not exist are empty."""
        low, high = np.searchsorted(self.row, [first, last])
        columns = {name: getattr(self, name)[low:high] for name in _COLUMNS}
        columns["row"] = columns["row"] - first
        return Layout(last - first, self.width, self.num_slots, **columns)

    def shard(self, rank: int, world_size: int) -> "Layout":
        """Return the share of process `rank`: equally many rows for each process, filled up with empty rows."""
        check_rank(rank, world_size)
        if world_size == 1:
            return self
        share = -(-self.rows // world_size)
        return self.take_rows(rank * share, (rank + 1) * share)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layout):
            return NotImplemented
        return self.shape == other.shape and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in _COLUMNS
        )

    def __repr__(self) -> str:
        return (
            f"Layout(rows={self.rows}, width={self.width}, num_slots={self.num_slots}, "
            f"{len(self.indices)} sequences, {self.num_frames} of {self.rows * self.width} frames)"
        )


_COLUMNS = tuple(field.name for field in fields(Layout))[3:]


def check_rank(rank: int, world_size: int) -> None:
    """Raise ConfigError unless `rank` is one of `world_size` processes."""
    if world_size < 1 or not 0 <= rank < world_size:
        raise ConfigError(f"rank={rank} with world_size={world_size}: a rank is one of 0 .. world_size - 1")
