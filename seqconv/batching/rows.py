"""Rows filled with several sequences each, from an order, through a bounded look-ahead."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqconv.batching.layouts import IntArray, Shape
from seqconv.batching.plans import Assembly, footprints
from seqconv.frames import TimeGeometry


@dataclass(frozen=True)
class Packed:
    """Rows filled from a shuffled order through a look-ahead window; shapes ascend in width."""

    shapes: tuple[Shape, ...]
    time_geometry: TimeGeometry
    lookahead: int
    name: str = "packed"

    def assemble(self, order: IntArray, lengths: IntArray, generator: np.random.Generator | None) -> Assembly:
        """Fill batches until the order is used up."""
        ordered = lengths[order]
        packer = _Packer(ordered.tolist(), footprints(ordered, self.time_geometry).tolist(), self.lookahead)
        while packer.has_more():
            packer.fill_batch(self.shapes)
        arrays = (np.array(values, np.int64) for values in (packer.placed, packer.row_counts, packer.shape_ids))
        placed, row_counts, shape_ids = arrays
        return Assembly(order[placed], row_counts, shape_ids)


class _Packer:
    """Takes the oldest waiting sequence that fits; where it does not, the longest in the window that does."""

    def __init__(self, lengths: list[int], footprint: list[int], lookahead: int) -> None:
        self.placed: list[int] = []
        self.row_counts: list[int] = []
        self.shape_ids: list[int] = []
        self._lengths, self._footprints, self._count = lengths, footprint, len(lengths)
        self._is_placed = bytearray(self._count)
        self._oldest = 0
        self._next = min(lookahead, self._count)
        # Sorted by length; among equals the oldest comes last, where a bisection from the right finds it.
        self._window = sorted(map(self._key, range(self._next)))

    def has_more(self) -> bool:
        return len(self.placed) < self._count

    def fill_batch(self, shapes: Sequence[Shape]) -> None:
        """The oldest waiting sequence decides the shape: the narrowest that holds it."""
        self._skip_placed()
        needed = self._lengths[self._oldest]
        shape_id = next(i for i, shape in enumerate(shapes) if shape.width >= needed)
        shape = shapes[shape_id]
        self.shape_ids.append(shape_id)
        oldest = self._oldest
        for _ in range(shape.rows):
            oldest = self._fill_row(shape.width, shape.num_slots, oldest)

    def _fill_row(self, width: int, num_slots: int, oldest: int) -> int:
        """Place sequences into one row; `oldest` and the result: no sequence before it fits this width."""
        lengths, is_placed, window, count = self._lengths, self._is_placed, self._window, self._count
        remaining, before = width, len(self.placed)
        while window and len(self.placed) - before < num_slots:
            while oldest < self._next and (is_placed[oldest] or lengths[oldest] > width):
                oldest += 1
            if oldest < self._next and lengths[oldest] <= remaining:
                chosen = oldest
                del window[bisect_left(window, self._key(chosen))]
            else:
                at = bisect_right(window, remaining * count + count - 1) - 1
                if at < 0:
                    break
                chosen = count - 1 - window.pop(at) % count
            is_placed[chosen] = 1
            self.placed.append(chosen)
            remaining -= self._footprints[chosen]
            if self._next < count:
                insort(window, self._key(self._next))
                self._next += 1
        self.row_counts.append(len(self.placed) - before)
        return oldest

    def _key(self, position: int) -> int:
        return self._lengths[position] * self._count + self._count - 1 - position

    def _skip_placed(self) -> None:
        while self._is_placed[self._oldest]:
            self._oldest += 1
