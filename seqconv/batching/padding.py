"""Padded and single plans: one sequence a row, in shuffled order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seqconv.batching.boundaries import own_widths
from seqconv.batching.epoch_sampling import EpochSampler, expect
from seqconv.batching.epochs import Assembly, take_groups
from seqconv.batching.layouts import IntArray, Integers, Shape
from seqconv.batching.lengths import (
    TooLong,
    apply_limit,
    check_positive,
    count_lengths,
    geometric_widths,
    size_of_batch,
)
from seqconv.batching.plans import Plan
from seqconv.geometry import TimeGeometry, total_stride


@dataclass(frozen=True)
class OneToARow:
    """Batches with one sequence a row; rows that a batch does not need stay empty."""

    shapes: tuple[Shape, ...]

    def fill(self, indices: Integers, sizes: Integers, shape_ids: Integers, sequence: Integers) -> Assembly:
        """Fill batches in this order; batch i has the next `sizes[i]` of `indices` and shape `shape_ids[i]`."""
        shape_ids = shape_ids[sequence]
        rows = np.array([shape.rows for shape in self.shapes], np.int64)[shape_ids]
        row = np.arange(rows.sum()) - np.repeat(np.cumsum(rows) - rows, rows)
        row_counts = (row < np.repeat(sizes[sequence], rows)).astype(np.int32)
        return Assembly(take_groups(indices, sizes, sequence), row_counts, shape_ids)


@dataclass(frozen=True)
class Padded(OneToARow):
    """Batches of equally many rows, as wide as the longest sequence. Sequences over `limit` get their own batch."""

    limit: int
    name: str = "padded"

    def assemble(self, order: Integers, lengths: IntArray, generator: np.random.Generator | None) -> Assembly:
        """Cut the order into batches."""
        ordered = lengths[order]
        shared, alone = np.flatnonzero(ordered <= self.limit), np.flatnonzero(ordered > self.limit)
        places = np.concatenate([shared, alone])
        first = np.concatenate([np.arange(0, len(shared), self.shapes[0].rows), np.arange(len(shared), len(places))])
        sizes = np.diff(first, append=len(places))
        longest = np.maximum.reduceat(ordered[places], first)
        shape_ids = np.searchsorted([shape.width for shape in self.shapes], longest).astype(np.int32)
        return self.fill(order[places], sizes, shape_ids, np.argsort(places[first]))


def plan_padded(
    lengths: ArrayLike,
    *,
    batch_size: int | None = None,
    frames_per_batch: int | None = None,
    seed: int = 0,
    shuffle: bool = True,
    too_long: TooLong = "own_batch",
    time_geometry: TimeGeometry = (),
    max_frames: int | None = None,
    max_shapes: int | None = None,
    draw: EpochSampler | None = None,
) -> Plan:
    """Plan batches of `batch_size` shuffled sequences, each padded to the longest of its batch.

    Widths are rounded up to a coarse grid (at most 25 % over, or as coarse as `max_shapes` demands).

    Args:
        lengths: frames of each sequence, (n,).
        batch_size: sequences in a batch, default 32; or
        frames_per_batch: real frames in an average batch, and the longest sequence that is not too long.
        seed: of the shuffling.
        shuffle: False keeps the order, for evaluation.
        too_long: `error`, `drop`, `crop` or `own_batch`, for sequences over `max_frames` (or `frames_per_batch`).
        time_geometry: the model's, for the smallest length and the total stride.
        max_frames: frames above which a sequence is too long; default: none is.
        max_shapes: most shapes that there are, those of `own_batch` included (which needs two); for steps that are
            compiled for each shape.
        draw: what each epoch holds, where that is not every sequence once; shapes are the same in all epochs.

    Raises:
        ConfigError, ManifestError: for options or lengths that cannot be.

    >>> plan_padded([5, 9, 7, 30], batch_size=2)
    <padded plan: 4 sequences, 2 steps, 7 shapes, padding_ratio=0.3289>
    """
    expected = expect(lengths, draw, time_geometry)
    check_positive(max_frames=max_frames, max_shapes=max_shapes)
    sequences, _ = size_of_batch(expected.lengths, batch_size, frames_per_batch)
    limit = min((n for n in (max_frames, frames_per_batch) if n is not None), default=None)
    long = expected.limit_to(limit, too_long)
    distinct, counts = count_lengths(long.planned)
    is_shared = distinct <= (distinct[-1] if limit is None else limit)
    multiple = total_stride(time_geometry)
    own = own_widths(distinct[~is_shared], counts[~is_shared], multiple, share_of_own(max_shapes))
    most = None if max_shapes is None else max(1, max_shapes - len(own))
    shared = _shared_shapes(distinct[is_shared], counts[is_shared], round(sequences), multiple, most)
    top = int(distinct[is_shared][-1]) if shared else 0
    # A rounded width may hold the shortest of those that are too long.
    shapes = (*shared, *(Shape(1, int(width), 1) for width in own if not shared or width > shared[-1].width))
    strategy = Padded(shapes, limit=top)
    return Plan(strategy, long, expected=expected, time_geometry=time_geometry, seed=seed, shuffle=shuffle)


def _shared_shapes(distinct: IntArray, counts: IntArray, rows: int, multiple: int, most: int | None) -> list[Shape]:
    if not len(distinct):
        return []
    rows = min(rows, int(counts.sum()))
    # No full batch is narrower than this, and a last, partial one need not have shapes of its own.
    smallest, top = int(distinct[np.searchsorted(np.cumsum(counts), rows)]), int(distinct[-1])
    widths = geometric_widths(smallest, top, multiple)
    if most is not None and len(widths) > most:
        widths = geometric_widths(smallest, top, multiple, ratio=(top / smallest) ** (1 / most) * (1 + 1e-9))
    return [Shape(rows, int(width), 1) for width in widths]


def share_of_own(max_shapes: int | None) -> int | None:
    """Return how many of the shapes may go to sequences that are too long for the others."""
    return None if max_shapes is None else max(1, max_shapes // 4)


def plan_single(
    lengths: ArrayLike,
    *,
    seed: int = 0,
    shuffle: bool = True,
    too_long: TooLong = "own_batch",
    time_geometry: TimeGeometry = (),
    max_frames: int | None = None,
    batch_size: int | None = None,
    frames_per_batch: int | None = None,
    draw: EpochSampler | None = None,
) -> Plan:
    """Plan one batch for each sequence, `(1, T, d)` without any padding: the reference for every other layout.

    Args:
        lengths: frames of each sequence, (n,).
        seed: of the shuffling.
        shuffle: False keeps the order, for evaluation.
        too_long: `error`, `drop`, `crop` or `own_batch` (which changes nothing here), for sequences over `max_frames`.
        time_geometry: the model's, for the smallest length.
        max_frames: frames above which a sequence is too long; default: `frames_per_batch`, and without it none is.
        batch_size: has no meaning here; taken so that the four strategies share a signature.
        frames_per_batch: the longest sequence that is not too long.
        draw: what each epoch holds, where that is not every sequence once; shapes are the same in all epochs.

    Raises:
        ConfigError, ManifestError: for options or lengths that cannot be.

    >>> plan_single([5, 9, 5])
    <single plan: 3 sequences, 3 steps, 2 shapes, padding_ratio=0.0000>
    """
    expected = expect(lengths, draw, time_geometry)
    check_positive(max_frames=max_frames)
    size_of_batch(expected.lengths, batch_size, frames_per_batch)
    limit = min((n for n in (max_frames, frames_per_batch) if n is not None), default=None)
    long = expected.limit_to(limit, too_long)
    possible, _ = count_lengths(apply_limit(expected.possible, limit, too_long).planned)
    # A width for every length: batches of one sequence need no padding.
    strategy = Padded(tuple(Shape(1, int(width), 1) for width in possible), limit=int(possible[-1]), name="single")
    return Plan(strategy, long, expected=expected, time_geometry=time_geometry, seed=seed, shuffle=shuffle)
