"""The cost of shapes for a packed plan: rows filled with a sample of its order."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seqconv.batching.epochs import Assembly, footprints
from seqconv.batching.layouts import IntArray, Integers, Shape
from seqconv.batching.plans import draw_order
from seqconv.batching.vectorized_packing import Lanes
from seqconv.geometry import TimeGeometry

_SAMPLE = 16_000
_LANE = 2_000
_EPOCHS, _WHOLE = 4, 12_000
_DRAW = 4
# A last batch that is fuller than this in the epochs tried is one too few in others, and then costs this much of one.
_CROWDED, _ONE_MORE = 0.93, 0.5


class Trial(NamedTuple):
    """Results of trying some shapes.

    `cost`: frames of all batches for each real one, and what other epochs may need more. `filled`: frames up to the
    last sequence of each row, of a piece of the sample. `unused`: those after it, over all frames of full batches.
    `ends`: where the last sequence ends, of each row of the first shape. `slots`: the most sequences in a row of each
    shape, 0 where there was none.
    """

    shapes: tuple[Shape, ...]
    cost: float
    filled: float
    unused: float
    ends: Integers
    slots: tuple[int, ...]


@dataclass(frozen=True)
class Sample:
    """Pieces of an order, each to be filled separately up to its last `reserve` sequences; 0 for whole epochs."""

    lengths: IntArray
    takes: IntArray
    bounds: IntArray
    reserve: int
    lookahead: int

    def try_shapes(self, shapes: tuple[Shape, ...]) -> Trial:
        """Fill rows of these shapes with as many sequences as they hold."""
        roomy = [shape._replace(num_slots=min(shape.num_slots, len(self.lengths))) for shape in shapes]
        filled = Lanes(self.lengths, self.takes, self.bounds, roomy, self.lookahead).fill(self.reserve)
        rows = np.array([shape.rows for shape in shapes])[filled.shape_ids]
        shape_of_row = np.repeat(filled.shape_ids, rows)
        ends = self._ends(filled)
        widths = np.array([shape.width for shape in shapes])[shape_of_row]
        first = np.cumsum(rows) - rows
        is_last = self._is_last(filled, first)
        is_full = np.repeat(~is_last, rows)
        size = np.add.reduceat(widths, first)
        is_crowded = is_last & (np.add.reduceat(ends, first) > _CROWDED * size)
        most = [int(filled.row_counts[shape_of_row == i].max(initial=0)) for i in range(len(shapes))]
        return Trial(
            shapes,
            cost=float(size.sum() + _ONE_MORE * size[is_crowded].sum()) / int(self.lengths[filled.indices].sum()),
            filled=float(ends.sum() / (len(self.bounds) - 1)),
            unused=float((widths - ends)[is_full].sum() / max(1, widths[is_full].sum())),
            ends=ends[is_full & (shape_of_row == 0)],
            slots=tuple(most),
        )

    def _ends(self, filled: Assembly) -> Integers:
        lengths, takes = self.lengths[filled.indices], self.takes[filled.indices]
        last = np.cumsum(filled.row_counts)
        whole = np.concatenate([[0], np.cumsum(takes)])
        ends: Integers = whole[last] - whole[last - filled.row_counts]
        is_used = filled.row_counts > 0
        ends[is_used] -= (takes - lengths)[last[is_used] - 1]
        return ends

    def _is_last(self, filled: Assembly, first: Integers) -> Integers:
        """Return which batches, given by their first rows, end a whole epoch; all others had enough to fill them."""
        if self.reserve:
            return np.zeros(len(first), bool)
        sizes = np.add.reduceat(filled.row_counts, first)
        place = np.searchsorted(self.bounds, filled.indices[np.cumsum(sizes) - sizes], side="right")
        return np.asarray(np.append(place[1:] != place[:-1], True))


class Taking(NamedTuple):
    """The order in which a plan takes its sequences, about how many make a batch, and whether to try whole epochs."""

    seed: int
    shuffle: bool
    lookahead: int
    in_batch: float
    is_small: bool


def take_sample(lengths: IntArray, geometry: TimeGeometry, taking: Taking) -> Sample:
    """Return the first epochs of a small set, as they will be; a few thousand sequences of a large one."""
    lookahead = min(taking.lookahead, len(lengths))
    reserve = lookahead + int(2 * taking.in_batch)
    num_taken = min(len(lengths), max(_SAMPLE, 10 * reserve))
    if taking.is_small or 2 * reserve > num_taken:
        everyone = np.arange(len(lengths))
        epochs = range(max(1, min(_EPOCHS, _WHOLE // len(lengths))) if taking.shuffle else 1)
        orders = [draw_order(everyone, seed=taking.seed, epoch=epoch, shuffle=taking.shuffle) for epoch in epochs]
        taken = lengths[np.concatenate(orders)]
        return Sample(taken, footprints(taken, geometry), np.arange(len(orders) + 1) * len(lengths), 0, lookahead)
    num_lanes = max(1, num_taken // max(_LANE, 4 * reserve))
    size = num_taken // num_lanes
    taken = lengths[_draw_places(len(lengths), num_lanes, size, taking)]
    return Sample(taken, footprints(taken, geometry), np.arange(num_lanes + 1) * size, reserve, lookahead)


def _draw_places(num_sequences: int, num_lanes: int, size: int, taking: Taking) -> Integers:
    if taking.shuffle:
        generator = np.random.default_rng([taking.seed, 0, _DRAW])
        return generator.choice(num_sequences, num_lanes * size, replace=num_sequences > 2 * num_lanes * size)
    # Neighbors stay neighbors.
    first = np.linspace(0, num_sequences - size, num_lanes).astype(np.int64)
    return (first[:, None] + np.arange(size)).reshape(-1)
