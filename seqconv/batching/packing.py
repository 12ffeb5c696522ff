"""Packed: several sequences in a row, with gaps, in a few shapes of a constant total."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from seqconv.batching.layouts import IntArray, Shape
from seqconv.batching.lengths import (
    LongSequences,
    TooLong,
    apply_limit,
    check_lengths,
    check_positive,
    geometric_widths,
    size_of_batch,
)
from seqconv.batching.plans import Assembly, Plan, footprints
from seqconv.errors import ConfigError
from seqconv.frames import TimeGeometry, total_stride

_MOST_ROWS = 4


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


def plan_packed(
    lengths: ArrayLike,
    *,
    batch_size: int | None = None,
    frames_per_batch: int | None = None,
    seed: int = 0,
    shuffle: bool = True,
    too_long: TooLong = "own_batch",
    time_geometry: TimeGeometry = (),
    max_frames: int | None = None,
    max_shapes: int = 4,
    lookahead: int = 200,
) -> Plan:
    """Plan rows that hold several sequences each, separated by the gap that the model needs.

    `rows * width` is the same for every batch: few rows, as wide as 99 % of the sequences need, and fewer, wider ones
    for the longest. Sequences enter in shuffled order: the oldest waiting one goes first; where it does not fit, the
    longest of the next `lookahead` that does. A set smaller than one batch gets a smaller batch.

    Args:
        lengths: frames of each sequence, (n,).
        batch_size: average sequences in a batch, default 32; or
        frames_per_batch: frames in a batch, gaps and padding included.
        seed: of the shuffling.
        shuffle: False keeps the order as far as tight packing allows, for evaluation.
        too_long: `error`, `drop`, `crop` or `own_batch`, for sequences that no shape of the constant total holds.
            `own_batch` adds one shape of one row for each class of longer length; short ones fill it up.
        time_geometry: the model's; gaps and total stride follow from it.
        max_frames: frames above which a sequence is too long; default: the whole batch.
        max_shapes: shapes of the constant total.
        lookahead: sequences to choose from.

    Raises:
        ConfigError, ManifestError: for options or lengths that cannot be.

    >>> plan_packed([50, 30, 20, 90, 10] * 20, frames_per_batch=400)
    <packed plan: 100 sequences, 11 steps, 1 shapes, padding_ratio=0.0909>
    """
    checked = check_lengths(lengths, time_geometry)
    for name, value in (("max_frames", max_frames), ("max_shapes", max_shapes), ("lookahead", lookahead)):
        check_positive(name, value)
    shapes = _shared_shapes(checked, time_geometry, batch_size, frames_per_batch, max_shapes)
    limit = min(shapes[-1].width, max_frames or shapes[-1].width)
    long = apply_limit(checked, limit, too_long)
    taken = long.lengths[long.kept]
    needed = [shape for shape, narrower in zip(shapes, (0, *(s.width for s in shapes)), strict=False)
              if narrower == 0 or np.any((taken > narrower) & (taken <= shape.width))]  # fmt: skip
    multiple = total_stride(time_geometry)
    longer = taken[taken > shapes[-1].width]
    if len(longer):
        widths = geometric_widths(int(longer.min()), int(longer.max()), multiple)
        needed += [Shape(1, int(widths[i]), len(taken)) for i in np.unique(np.searchsorted(widths, longer))]
    strategy = _with_slots(Packed(tuple(needed), time_geometry, lookahead), long, seed, shuffle)
    return Plan(strategy, long, time_geometry=time_geometry, seed=seed, shuffle=shuffle)


def _shared_shapes(
    lengths: IntArray,
    geometry: TimeGeometry,
    batch_size: int | None,
    frames_per_batch: int | None,
    max_shapes: int,
) -> list[Shape]:
    """Shapes of the constant total, ascending in width, with room for any number of sequences."""
    multiple = total_stride(geometry)
    footprint = footprints(lengths, geometry)
    everything = int(footprint.sum())
    _, total = size_of_batch(float(footprint.mean()), batch_size, frames_per_batch)
    if total < multiple:
        raise ConfigError(
            f"batching.frames_per_batch={frames_per_batch} is below the model's total stride of {multiple} frames. "
            f"Raise it to at least {multiple}."
        )
    if everything <= total:
        return [Shape(1, everything + -everything % multiple, everything)]
    if frames_per_batch is None:
        # As many steps, but none of them nearly empty; 2 % for what cannot be packed tightly.
        total = min(total, 1.02 * everything / np.ceil(everything / total))
    rows = _MOST_ROWS
    typical = np.quantile(lengths, 0.99, method="higher") if max_shapes > 1 else lengths.max()
    while rows > 1 and total // rows < typical:
        rows //= 2
    unit = multiple * -(-16 // multiple) if total / rows >= 256 and frames_per_batch is None else multiple
    width = max(1, round(total / rows / unit) if frames_per_batch is None else int(total // (rows * unit))) * unit
    shapes = [Shape(rows >> i, width << i, everything) for i in range(rows.bit_length())]
    return [shapes[0], *shapes[len(shapes) - max_shapes + 1 :]] if len(shapes) > max_shapes else shapes


def _with_slots(strategy: Packed, long: LongSequences, seed: int, shuffle: bool) -> Packed:
    """Fix the slots of each shape: the most that a row of epoch 0 needs, and a little more, in multiples of 4."""
    trial = Plan(strategy, long, time_geometry=strategy.time_geometry, seed=seed, shuffle=shuffle)
    mean = float(footprints(long.lengths[long.kept], strategy.time_geometry).mean())
    most = {shape: int(shape.width // mean) for shape in strategy.shapes}
    for layout in trial.epoch(0):
        most[layout.shape] = max(most[layout.shape], 1 + int(layout.slot.max()))
    shapes = tuple(shape._replace(num_slots=-(-(count + 1) // 4) * 4) for shape, count in most.items())
    return replace(strategy, shapes=shapes)
