"""Packed rows of an order of any size: filled in lanes; what the lanes leave is filled in fewer lanes, and so on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqconv.batching.epochs import Assembly, footprints
from seqconv.batching.grouped_take import take_groups
from seqconv.batching.layouts import IntArray, Integers, Shape
from seqconv.batching.vectorized_packing import Filled, Lanes
from seqconv.geometry import TimeGeometry

_LANE = 3500
_FEWEST_LANES = 6


@dataclass(frozen=True)
class Packed:
    """Rows filled from a shuffled order through a look-ahead window; shapes ascend in width."""

    shapes: tuple[Shape, ...]
    time_geometry: TimeGeometry
    lookahead: int
    name: str = "packed"

    def assemble(self, order: Integers, lengths: IntArray, generator: np.random.Generator | None) -> Assembly:
        """Fill batches until the order is used up."""
        ordered = lengths[order]
        filled = fill_rows(ordered, footprints(ordered, self.time_geometry), self.shapes, self.lookahead)
        return Assembly(order[filled.positions], filled.row_counts, filled.shape_ids)


def fill_rows(lengths: Integers, takes: Integers, shapes: Sequence[Shape], lookahead: int) -> Filled:
    """Pack a whole order; batches follow each other by their oldest sequence.

    `lengths` are in the order, `takes` the frames of a row that each takes with the gap behind it.

    >>> fill_rows(np.array([3, 5, 2, 4]), np.array([3, 5, 2, 4]), [Shape(1, 7, 4)], lookahead=4).positions
    array([0, 3, 1, 2], dtype=int32)
    """
    lookahead = min(lookahead, len(lengths))
    reserve = lookahead + int(2 * shapes[0].rows * shapes[0].width / takes.mean())
    num_lanes = len(lengths) // max(_LANE, 12 * reserve)
    if num_lanes < _FEWEST_LANES:
        return Lanes(lengths, takes, np.array([0, len(lengths)]), shapes, lookahead).fill()
    bounds = np.arange(num_lanes + 1) * len(lengths) // num_lanes
    lanes = Lanes(lengths, takes, bounds, shapes, lookahead)
    # A lane stops while its window is still full, so that it has no bad last rows.
    filled, left = lanes.fill(reserve), lanes.left()
    rest = fill_rows(lengths[left], takes[left], shapes, lookahead)
    return _merge(filled, rest._replace(positions=left[rest.positions]), shapes)


def _merge(one: Filled, other: Filled, shapes: Sequence[Shape]) -> Filled:
    """Return all batches of both, in the order of their oldest sequences."""
    positions, row_counts, shape_ids = (np.concatenate(parts) for parts in zip(one, other, strict=True))
    num_rows = np.array([shape.rows for shape in shapes])[shape_ids]
    sizes = np.add.reduceat(row_counts, num_rows.cumsum() - num_rows)
    oldest = positions[sizes.cumsum() - sizes]
    sequence = np.argsort(oldest, kind="stable")
    return Filled(
        take_groups(positions, sizes, sequence), take_groups(row_counts, num_rows, sequence), shape_ids[sequence]
    )
