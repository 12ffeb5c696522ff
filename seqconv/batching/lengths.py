"""Lengths in frames: checks, sequences that are too long, and the widths that fit them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from seqconv.batching.layouts import IntArray, Integers
from seqconv.errors import ConfigError, ManifestError, ShapeError, list_some
from seqconv.geometry import TimeLayer, min_frames

TooLong = Literal["error", "drop", "crop", "own_batch"]


@dataclass(frozen=True)
class LongSequences:
    """Lengths after `too_long` was applied.

    `lengths`: frames that a batch takes of each sequence (cropped ones are shorter than `original`). `kept`: indices
    of the sequences that are planned. `long`: indices of those over `limit`.
    """

    original: IntArray
    lengths: IntArray
    kept: Integers
    long: Integers
    limit: int | None
    too_long: TooLong

    @property
    def planned(self) -> IntArray:
        """Lengths of the sequences that are planned."""
        return self.lengths if len(self.kept) == len(self.lengths) else self.lengths[self.kept]

    def count(self, fate: TooLong) -> int:
        """Count the sequences that were too long, if `fate` is what was done with them."""
        return len(self.long) if self.too_long == fate else 0


def check_lengths(lengths: ArrayLike, geometry: Sequence[TimeLayer] = ()) -> IntArray:
    """Return `lengths` as int64 (n,).

    Raises ShapeError for a wrong rank; ManifestError, naming the first few indices, where there is none, or one is not
    a whole number, is below 1, or is shorter than the model's smallest input.

    >>> check_lengths([3, 0])
    Traceback (most recent call last):
    seqconv.errors.ManifestError: lengths[1] is 0; a sequence has at least 1 frame. Remove it from the data.
    """
    values: Any = np.asarray(lengths)
    if values.ndim != 1:
        raise ShapeError(f"lengths have shape {values.shape}; expected (n,), one number of frames for each sequence")
    if not len(values):
        raise ManifestError("there is no sequence to plan for: lengths is empty. Is the split right?")
    if values.dtype.kind not in "iuf":
        raise ManifestError(f"lengths[0] is {values[0]!r} ({values.dtype}); expected whole numbers of frames")
    _refuse(values, ~np.isfinite(values) | (values != np.round(values)), "expected whole numbers of frames")
    values = values.astype(np.int64)
    _refuse(values, values < 1, "a sequence has at least 1 frame. Remove it from the data.")
    smallest = min_frames(geometry)
    remedy = f"the model needs at least {smallest} frames. Remove it, or use smaller kernels or padding 'same'."
    _refuse(values, values < smallest, remedy)
    return np.asarray(values)


def _refuse(values: Any, is_wrong: Any, reason: str) -> None:
    wrong = np.flatnonzero(is_wrong)
    if len(wrong):
        others = f" ({len(wrong)} such: {list_some(wrong.tolist())})" if len(wrong) > 1 else ""
        raise ManifestError(f"lengths[{wrong[0]}] is {values[wrong[0]]}{others}; {reason}")


def count_lengths(lengths: IntArray) -> tuple[IntArray, IntArray]:
    """Return the distinct lengths, ascending, and how many sequences have each.

    >>> count_lengths(np.array([7, 3, 7]))
    (array([3, 7]), array([1, 2]))
    """
    if int(lengths.max(initial=0)) > 4 * len(lengths) + 1000:
        distinct, counts = np.unique(lengths, return_counts=True)
        return distinct, counts.astype(np.int64)
    counts = np.bincount(lengths).astype(np.int64)
    distinct = np.flatnonzero(counts).astype(np.int64)
    return distinct, counts[distinct]


def round_counts(distinct: IntArray, counts: IntArray, multiple: int) -> tuple[IntArray, IntArray]:
    """Return the distinct lengths, rounded up to a multiple, and how many sequences have each.

    >>> round_counts(np.array([3, 4, 7]), np.array([1, 2, 5]), multiple=4)
    (array([4, 8]), array([3, 5]))
    """
    rounded, first = np.unique(round_up(distinct, multiple), return_index=True)
    return rounded, np.add.reduceat(counts, first)


def apply_limit(lengths: IntArray, limit: int | None, too_long: TooLong) -> LongSequences:
    """Apply `too_long` to the sequences of more than `limit` frames.

    Raises ConfigError for an unknown `too_long`, ManifestError for 'error' with a long sequence, or where 'drop' leaves
    nothing.
    """
    if too_long not in get_args(TooLong):
        raise ConfigError(f"too_long={too_long!r}: expected one of {list_some(get_args(TooLong))}")
    everyone: Integers = np.arange(len(lengths), dtype=np.int32 if len(lengths) < 2**31 else np.int64)
    long = everyone[lengths > limit] if limit is not None else everyone[:0]
    if len(long) and too_long == "error":
        longest = int(lengths.max())
        raise ManifestError(
            f"sequence {long[0]} has {lengths[long[0]]} frames, but a batch holds {limit} ({len(long)} such: "
            f"{list_some(long.tolist())}). Raise batching.frames_per_batch to at least {longest}, or set "
            "batching.too_long to 'drop', 'crop' or 'own_batch'."
        )
    kept = everyone[lengths <= limit] if too_long == "drop" and limit is not None else everyone
    if not len(kept):
        raise ManifestError(
            f"every sequence is longer than {limit} frames, and batching.too_long='drop' drops them all"
        )
    cropped = np.minimum(lengths, limit) if too_long == "crop" and limit is not None else lengths
    return LongSequences(lengths, cropped, kept, long, limit, too_long)


def geometric_widths(shortest: int, longest: int, multiple: int, ratio: float = 1.25) -> IntArray:
    """Return widths, ascending, that fit all lengths from `shortest` to `longest` with at most `ratio` times the
    frames.

    The last is `longest`; all are rounded up to a multiple of `multiple`.

    >>> geometric_widths(90, 200, multiple=2)
    array([104, 128, 160, 200])
    """
    widths = [longest / 1]
    while widths[-1] / ratio >= shortest:
        widths.append(widths[-1] / ratio)
    return np.unique(round_up(np.ceil(np.array(widths) - 1e-9).astype(np.int64), multiple))


def round_up(frames: IntArray, multiple: int) -> IntArray:
    """Round up to a multiple."""
    return -(-frames // multiple) * multiple


def size_of_batch(
    taken: IntArray,
    batch_size: int | None,
    frames_per_batch: int | None,
    *,
    counts: IntArray | None = None,
    default: int = 32,
) -> tuple[float, float]:
    """Return the average sequences and frames of a batch, each derived from the other.

    `taken`: frames that each sequence takes of a batch; one that is longer than a whole batch counts as a batch, so
    that a few very long ones do not make all batches large. `counts`: how many sequences each entry stands for,
    default 1. Raises ConfigError where both sizes are given, or one is below 1.

    >>> size_of_batch(np.array([200, 300]), None, 8000)
    (32.0, 8000.0)
    >>> size_of_batch(np.array([20] * 99 + [100_000]), 10, None)
    (10.0, 229.978)
    """
    if batch_size is not None and frames_per_batch is not None:
        raise ConfigError(
            f"batching.batch_size={batch_size} and batching.frames_per_batch={frames_per_batch} are two ways to say "
            "the same. Give one of them."
        )
    check_positive(batch_size=batch_size, frames_per_batch=frames_per_batch)
    if frames_per_batch is not None:
        mean = float(np.average(np.minimum(taken, frames_per_batch), weights=counts))
        return max(1.0, frames_per_batch / mean), float(frames_per_batch)
    sequences = float(batch_size or default)
    total = sequences * float(np.average(taken, weights=counts))
    # Converges from above, fast where few are long; where many are, smaller batches would only make more of them so.
    for _ in range(3):
        total = sequences * float(np.average(np.minimum(taken, total), weights=counts))
    return sequences, total


def check_positive(**options: int | None) -> None:
    """Raise ConfigError unless each option is None or a whole number of at least 1."""
    for name, value in options.items():
        is_number = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if value is not None and (not is_number or value < 1):
            raise ConfigError(f"batching.{name}={value!r}: expected a whole number, 1 or more")
