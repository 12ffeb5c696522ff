"""Rows of an order of any size, filled in lanes: every step fills one row of each lane by array operations.

What the lanes leave is filled in fewer lanes, and so on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqconv.batching.epochs import Assembly, footprints, take_groups
from seqconv.batching.layouts import IntArray, Integers, Shape
from seqconv.geometry import TimeGeometry

_LANE = 3500
_FEWEST_LANES = 6
# Longer than any row: what is placed, and what follows the end of a lane.
_PLACED = 2**62


class Lanes:
    """Lanes that fill rows: each takes its oldest waiting sequences that fit, then the longest of the window that fit.

    Args:
        lengths: frames of the sequences, in their order.
        takes: frames that each takes of a row, with the gap after it.
        bounds: lane i holds `bounds[i] .. bounds[i + 1]` of the order.
        shapes: of batches, ascending in width; the oldest waiting sequence decides for the narrowest that holds it.
        lookahead: a sequence is placed at most so many places before its turn.
    """

    def __init__(
        self, lengths: Integers, takes: Integers, bounds: Integers, shapes: Sequence[Shape], lookahead: int
    ) -> None:
        self._rows, self._widths, self._slots = np.array(shapes, np.int64).T
        self._lookahead = lookahead
        # As many as a row takes at once, mostly.
        self._run = int(np.clip(2 * shapes[0].width / takes.mean() + 8, 4, lookahead))
        sizes = np.diff(bounds)
        columns = int(sizes.max()) + lookahead
        waiting = np.full((len(sizes), columns), _PLACED)
        taken = np.zeros((len(sizes), columns), np.int64)
        for lane, (low, high) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
            waiting[lane, : high - low] = lengths[low:high]
            taken[lane, : high - low] = takes[low:high]
        self._bounds, self._columns, self._sizes = bounds, columns, sizes
        self._base = np.arange(len(sizes)) * columns
        self._waiting, self._takes = waiting.reshape(-1), taken.reshape(-1)
        view = np.lib.stride_tricks.sliding_window_view
        self._windows = view(self._waiting, lookahead)
        self._runs, self._runs_take = view(self._waiting, self._run), view(self._takes, self._run)
        self._placed = np.full(int(sizes.sum()), -1)
        # The oldest waiting sequence, and the oldest that the width of the batch holds.
        self._oldest, self._first = self._base.copy(), self._base.copy()
        self._count, self._shape, self._rows_left, self._room, self._slots_left = np.zeros((5, len(sizes)), np.int64)

    def fill(self, reserve: int = 0) -> Assembly:
        """Fill batches until each lane has no more than `reserve` sequences left; `indices` are places in the order."""
        lanes = np.arange(len(self._sizes))
        row_counts: list[Integers] = []
        shape_ids: list[Integers] = []
        while True:
            is_new = self._rows_left[lanes] == 0
            is_done = is_new & (self._sizes[lanes] - self._count[lanes] <= reserve)
            lanes, new = lanes[~is_done], lanes[is_new & ~is_done]
            if not len(lanes):
                break
            self._begin_batches(new)
            begun = np.full(len(self._sizes), -1, np.int32)
            begun[new] = self._shape[new]
            shape_ids.append(begun)
            filled = np.full(len(self._sizes), -1, np.int32)
            filled[lanes] = self._fill_row(lanes)
            row_counts.append(filled)
        return Assembly(self._placed[self._placed >= 0], _lane_by_lane(row_counts), _lane_by_lane(shape_ids))

    def left(self) -> Integers:
        """Return the indices into the order that are not in a row yet, ascending."""
        waiting = self._waiting.reshape(-1, self._columns) < _PLACED
        lane, place = np.nonzero(waiting)
        return place + self._bounds[lane]

    def _begin_batches(self, lanes: Integers) -> None:
        searching = lanes
        while len(searching):
            is_waiting = self._runs[self._oldest[searching]] < _PLACED
            ahead = is_waiting.argmax(axis=1)
            is_found = is_waiting[np.arange(len(searching)), ahead]
            self._oldest[searching] += np.where(is_found, ahead, self._run)
            searching = searching[~is_found]
        oldest = self._oldest[lanes]
        shape = np.searchsorted(self._widths, self._waiting[oldest])
        self._first[lanes], self._shape[lanes], self._rows_left[lanes] = oldest, shape, self._rows[shape]

    def _fill_row(self, lanes: Integers) -> Integers:
        """Fill the next row of each lane; return how many sequences it took."""
        before = self._count[lanes]
        shape = self._shape[lanes]
        self._room[lanes], self._slots_left[lanes] = self._widths[shape], self._slots[shape]
        self._rows_left[lanes] -= 1
        running = lanes
        while len(running):
            running = self._take_oldest(running)
        self._take_longest(lanes)
        return np.asarray(self._count[lanes] - before)

    def _take_oldest(self, lanes: Integers) -> Integers:
        """Take the oldest sequences, one after the other, until one does not fit; return the lanes that may go on."""
        first, room = self._first[lanes], self._room[lanes]
        length = self._runs[first]
        is_candidate = length <= self._widths[self._shape[lanes], None]
        takes = np.where(is_candidate, self._runs_take[first], 0)
        after = takes.cumsum(axis=1)
        is_over = is_candidate & (after - takes + length > room[:, None])
        slots = self._slots_left[lanes]
        is_over |= is_candidate & (is_candidate.cumsum(axis=1) > slots[:, None])
        reach = np.minimum(self._reach(lanes), self._run)
        stop = np.where(is_over.any(axis=1), is_over.argmax(axis=1), self._run)
        is_taken = is_candidate & (np.arange(self._run) < np.minimum(stop, reach)[:, None])
        counts = is_taken.sum(axis=1)
        which, column = np.nonzero(is_taken)
        self._place(lanes, counts, first[which] + column)
        self._room[lanes] = room - np.where(is_taken, takes, 0).sum(axis=1)
        end = self._base[lanes] + self._sizes[lanes]
        self._first[lanes] = first = np.minimum(first + np.minimum(stop, reach), end)
        # What was taken lets a look-ahead that longer sequences had cut short reach farther.
        may_go_on = (stop >= reach) & ((reach == self._run) | (counts > 0)) & (first < end)
        return np.asarray(lanes[may_go_on & (self._slots_left[lanes] > 0)])

    def _take_longest(self, lanes: Integers) -> None:
        """Take the longest of the window that fits, the oldest among equals, until none does."""
        lanes = lanes[(self._room[lanes] > 0) & (self._slots_left[lanes] > 0)]
        # Stay within the look-ahead if longer sequences, which wait for another shape, were skipped.
        is_far = np.arange(self._lookahead) >= self._reach(lanes)[:, None]
        window = np.where(is_far, _PLACED, self._windows[self._first[lanes]])
        while len(lanes):
            room = self._room[lanes]
            # As unsigned numbers, what is longer than the room leaves more than anything that fits.
            rest = (room[:, None] - window).view(np.uint64)
            best = rest.argmin(axis=1)
            fits = rest[np.arange(len(lanes)), best] < room.astype(rest.dtype)
            lanes, window, best = lanes[fits], window[fits], best[fits]
            window[np.arange(len(lanes)), best] = _PLACED
            position = self._first[lanes] + best
            self._room[lanes] -= self._takes[position]
            self._place(lanes, np.ones(len(lanes), np.int64), position)
            is_open = (self._room[lanes] > 0) & (self._slots_left[lanes] > 0)
            lanes, window = lanes[is_open], window[is_open]

    def _reach(self, lanes: Integers) -> Integers:
        """Return how far to look ahead from the first index of the row's window."""
        reach: Integers = self._base[lanes] + self._count[lanes] + self._lookahead - self._first[lanes]
        return np.maximum(reach, 0)

    def _place(self, lanes: Integers, counts: Integers, position: Integers) -> None:
        """Record `counts[i]` positions of lane `lanes[i]`, which follow each other in `position`."""
        offset = self._bounds[lanes] + self._count[lanes] - (counts.cumsum() - counts)
        shift = self._bounds[lanes] - self._base[lanes]
        self._placed[np.repeat(offset, counts) + np.arange(len(position))] = position + np.repeat(shift, counts)
        self._waiting[position] = _PLACED
        self._count[lanes] += counts
        self._slots_left[lanes] -= counts


def _lane_by_lane(steps: list[Integers]) -> Integers:
    """Return the entries (steps, lanes) that are not negative, lane by lane."""
    table = np.stack(steps, axis=1)
    return table[table >= 0]


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
        return filled._replace(indices=order[filled.indices])


def fill_rows(lengths: Integers, takes: Integers, shapes: Sequence[Shape], lookahead: int) -> Assembly:
    """Pack a whole order; batches follow each other by their oldest sequence.

    `lengths` are in the order, `takes` the frames of a row that each takes, with the gap after it.

    >>> fill_rows(np.array([3, 5, 2, 4]), np.array([3, 5, 2, 4]), [Shape(1, 7, 4)], lookahead=4).indices
    array([0, 3, 1, 2])
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
    return _merge(filled, rest._replace(indices=left[rest.indices]), shapes)


def _merge(one: Assembly, other: Assembly, shapes: Sequence[Shape]) -> Assembly:
    """Return all batches of both, in the order of their oldest sequences."""
    positions, row_counts, shape_ids = (np.concatenate(parts) for parts in zip(one, other, strict=True))
    num_rows = np.array([shape.rows for shape in shapes])[shape_ids]
    sizes = np.add.reduceat(row_counts, num_rows.cumsum() - num_rows)
    oldest = positions[sizes.cumsum() - sizes]
    sequence = np.argsort(oldest, kind="stable")
    return Assembly(
        take_groups(positions, sizes, sequence), take_groups(row_counts, num_rows, sequence), shape_ids[sequence]
    )
