"""Packed plans: several sequences in a row, with gaps, in a few shapes of a constant total."""

from dataclasses import replace

from numpy.typing import ArrayLike

from seqconv.batching.epoch_sampling import EpochSampler, expect
from seqconv.batching.epochs import footprints
from seqconv.batching.lengths import LongSequences, TooLong, check_positive, count_lengths, size_of_batch
from seqconv.batching.plans import Plan, check_seed
from seqconv.batching.shapes import Demand, choose_shapes, first_shape, take_sample, widest_shared
from seqconv.batching.vectorized_packing import Packed
from seqconv.errors import ConfigError
from seqconv.geometry import TimeGeometry, total_stride


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
    draw: EpochSampler | None = None,
) -> Plan:
    """Plan rows that hold several sequences each, separated by the gap that the model needs.

    `rows * width` is the same for every batch: few rows, as wide as 99 % of the sequences need, and fewer, wider ones
    for the longest. Sequences enter in shuffled order: the oldest waiting ones go first; where the next does not fit,
    the longest of the next `lookahead` that does. How wide rows are is settled by filling some with a sample: they
    should leave little unused at their ends, and in a small set the last batch should be nearly full as well.

    Args:
        lengths: frames of each sequence, (n,).
        batch_size: average sequences in a batch, default 32; or
        frames_per_batch: most frames in a batch, gaps and padding included; up to a tenth fewer where rows then fill
            better.
        seed: of the shuffling.
        shuffle: False keeps the order as far as tight packing allows, for evaluation.
        too_long: `error`, `drop`, `crop` or `own_batch`, for sequences that no shape of the constant total holds.
            `own_batch` adds shapes of one row for classes of longer length; short ones fill it up.
        time_geometry: the model's; gaps and total stride follow from it.
        max_frames: frames from which `error`, `drop` and `crop` apply; default: what the whole batch holds.
        max_shapes: most shapes that there are, those of `own_batch` included (which needs two).
        lookahead: sequences to choose from.
        draw: what each epoch holds, where that is not every sequence once; shapes are the same in all epochs.

    Raises:
        ConfigError, ManifestError: for options or lengths that cannot be.

    >>> plan_packed([50, 30, 20, 90, 10] * 20, frames_per_batch=400)
    <packed plan: 100 sequences, 12 steps, 1 shapes, padding_ratio=0.0842>
    """
    expected = expect(lengths, draw, time_geometry)
    check_positive(max_frames=max_frames, max_shapes=max_shapes, lookahead=lookahead)
    if max_frames is not None and too_long == "own_batch":
        raise ConfigError(
            f"max_frames={max_frames} with too_long='own_batch': a packed plan gives a batch of its own only to what "
            "no other holds. Leave max_frames out, or set too_long to 'error', 'drop' or 'crop'."
        )
    distinct, counts = count_lengths(expected.limit_to(max_frames, too_long).planned)
    takes = footprints(distinct, time_geometry)
    sequences, total = size_of_batch(takes, batch_size, frames_per_batch, counts=counts)
    if total < total_stride(time_geometry):
        raise ConfigError(
            f"batching.frames_per_batch={frames_per_batch} is below the model's total stride of "
            f"{total_stride(time_geometry)} frames. Raise it to at least {total_stride(time_geometry)}."
        )
    demand = Demand(
        distinct=distinct,
        counts=counts,
        geometry=time_geometry,
        asked=total,
        is_most=frames_per_batch is not None,
        max_shapes=max_shapes,
        in_own_row=int(2 * sequences),
    )
    widest = widest_shared(first_shape(demand), demand)
    long = expected.limit_to(min(widest, max_frames or widest), too_long)
    demand = _after_limit(demand, long)
    shapes = choose_shapes(demand, take_sample(long.planned, demand, check_seed(seed), shuffle, lookahead))
    if too_long == "own_batch":
        long = expected.limit_to(widest_shared(shapes[0], demand), too_long)
    strategy = Packed(shapes, time_geometry, lookahead)
    return Plan(strategy, long, expected=expected, time_geometry=time_geometry, seed=seed, shuffle=shuffle)


def _after_limit(demand: Demand, long: LongSequences) -> Demand:
    """Return what is left to plan after sequences were dropped or cropped, without making more of them too long."""
    if long.too_long in ("drop", "crop"):
        distinct, counts = count_lengths(long.planned)
        demand = replace(demand, distinct=distinct, counts=counts)
    held = demand.distinct if long.limit is None else demand.distinct[demand.distinct <= long.limit]
    if len(held) and (demand.is_most or long.too_long != "own_batch"):
        return replace(demand, must_hold=int(held[-1]))
    return demand
