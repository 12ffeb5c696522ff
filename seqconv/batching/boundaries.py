"""Upper bounds of buckets: those that need the least padding, and the bucket of each length."""

from collections import deque

import numpy as np
from numpy.typing import ArrayLike

from seqconv.batching.layouts import IntArray
from seqconv.batching.lengths import check_lengths, check_positive, count_lengths, geometric_widths, round_up
from seqconv.errors import ConfigError, ManifestError


def optimal_boundaries(lengths: ArrayLike, num_buckets: int) -> IntArray:
    """Find the inclusive upper bounds of the buckets that need the least padding; the last is the longest length.

    Dynamic programming over distinct lengths with the convex hull trick, O(num_buckets * distinct lengths). Fewer
    buckets come back where there are fewer distinct lengths.

    >>> optimal_boundaries([1, 2, 2, 9, 10, 30], num_buckets=3)
    array([ 2, 10, 30])
    """
    check_positive(num_buckets=num_buckets)
    return least_padding(*count_lengths(check_lengths(lengths)), num_buckets)


def least_padding(distinct: IntArray, counts: IntArray, num_buckets: int) -> IntArray:
    """Find the boundaries of `optimal_boundaries` for `counts[i]` sequences of `distinct[i]` frames, ascending."""
    widths: list[int] = distinct.tolist()
    # below[i]: sequences in the i shortest distinct lengths. A bucket (i, j] costs widths[j-1] * (below[j] - below[i]).
    below: list[int] = [0, *np.cumsum(counts).tolist()]
    costs = [0] + [width * total for width, total in zip(widths, below[1:], strict=True)]
    choices: list[list[int]] = []
    for used in range(1, min(num_buckets, len(widths))):
        costs, choice = _add_bucket(widths, below, costs, used)
        choices.append(choice)
    bounds, end = [], len(widths)
    for choice in reversed(choices):
        bounds.append(widths[end - 1])
        end = choice[end]
    bounds.append(widths[end - 1])
    return np.array(bounds[::-1], np.int64)


def _add_bucket(widths: list[int], below: list[int], costs: list[int], used: int) -> tuple[list[int], list[int]]:
    """Return the least cost of the j shortest lengths in one bucket more, and the index at which that bucket begins.

    `costs[i] - widths[j-1] * below[i]` is a line in widths[j-1] for each i; slopes fall and widths rise, so the lowest
    line is found at the front of a queue.
    """
    better, choice = costs[:], [0] * len(costs)
    hull: deque[int] = deque()
    for j in range(used + 1, len(costs)):
        new = j - 1
        while len(hull) >= 2 and _is_above(hull[-2], hull[-1], new, costs, below):
            hull.pop()
        hull.append(new)
        width = widths[j - 1]
        while len(hull) >= 2 and costs[hull[1]] - width * below[hull[1]] <= costs[hull[0]] - width * below[hull[0]]:
            hull.popleft()
        choice[j] = hull[0]
        better[j] = costs[hull[0]] + width * (below[j] - below[hull[0]])
    return better, choice


def _is_above(first: int, middle: int, last: int, costs: list[int], below: list[int]) -> bool:
    """Whether the middle of three lines is the lowest nowhere."""
    left = (costs[last] - costs[first]) * (below[middle] - below[first])
    return left <= (costs[middle] - costs[first]) * (below[last] - below[first])


def own_widths(distinct: IntArray, counts: IntArray, multiple: int, most: int | None = None) -> IntArray:
    """Return widths of rows for sequences that no other row fits: one for each class of length, or the `most` best.

    >>> own_widths(np.array([900, 910, 2000]), np.array([1, 1, 1]), multiple=1)
    array([1024, 2000])
    """
    if not len(distinct):
        return distinct
    widths = geometric_widths(int(distinct[0]), int(distinct[-1]), multiple)
    widths = widths[np.unique(np.searchsorted(widths, distinct))]
    if most is None or len(widths) <= most:
        return widths
    return np.unique(round_up(least_padding(distinct, counts, most), multiple))


def assign_buckets(lengths: ArrayLike, boundaries: ArrayLike) -> IntArray:
    """Return the bucket of each length: `boundaries[i-1] < length <= boundaries[i]`.

    Raises ConfigError for boundaries that do not ascend, ManifestError for a length above the last.

    >>> assign_buckets([1, 10, 11], boundaries=[10, 20])
    array([0, 0, 1])
    """
    checked, bounds = check_lengths(lengths), check_boundaries(boundaries)
    over = np.flatnonzero(checked > bounds[-1])
    if len(over):
        raise ManifestError(
            f"lengths[{over[0]}] is {checked[over[0]]}, above the last boundary {bounds[-1]} ({len(over)} such). "
            f"Raise the last boundary to at least {checked.max()}."
        )
    return np.searchsorted(bounds, checked).astype(np.int64)


def check_boundaries(boundaries: ArrayLike) -> IntArray:
    """Return boundaries as int64; raise ConfigError unless they are whole numbers that ascend from 1 or more."""
    bounds = np.asarray(boundaries)
    are_numbers = bounds.ndim == 1 and len(bounds) > 0 and bounds.dtype.kind in "iu"
    if not are_numbers or bounds[0] < 1 or np.any(np.diff(bounds) < 1):
        raise ConfigError(
            f"boundaries={bounds.tolist()}: expected ascending whole numbers of frames, as [100, 200, 400]"
        )
    return bounds.astype(np.int64)
