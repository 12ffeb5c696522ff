"""Packed: several sequences in a row, with gaps, in a few shapes of a constant total."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seqconv.batching.epochs import footprints
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
from seqconv.batching.plans import Plan
from seqconv.batching.rows import Packed
from seqconv.errors import ConfigError
from seqconv.frames import TimeGeometry, total_stride

_MOST_ROWS = 4
_FEW_STEPS = 40


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
    longest of the next `lookahead` that does. A set smaller than one batch gets a smaller batch, and with `batch_size`
    the total is such that the last of a few steps is not nearly empty.

    Args:
        lengths: frames of each sequence, (n,).
        batch_size: average sequences in a batch, default 32; or
        frames_per_batch: frames in a batch, gaps and padding included.
        seed: of the shuffling.
        shuffle: False keeps the order as far as tight packing allows, for evaluation.
        too_long: `error`, `drop`, `crop` or `own_batch`, for sequences that no shape of the constant total holds.
            `own_batch` adds one shape of one row for each class of longer length; short ones fill it up.
        time_geometry: the model's; gaps and total stride follow from it.
        max_frames: frames from which `error`, `drop` and `crop` apply; default: what the whole batch holds.
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
    if max_frames is not None and too_long == "own_batch":
        raise ConfigError(
            f"max_frames={max_frames} with too_long='own_batch': a packed plan gives a batch of its own only to what "
            "no other holds. Leave max_frames out, or set too_long to 'error', 'drop' or 'crop'."
        )
    footprint = footprints(checked, time_geometry)
    sequences, total = size_of_batch(footprint, batch_size, frames_per_batch)
    plans = []
    for size in _candidate_sizes(footprint, total, frames_per_batch, total_stride(time_geometry)):
        shapes = _shared_shapes(checked, size, total_stride(time_geometry), max_shapes)
        long = apply_limit(checked, min(shapes[-1].width, max_frames or shapes[-1].width), too_long)
        packed = Packed(
            _needed_shapes(shapes, long, total_stride(time_geometry), int(2 * sequences)), time_geometry, lookahead
        )
        packed = _with_slots(packed, long, seed, shuffle)
        plans.append(Plan(packed, long, time_geometry=time_geometry, seed=seed, shuffle=shuffle))
    return plans[0] if len(plans) == 1 else min(plans, key=_relative_size)


class _Size(NamedTuple):
    """Frames of a batch, the most rows that it may have, and whether the total is to the frame."""

    total: float
    rows: int
    is_exact: bool


def _candidate_sizes(footprint: IntArray, total: float, frames_per_batch: int | None, multiple: int) -> list[_Size]:
    """Sizes of a batch to choose from."""
    if total < multiple:
        raise ConfigError(
            f"batching.frames_per_batch={frames_per_batch} is below the model's total stride of {multiple} frames. "
            f"Raise it to at least {multiple}."
        )
    everything = int(footprint.sum())
    if everything <= total:
        return [_Size(everything, 1, is_exact=True)]
    if frames_per_batch is not None:
        return [_Size(total, _MOST_ROWS, is_exact=True)]
    steps = float(np.ceil(everything / total))
    # As many steps, none of them nearly empty; how much room tight packing needs is found by trying.
    rooms = (1.01, 1.03, 1.06, 1.1) if steps <= _FEW_STEPS else ()
    totals = [*(room * everything / steps for room in rooms), total]
    return [_Size(total, _MOST_ROWS, is_exact=False) for total in totals]


def _relative_size(plan: Plan) -> float:
    """Frames of an average epoch for each real one."""
    steps = float(np.mean([plan.num_steps(epoch) for epoch in range(4)]))
    return steps / len(plan) * plan.total_frames / plan.num_frames


def _shared_shapes(lengths: IntArray, size: _Size, multiple: int, max_shapes: int) -> list[Shape]:
    """Shapes of the constant total, ascending in width, with room for any number of sequences."""
    typical = np.quantile(lengths, 0.99, method="higher") if max_shapes > 1 else lengths.max()
    rows = size.rows
    while rows > 1 and size.total // rows < max(typical, multiple):
        rows //= 2
    if size.is_exact:
        width = max(1, int(size.total // (rows * multiple))) * multiple
    else:
        # Vector units like wide rows to be multiples of 16.
        unit = multiple * -(-16 // multiple) if size.total / rows >= 512 else multiple
        width = int(np.ceil(size.total / (rows * unit))) * unit
    shapes = [Shape(rows >> i, width << i, len(lengths)) for i in range(rows.bit_length())]
    return [shapes[0], *shapes[len(shapes) - max_shapes + 1 :]] if len(shapes) > max_shapes else shapes


def _needed_shapes(shapes: list[Shape], long: LongSequences, multiple: int, most: int) -> tuple[Shape, ...]:
    """The narrowest shape, those that a longer sequence needs, and one for each class of too long ones.

    A very wide row could take up thousands of short sequences in a single step; `most` is where it stops.
    """
    taken = long.lengths[long.kept]
    place = np.searchsorted([shape.width for shape in shapes], taken)
    needed = [shape for i, shape in enumerate(shapes) if i == 0 or np.any(place == i)]
    longer = taken[place == len(shapes)]
    if len(longer):
        widths = geometric_widths(int(longer.min()), int(longer.max()), multiple)
        needed += [Shape(1, int(widths[i]), most) for i in np.unique(np.searchsorted(widths, longer))]
    return tuple(needed)


def _with_slots(strategy: Packed, long: LongSequences, seed: int, shuffle: bool) -> Packed:
    """Fix the slots of each shape: the most that a row of epoch 0 needs, and a little more, in multiples of 4."""
    trial = Plan(strategy, long, time_geometry=strategy.time_geometry, seed=seed, shuffle=shuffle)
    mean = float(footprints(long.lengths[long.kept], strategy.time_geometry).mean())
    most = {shape: min(int(shape.width // mean), shape.num_slots) for shape in strategy.shapes}
    for layout in trial.epoch(0):
        most[layout.shape] = max(most[layout.shape], 1 + int(layout.slot.max()))
    shapes = tuple(shape._replace(num_slots=-(-(count + 1) // 4) * 4) for shape, count in most.items())
    return replace(strategy, shapes=shapes)
