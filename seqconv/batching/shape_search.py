"""The cost of shapes for a packed plan: rows are filled with a sample of its order."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seqconv.batching.epochs import Assembly
from seqconv.batching.layouts import IntArray, Integers, Shape
from seqconv.batching.vectorized_packing import Lanes

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
