"""The shapes of a packed plan: their total is constant, they are few, and rows are filled as well as possible."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seqconv.batching.boundaries import own_widths
from seqconv.batching.epochs import footprints
from seqconv.batching.layouts import IntArray, Integers, Shape
from seqconv.batching.plans import draw_order
from seqconv.batching.shape_search import Sample, Trial
from seqconv.geometry import TimeGeometry, total_stride

_SAMPLE = 16_000
_LANE = 2_000
_EPOCHS, _WHOLE = 4, 12_000
_DRAW = 4
_FEW_STEPS, _SOME_STEPS, _SOME_SEQUENCES = 40, 160, 100_000
_MOST_ROWS = 4
# Frames left at the ends of rows, over all frames, below which no better width is looked for.
_GOOD, _GOOD_OF_FEW, _PERFECT = 0.006, 0.05, 0.002
# How far a width may be below `frames_per_batch`, and from what `batch_size` gives.
_LOWEST, _AROUND = 0.9, 0.03
# What must be saved by fewer rows, which fewer devices can share, and by wide rows that are no multiple of 16.
_FEWER_ROWS, _UNEVEN = 0.01, 0.005
_WIDE = 512
_ENDS = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_ROOMS = (1.01, 1.03, 1.06, 1.1)


@dataclass(frozen=True)
class Demand:
    """The requirements for the shapes of a plan.

    `counts[i]` sequences of `distinct[i]` frames are planned, ascending. `asked`: frames of a batch, at most where
    `is_most`. `in_own_row`: most sequences in a row wider than that. `must_hold`: the longest length that may have no
    such row, None where a row more does no harm.
    """

    distinct: IntArray
    counts: IntArray
    geometry: TimeGeometry
    asked: float
    is_most: bool
    max_shapes: int
    in_own_row: int
    must_hold: int | None = None

    @cached_property
    def taken(self) -> int:
        """Frames that all sequences take, gaps included."""
        return int(footprints(self.distinct, self.geometry) @ self.counts)

    @property
    def total(self) -> float:
        """Frames of a batch: at most all that there are."""
        return min(self.asked, float(self.taken))

    @property
    def num_steps(self) -> int:
        """Batches of an epoch, if they could all be full."""
        return int(np.ceil(self.taken / self.total))

    @property
    def is_small(self) -> bool:
        """Whether the epoch is so short that a nearly empty batch at its end counts."""
        return bool(self.num_steps <= _SOME_STEPS and self.counts.sum() <= _SOME_SEQUENCES)

    @cached_property
    def multiple(self) -> int:
        """The number of which every width is a multiple."""
        return total_stride(self.geometry)

    @cached_property
    def typical(self) -> int:
        """A length that should fit into every row."""
        if self.max_shapes == 1:
            return int(self.distinct[-1])
        upto = np.cumsum(self.counts)
        return int(self.distinct[np.searchsorted(upto, np.ceil(0.99 * (upto[-1] - 1)), side="right")])

    def shape_of(self, rows: int, total: float) -> Shape:
        """Return the shape of this total, with slots for as many sequences as fit."""
        if self.is_most or self.num_steps == 1:
            width = max(1, int(total / rows // self.multiple)) * self.multiple
        else:
            unit = self.unit_of(total / rows)
            width = int(np.ceil(total / (rows * unit))) * unit
        return Shape(rows, width, int(self.counts.sum()))

    def unit_of(self, width: float) -> int:
        """Return the number of which a width should be a multiple: vector units prefer multiples of 16 in long rows."""
        return self.multiple * -(-16 // self.multiple) if width >= _WIDE else self.multiple


def first_shape(demand: Demand) -> Shape:
    """Return the narrowest shape: a few rows, if nearly every sequence then fits."""
    rows = 1 if demand.num_steps == 1 else _MOST_ROWS
    while rows > 1 and demand.total // rows < max(demand.typical, demand.multiple):
        rows //= 2
    return demand.shape_of(rows, demand.total)


def widest_shared(first: Shape, demand: Demand) -> int:
    """Return the longest sequence that fits into a shape of the constant total."""
    return first.width if demand.max_shapes == 1 else first.rows * first.width


def choose_shapes(demand: Demand, sample: Sample) -> tuple[Shape, ...]:
    """Choose shapes, ascending in width, that leave few frames of the sample's rows unused."""
    good = _GOOD if sample.reserve else _GOOD_OF_FEW
    rows = first_shape(demand).rows
    best = base = sample.try_shapes(needed_shapes(first_shape(demand), demand))
    lowest = best.cost * (1 + _handicap(best.shapes[0], rows, demand))
    for number in (rows >> i for i in range(rows.bit_length())):
        if number < rows:
            base = sample.try_shapes(needed_shapes(demand.shape_of(number, demand.total), demand))
        others = [base.shapes[0]._replace(width=width) for width in _other_widths(base, demand, sample, good)]
        for trial in (base, *(sample.try_shapes(needed_shapes(other, demand)) for other in others)):
            cost = trial.cost * (1 + _handicap(trial.shapes[0], rows, demand))
            if cost < lowest and _may_be(trial.shapes[0], demand):
                best, lowest = trial, cost
            if best.unused <= _PERFECT and sample.reserve:
                break
        if best.unused <= good:
            break
    return _with_slots(best, demand)


def take_sample(lengths: IntArray, demand: Demand, seed: int, shuffle: bool, lookahead: int) -> Sample:
    """Return the first epochs of a small set, as they will be; a few thousand sequences of a large one."""
    lookahead = min(lookahead, len(lengths))
    reserve = lookahead + demand.in_own_row
    num_taken = min(len(lengths), max(_SAMPLE, 10 * reserve))
    if demand.is_small or 2 * reserve > num_taken:
        everyone = np.arange(len(lengths))
        epochs = range(max(1, min(_EPOCHS, _WHOLE // len(lengths))) if shuffle else 1)
        orders = [draw_order(everyone, seed=seed, epoch=epoch, shuffle=shuffle) for epoch in epochs]
        order, num_lanes, size, reserve = np.concatenate(orders), len(orders), len(lengths), 0
    else:
        num_lanes = max(1, num_taken // max(_LANE, 4 * reserve))
        size = num_taken // num_lanes
        order = _draw_places(len(lengths), num_lanes, size, seed if shuffle else None)
    taken = lengths[order]
    return Sample(taken, footprints(taken, demand.geometry), np.arange(num_lanes + 1) * size, reserve, lookahead)


def _draw_places(num_sequences: int, num_lanes: int, size: int, seed: int | None) -> Integers:
    if seed is not None:
        generator = np.random.default_rng([seed, 0, _DRAW])
        return generator.choice(num_sequences, num_lanes * size, replace=num_sequences > 2 * num_lanes * size)
    # Neighbors stay neighbors.
    first = np.linspace(0, num_sequences - size, num_lanes).astype(np.int64)
    return (first[:, None] + np.arange(size)).reshape(-1)


def _handicap(first: Shape, rows: int, demand: Demand) -> float:
    return _FEWER_ROWS * (rows // first.rows - 1) + _UNEVEN * (first.width % demand.unit_of(first.width) > 0)


def _may_be(first: Shape, demand: Demand) -> bool:
    return demand.must_hold is None or widest_shared(first, demand) >= demand.must_hold


def _other_widths(base: Trial, demand: Demand, sample: Sample, good: float) -> list[int]:
    """Return widths to try instead of that of the first shape."""
    rows, width, _ = base.shapes[0]
    widths: list[int] = []
    low, high = (1 - _AROUND) * width, (1 + _AROUND) * width
    if demand.is_most:
        low, high = _LOWEST * demand.total / rows, width
    if base.unused > good:
        probe = base
        if not demand.is_most:
            probe = sample.try_shapes(needed_shapes(demand.shape_of(rows, demand.total * (1 + _AROUND)), demand))
        # Where rows end if they have the room.
        ends = np.unique(np.quantile(probe.ends, _ENDS, method="nearest")).tolist() if len(probe.ends) else []
        for unit in (demand.multiple, demand.unit_of(width)):
            widths += [w for end in ends if low <= (w := -(-int(end) // unit) * unit) <= high]
    if demand.is_small and demand.num_steps > 1:
        widths += [w for w in _even_widths(base, demand, low, high) if not demand.is_most or low <= w <= high]
    return sorted(set(widths) - {width})


def _even_widths(base: Trial, demand: Demand, low: float, high: float) -> list[int]:
    """Return widths with which the last batch of an epoch is nearly full as well."""
    rows, width, _ = base.shapes[0]
    if demand.num_steps <= _FEW_STEPS:
        # How much room tight packing needs beyond equal shares is found by trying.
        most = demand.num_steps + demand.is_most
        return [
            demand.shape_of(rows, room * demand.taken / steps).width
            for steps in range(demand.num_steps, most + 1)
            for room in _ROOMS
        ]
    unit = demand.unit_of(width)
    widths = np.arange(-(-low // unit) * unit, high + 1, unit)
    frames = np.ceil(base.filled / (rows * widths * (1 - base.unused))) * widths
    return [int(width) for width in widths[np.argsort(frames)[: len(_ROOMS)]]]


def needed_shapes(first: Shape, demand: Demand) -> tuple[Shape, ...]:
    """Return the narrowest shape, those of the same total that longer sequences need, and longer rows for the longest.

    There are no more than `max_shapes`, or two where a row must be wider than the total.
    """
    rows, width, slots = first
    ladder = [Shape(rows >> i, width << i, slots) for i in range(rows.bit_length() if demand.max_shapes > 1 else 1)]
    place = np.searchsorted([shape.width for shape in ladder], demand.distinct)
    shared = [shape for i, shape in enumerate(ladder) if i == 0 or np.any(place == i)]
    is_longer = place == len(ladder)
    longer, counts = demand.distinct[is_longer], demand.counts[is_longer]
    if not len(longer):
        return tuple(_fewer(shared, demand.max_shapes))
    widths = own_widths(longer, counts, demand.multiple)
    if len(shared) + len(widths) > demand.max_shapes:
        shared = _fewer(shared, max(1, demand.max_shapes - min(len(widths), demand.max_shapes // 2)))
        widths = own_widths(longer, counts, demand.multiple, max(1, demand.max_shapes - len(shared)))
    return (*shared, *(Shape(1, int(wide), demand.in_own_row) for wide in widths))


def _fewer(shapes: list[Shape], number: int) -> list[Shape]:
    """Return the narrowest and the widest shapes; the widest alone if only one is allowed."""
    if len(shapes) <= number:
        return shapes
    return [shapes[0], *shapes[1 - number :]] if number > 1 else shapes[-1:]


def _with_slots(trial: Trial, demand: Demand) -> tuple[Shape, ...]:
    """Set the slots of each shape: the most that a row needed, and a little more, in multiples of 4."""
    mean = demand.taken / int(demand.counts.sum())
    # A shape that the sample does not hold has rows as full as the others.
    crowd = max(count * mean / shape.width for count, shape in zip(trial.slots, trial.shapes, strict=True))
    shapes = []
    for count, shape in zip(trial.slots, trial.shapes, strict=True):
        most = max(count, int(shape.width // mean)) if count else int(np.ceil(crowd * shape.width / mean))
        shapes.append(shape._replace(num_slots=-(-(min(most, shape.num_slots) + 1) // 4) * 4))
    return tuple(shapes)
