"""Rows filled in lockstep: an order is divided into lanes, and every step fills one row of each by array operations."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqconv.batching.layouts import Integers, Shape


class Filled(NamedTuple):
    """Rows in the order in which they were filled, lane after lane.

    `positions`: places in the order, as they were placed. `row_counts`: sequences in each row. `shape_ids`: of each
    batch, whose rows follow each other.
    """

    positions: Integers
    row_counts: Integers
    shape_ids: Integers


class Lanes:
    """Lanes that fill rows: each takes its oldest waiting sequences that fit, then the longest of the window that fit.

    Args:
        lengths: frames of the sequences, in their order.
        takes: frames that each takes of a row with the gap behind it.
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
        is_small = max(shapes[-1].width, int(takes.max()) * self._run) < 2**29
        dtype = np.dtype(np.int32 if is_small else np.int64)
        # Longer than any row: what is placed, and what lies behind the end of a lane.
        self._placed = 2**30 if is_small else 2**62
        waiting = np.full((len(sizes), columns), self._placed, dtype)
        taken = np.zeros((len(sizes), columns), dtype)
        for lane, (low, high) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
            waiting[lane, : high - low] = lengths[low:high]
            taken[lane, : high - low] = takes[low:high]
        self._bounds, self._columns, self._sizes = bounds, columns, sizes
        self._waiting, self._takes = waiting.reshape(-1), taken.reshape(-1)
        view = np.lib.stride_tricks.sliding_window_view
        self._windows = view(self._waiting, lookahead)
        self._runs, self._runs_take = view(self._waiting, self._run), view(self._takes, self._run)
        self._output = np.empty(int(sizes.sum()), np.int32 if len(self._waiting) < 2**31 else np.int64)
        self._start_state(len(sizes))

    def _start_state(self, num_lanes: int) -> None:
        self._base = np.arange(num_lanes) * self._columns
        # The oldest waiting sequence, and the oldest that the width of the batch holds.
        self._oldest, self._first = self._base.copy(), self._base.copy()
        self._count = np.zeros(num_lanes, np.int64)
        self._shape = np.zeros(num_lanes, np.int64)
        self._rows_left = np.zeros(num_lanes, np.int64)
        self._room = np.zeros(num_lanes, self._waiting.dtype)
        self._slots_left = np.zeros(num_lanes, np.int64)

    def fill(self, reserve: int = 0) -> Filled:
        """Fill batches until a lane has no more than `reserve` sequences left."""
        lanes = np.arange(len(self._sizes))
        row_counts: list[Integers] = []
        shape_ids: list[Integers] = []
        while True:
            is_new = self._rows_left[lanes] == 0
            is_done = is_new & (self._sizes[lanes] - self._count[lanes] <= reserve)
            if is_done.any():
                lanes, is_new = lanes[~is_done], is_new[~is_done]
            if not len(lanes):
                break
            begun = np.full(len(self._sizes), -1, np.int32)
            if is_new.any():
                self._begin_batches(lanes[is_new])
                begun[lanes[is_new]] = self._shape[lanes[is_new]]
            shape_ids.append(begun)
            filled = np.full(len(self._sizes), -1, np.int32)
            filled[lanes] = self._fill_row(lanes)
            row_counts.append(filled)
        return Filled(self._positions(), _lane_by_lane(row_counts), _lane_by_lane(shape_ids))

    def left(self) -> Integers:
        """Return the indices into the order that are not in a row yet, ascending."""
        waiting = self._waiting.reshape(-1, self._columns) < self._placed
        lane, place = np.nonzero(waiting)
        return place + self._bounds[lane]

    def _begin_batches(self, lanes: Integers) -> None:
        searching = lanes
        while len(searching):
            is_waiting = self._runs[self._oldest[searching]] < self._placed
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
        count: Integers = self._count[lanes] - before
        return count

    def _take_oldest(self, lanes: Integers) -> Integers:
        """Take the oldest sequences, one after the other, until one does not fit; return the lanes that may go on."""
        first, room = self._first[lanes], self._room[lanes]
        length = self._runs[first]
        is_candidate = length <= self._widths[self._shape[lanes], None]
        takes = np.where(is_candidate, self._runs_take[first], 0)
        after = takes.cumsum(axis=1, dtype=takes.dtype)
        is_over = is_candidate & (after - takes + length > room[:, None])
        slots = self._slots_left[lanes]
        if self._run > slots.min():
            is_over |= is_candidate & (is_candidate.cumsum(axis=1) > slots[:, None])
        reach = np.minimum(self._reach(lanes), self._run)
        stop = np.where(is_over.any(axis=1), is_over.argmax(axis=1), self._run)
        is_taken = is_candidate & (np.arange(self._run) < np.minimum(stop, reach)[:, None])
        counts = is_taken.sum(axis=1)
        which, column = np.nonzero(is_taken)
        if len(which):
            self._place(lanes, counts, first[which] + column)
            self._room[lanes] = room - np.where(is_taken, takes, 0).sum(axis=1, dtype=takes.dtype)
        end = self._base[lanes] + self._sizes[lanes]
        self._first[lanes] = first = np.minimum(first + np.minimum(stop, reach), end)
        # What was taken lets a look-ahead that longer sequences had cut short reach farther.
        may_go_on = (stop >= reach) & ((reach == self._run) | (counts > 0)) & (first < end)
        going_on: Integers = lanes[may_go_on & (self._slots_left[lanes] > 0)]
        return going_on

    def _take_longest(self, lanes: Integers) -> None:
        """Take the longest of the window that fits, the oldest among equals, until none does."""
        lanes = lanes[(self._room[lanes] > 0) & (self._slots_left[lanes] > 0)]
        window = self._windows[self._first[lanes]]
        self._hide_far(lanes, window)
        while len(lanes):
            room = self._room[lanes]
            # As unsigned numbers, what is longer than the room leaves more than anything that fits.
            rest = (room[:, None] - window).view(f"u{window.itemsize}")
            best = rest.argmin(axis=1)
            every = np.arange(len(lanes))
            fits = rest[every, best] < room.astype(rest.dtype)
            if not fits.all():
                lanes, window, best = lanes[fits], window[fits], best[fits]
                every = every[: len(lanes)]
            if not len(lanes):
                return
            window[every, best] = self._placed
            position = self._first[lanes] + best
            self._room[lanes] -= self._takes[position]
            self._place(lanes, np.ones(len(lanes), np.int64), position)
            is_open = (self._room[lanes] > 0) & (self._slots_left[lanes] > 0)
            if not is_open.all():
                lanes, window = lanes[is_open], window[is_open]

    def _hide_far(self, lanes: Integers, window: Integers) -> None:
        """Stay within the look-ahead if longer sequences, which wait for another shape, were skipped."""
        reach = self._reach(lanes)
        late = np.flatnonzero(reach < self._lookahead)
        if len(late):
            is_far = np.arange(self._lookahead) >= reach[late, None]
            window[late] = np.where(is_far, self._placed, window[late])

    def _reach(self, lanes: Integers) -> Integers:
        """Return how far to look ahead from the first index of the row's window."""
        reach: Integers = self._base[lanes] + self._count[lanes] + self._lookahead - self._first[lanes]
        return np.maximum(reach, 0)

    def _place(self, lanes: Integers, counts: Integers, position: Integers) -> None:
        """Record `counts[i]` positions of lane `lanes[i]`, which follow each other in `position`."""
        offset = self._bounds[lanes] + self._count[lanes] - (counts.cumsum() - counts)
        self._output[np.repeat(offset, counts) + np.arange(len(position))] = position
        self._waiting[position] = self._placed
        self._count[lanes] += counts
        self._slots_left[lanes] -= counts

    def _positions(self) -> Integers:
        """Return indices into the order, lane after lane."""
        parts = [
            self._output[low : low + count] + (low - base)
            for low, count, base in zip(
                self._bounds[:-1].tolist(), self._count.tolist(), self._base.tolist(), strict=True
            )
        ]
        return np.concatenate(parts)


def _lane_by_lane(steps: list[Integers]) -> Integers:
    """Return the entries (steps, lanes) that are not negative, lane by lane."""
    if not steps:
        return np.zeros(0, np.int32)
    table = np.stack(steps, axis=1)
    return table[table >= 0]
