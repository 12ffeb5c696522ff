"""Bucketed plans: sequences of similar length share a batch, padded to the boundary of their bucket."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from seqconv.batching.boundaries import check_boundaries, least_padding, own_widths
from seqconv.batching.epoch_sampling import EpochSampler, expect
from seqconv.batching.epochs import Assembly
from seqconv.batching.layouts import IntArray, Integers, Shape
from seqconv.batching.lengths import TooLong, check_positive, count_lengths, round_counts, round_up, size_of_batch
from seqconv.batching.padding import OneToARow, share_of_own
from seqconv.batching.plans import Plan
from seqconv.errors import ConfigError
from seqconv.geometry import TimeGeometry, total_stride

# An epoch may have so many more batches than full ones would be.
_MORE_BATCHES, _FEW_BATCHES = 1.25, 2


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
    num_buckets: int = 16,
    boundaries: Sequence[int] | None = None,
    max_shapes: int | None = None,
    draw: EpochSampler | None = None,
) -> Plan:
    """Plan batches of similar lengths, one sequence a row, padded to the boundary of their bucket.

    Rows times width stays below a constant total, just below where a bucket has many batches: as many as it needs share
    its sequences evenly.

    Args:
        lengths: frames of each sequence, (n,).
        batch_size: average sequences in a batch, default 32; or
        frames_per_batch: most frames in a batch, padding included.
        seed: of the shuffling.
        shuffle: False keeps the order as far as buckets allow, for evaluation.
        too_long: `error`, `drop`, `crop` or `own_batch` (one row, of a rounded width), for sequences over `max_frames`.
        time_geometry: the model's; widths are multiples of its total stride.
        max_frames: frames above which a sequence is too long; default: the last of `boundaries`, or a whole batch.
        num_buckets: buckets with the least padding, fewer where sequences are so few that most batches would be small;
            or
        boundaries: their inclusive upper bounds, by hand.
        max_shapes: most shapes that there are, those of `own_batch` included (which needs two); for steps that are
            compiled for each shape.
        draw: what each epoch holds, where that is not every sequence once; shapes are the same in all epochs.

    Raises:
        ConfigError, ManifestError: for options or lengths that cannot be.

    >>> plan_bucketed([5, 9, 5, 9, 20, 21], frames_per_batch=42, num_buckets=3)
    <bucketed plan: 6 sequences, 3 steps, 3 shapes, padding_ratio=0.0143>
    """
    expected = expect(lengths, draw, time_geometry)
    check_positive(max_frames=max_frames, max_shapes=max_shapes, num_buckets=num_buckets)
    multiple = total_stride(time_geometry)
    by_hand = None if boundaries is None else check_boundaries(boundaries)
    distinct, counts = round_counts(*count_lengths(expected.lengths), multiple)
    trial = least_padding(distinct, counts, min(num_buckets, max_shapes or num_buckets)) if by_hand is None else by_hand
    # What a sequence takes with its padding, so that batch_size is the average over steps.
    taken = round_up(trial[np.minimum(np.searchsorted(trial, distinct), len(trial) - 1)], multiple)
    _, total = size_of_batch(taken, batch_size, frames_per_batch, counts=counts)
    widest = max(int(total) // multiple * multiple, int(distinct[0])) if by_hand is None else int(by_hand[-1])
    limit = min(widest, max_frames or widest)
    long = expected.limit_to(limit, too_long)
    distinct, counts = count_lengths(long.planned)
    is_shared = distinct <= limit
    own = own_widths(distinct[~is_shared], counts[~is_shared], multiple, share_of_own(max_shapes))
    most = None if max_shapes is None else max(1, max_shapes - len(own))
    buckets = Buckets(distinct[is_shared], counts[is_shared], int(total), multiple)
    if by_hand is None:
        shapes, uppers = buckets.best_shapes(min(num_buckets, most or num_buckets))
    else:
        shapes, uppers = buckets.shapes_of(by_hand)
        if most is not None and len(shapes) > most:
            raise ConfigError(
                f"boundaries={by_hand.tolist()} make {len(shapes)} shapes, but max_shapes leaves {most} for them. Give "
                "fewer boundaries, or leave them out and set num_buckets."
            )
    every = (*shapes, *(Shape(1, int(width), 1) for width in own))
    strategy = Bucketed(every, np.concatenate([uppers, own]).astype(np.int64))
    return Plan(strategy, long, expected=expected, time_geometry=time_geometry, seed=seed, shuffle=shuffle)


@dataclass(frozen=True)
class Buckets:
    """Lengths to divide into buckets: `counts[i]` sequences of `distinct[i]` frames, at most `total` frames a batch."""

    distinct: IntArray
    counts: IntArray
    total: int
    multiple: int

    def best_shapes(self, num_buckets: int) -> tuple[list[Shape], list[int]]:
        """Return the shapes with the least padding; fewer buckets if the last batches of each cost too much."""
        if not len(self.distinct):
            return [], []
        while True:
            bounds = least_padding(*round_counts(self.distinct, self.counts, self.multiple), num_buckets)
            shapes, uppers = self.shapes_of(bounds)
            counts = self._count(bounds)
            num_batches = sum(-(-count // shape.rows) for count, shape in zip(counts, shapes, strict=True))
            frames = sum(count * shape.width for count, shape in zip(counts, shapes, strict=True))
            if num_buckets == 1 or num_batches <= _MORE_BATCHES * frames / self.total + _FEW_BATCHES:
                return shapes, uppers
            num_buckets = len(shapes) - 1

    def shapes_of(self, bounds: IntArray) -> tuple[list[Shape], list[int]]:
        """Return a shape for each bucket that has a sequence, and the bucket's upper bound."""
        shapes, uppers = [], []
        for upper, count in zip(bounds.tolist(), self._count(bounds), strict=True):
            width = upper + -upper % self.multiple
            if count:
                num_batches = -(-count // max(1, self.total // width))
                shapes.append(Shape(-(-count // num_batches), width, 1))
                uppers.append(upper)
        return shapes, uppers

    def _count(self, bounds: IntArray) -> list[int]:
        """Count the sequences in each bucket."""
        bucket = np.searchsorted(bounds, self.distinct)
        return list(np.bincount(bucket, weights=self.counts, minlength=len(bounds)).astype(np.int64).tolist())
