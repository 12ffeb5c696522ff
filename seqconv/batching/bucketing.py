"""Bucketed: sequences of similar length share a batch, padded to the boundary of their bucket."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seqconv.batching.boundaries import check_boundaries, optimal_boundaries
from seqconv.batching.epochs import Assembly
from seqconv.batching.layouts import IntArray, Integers, Shape
from seqconv.batching.lengths import TooLong, apply_limit, check_lengths, check_positive, round_up, size_of_batch
from seqconv.batching.padding import OneToARow, own_shapes
from seqconv.batching.plans import Plan
from seqconv.frames import TimeGeometry, total_stride


@dataclass(frozen=True)
class Bucketed(OneToARow):
    """Batches within buckets, shuffled across; `boundaries` may be narrower than the widths of `shapes`."""

    boundaries: IntArray
    name: str = "bucketed"

    def assemble(self, order: Integers, lengths: IntArray, generator: np.random.Generator | None) -> Assembly:
        """Cut each bucket's share of the order into batches."""
        bucket = np.searchsorted(self.boundaries, lengths[order]).astype(np.int16)
        # Sorts 16-bit numbers in linear time.
        places = np.argsort(bucket, kind="stable")
        counts = np.bincount(bucket, minlength=len(self.shapes))
        rows = np.array([shape.rows for shape in self.shapes], np.int64)
        num_batches = -(-counts // rows)
        shape_ids = np.repeat(np.arange(len(self.shapes), dtype=np.int32), num_batches)
        within = np.arange(len(shape_ids)) - np.repeat(np.cumsum(num_batches) - num_batches, num_batches)
        sizes = np.minimum(rows[shape_ids], counts[shape_ids] - within * rows[shape_ids])
        if generator is None:
            sequence = np.argsort(places[np.cumsum(sizes) - sizes])
        else:
            sequence = generator.permutation(len(sizes))
        return self.fill(order[places], sizes, shape_ids, sequence)


def plan_bucketed(
    lengths: ArrayLike,
    *,
    batch_size: int | None = None,
    frames_per_batch: int | None = None,
    seed: int = 0,
    shuffle: bool = True,
    too_long: TooLong = "own_batch",
    time_geometry: TimeGeometry = (),
    max_frames: int | None = None,
    num_buckets: int = 8,
    boundaries: Sequence[int] | None = None,
) -> Plan:
    """Plan batches of similar lengths, one sequence a row, padded to the boundary of their bucket.

    Rows times width stays just below a constant total; the last batch of a bucket has empty rows.

    Args:
        lengths: frames of each sequence, (n,).
        batch_size: average sequences in a batch, default 32; or
        frames_per_batch: most frames in a batch, padding included.
        seed: of the shuffling.
        shuffle: False keeps the order as far as buckets allow, for evaluation.
        too_long: `error`, `drop`, `crop` or `own_batch` (one row, of a rounded width), for sequences over `max_frames`.
        time_geometry: the model's; widths are multiples of its total stride.
        max_frames: frames above which a sequence is too long; default: the last of `boundaries`, or a whole batch.
        num_buckets: buckets with the least padding; or
        boundaries: their inclusive upper bounds, by hand.

    Raises:
        ConfigError, ManifestError: for options or lengths that cannot be.

    >>> plan_bucketed([5, 9, 5, 9, 20, 21], frames_per_batch=42, num_buckets=3)
    <bucketed plan: 6 sequences, 3 steps, 3 shapes, padding_ratio=0.0143>
    """
    checked = check_lengths(lengths, time_geometry)
    check_positive("max_frames", max_frames)
    multiple = total_stride(time_geometry)
    rounded = round_up(checked, multiple)
    by_hand = None if boundaries is None else check_boundaries(boundaries)
    trial = optimal_boundaries(rounded, num_buckets) if by_hand is None else by_hand
    # What a sequence takes with its padding, so that batch_size is the average over steps.
    taken = round_up(trial[np.minimum(np.searchsorted(trial, rounded), len(trial) - 1)], multiple)
    _, total = size_of_batch(taken, batch_size, frames_per_batch)
    widest = max(int(total) // multiple * multiple, int(rounded.min())) if by_hand is None else int(by_hand[-1])
    limit = min(widest, max_frames or widest)
    long = apply_limit(checked, limit, too_long)
    kept = long.lengths[long.kept]
    shared, alone = kept[kept <= limit], kept[kept > limit]
    bounds = by_hand
    if bounds is None and len(shared):
        bounds = optimal_boundaries(round_up(shared, multiple), num_buckets)
    shapes, uppers = _bucket_shapes(shared, bounds, int(total), multiple)
    own = own_shapes(alone, multiple)
    strategy = Bucketed((*shapes, *own), np.array(uppers + [shape.width for shape in own], np.int64))
    return Plan(strategy, long, time_geometry=time_geometry, seed=seed, shuffle=shuffle)


def _bucket_shapes(
    lengths: IntArray, boundaries: IntArray | None, total: int, multiple: int
) -> tuple[list[Shape], list[int]]:
    """A shape for each bucket that holds a sequence, and the bucket's upper bound."""
    if boundaries is None or not len(lengths):
        return [], []
    shapes, uppers = [], []
    filled = np.bincount(np.searchsorted(boundaries, lengths), minlength=len(boundaries))
    for upper, count in zip(boundaries.tolist(), filled.tolist(), strict=True):
        width = upper + -upper % multiple
        if count:
            shapes.append(Shape(min(max(1, total // width), count), width, 1))
            uppers.append(upper)
    return shapes, uppers
