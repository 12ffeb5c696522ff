"""Random convolutions of one sequence and statistics of what they return, compiled, in whole steps of the grid.

Import this file where it is used: loading Numba takes part of a second, and compiling some the first time.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from seqconv.layers.random_convolution import KERNEL_SIZE

REACH = KERNEL_SIZE // 2
# The sums of squared indices of so many frames fit into 32 bits, in which a processor adds several at once. Distances
# are summed in two halves, so that theirs fit as well.
BLOCK = 1024
HALF_BITS = 12
SUMS = 6


class Kernels(NamedTuple):
    """Kernels of several dilations, `(dilations,)`, each with weights of 2 at three `taps` `(kernels, 3)`, else -1.

    A kernel sums over the first `counts` `(dilations, kernels)` of its `features` `(dilations, kernels, most)`.
    """

    dilations: npt.NDArray[np.int64]
    taps: npt.NDArray[np.int64]
    features: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function, and keep the result for other processes where there is a folder that can be written to."""
    try:
        compiled: Callable[..., Any] = numba.njit(function, cache=True, nogil=True)
    except RuntimeError:
        compiled = numba.njit(function, nogil=True)
    return compiled


@_compiled
def summarize(padded, kernels, levels, with_longest):  # type: ignore[no-untyped-def]
    """Return sums `(6, levels, dilations * kernels)` over the values above each level, and the largest value.

    The sums are count, distance to the level, index, squared index, longest stretch and number of stretches.

    Args:
        padded: int32 `(features, frames)`, with as many frames on each side as the kernels reach.
        kernels: `Kernels`.
        levels: int32 `(levels, dilations * kernels)`.
        with_longest: whether the longest stretch is asked for, else 0 is returned.
    """
    channels = kernels.counts.size
    sums = np.zeros((SUMS, levels.shape[0], channels), np.int64)
    largest = np.empty(channels, np.int32)
    margin = REACH * kernels.dilations.max()
    base = np.empty((padded.shape[0], padded.shape[1] - 2 * margin), np.int32)
    added, below = np.empty(padded.shape[1], np.int32), np.empty(base.shape[1], np.int32)
    outputs = np.empty(base.shape[1], np.int32)
    for channel in range(channels):
        dilation, kernel = divmod(channel, kernels.taps.shape[0])
        if kernel == 0:
            _sum_taps(padded, kernels.dilations[dilation], margin, base)
        largest[channel] = _convolve(padded, base, kernels, channel, (added, below), outputs)
        for index in range(levels.shape[0]):
            level, found = levels[index, channel], sums[:, index, channel]
            _add_above(outputs, level, found)
            if with_longest:
                found[4] = _longest_above(outputs, level)
    return sums, largest


# What follows casts each result to 32 bits, as Numba would go on with 64, and takes slices: where an index may be
# negative, a loop is not turned into instructions for several values at once.


@_compiled
def _sum_taps(padded, dilation, margin, base):  # type: ignore[no-untyped-def]
    """Write minus the sum of each feature under the nine taps."""
    for feature in range(base.shape[0]):
        target = base[feature]
        target[:] = 0
        for tap in range(-REACH, REACH + 1):
            row = padded[feature, margin + tap * dilation :]
            for t in range(target.shape[0]):
                target[t] = np.int32(target[t] - row[t])


@_compiled
def _convolve(padded, base, kernels, channel, scratch, outputs):  # type: ignore[no-untyped-def]
    """Write the outputs of one kernel, and return the largest."""
    dilation, kernel = divmod(channel, kernels.taps.shape[0])
    width, taps = kernels.dilations[dilation], kernels.taps[kernel]
    if kernels.counts[dilation, kernel] == 1:
        feature = kernels.features[dilation, kernel, 0]
        return _add_taps(padded[feature], base[feature], taps, width, outputs)
    features = kernels.features[dilation, kernel, : kernels.counts[dilation, kernel]]
    row, below = scratch
    _add_rows(padded, features, row)
    _add_rows(base, features, below)
    return _add_taps(row, below, taps, width, outputs)


@_compiled
def _add_taps(row, below, taps, width, outputs):  # type: ignore[no-untyped-def]
    """Write three times the three taps, and what is below all nine; return the largest."""
    margin = (row.shape[0] - below.shape[0]) // 2
    first = row[margin + (taps[0] - REACH) * width :]
    second = row[margin + (taps[1] - REACH) * width :]
    third = row[margin + (taps[2] - REACH) * width :]
    largest = np.int32(-(2**31))
    for t in range(outputs.shape[0]):
        three = np.int32(np.int32(first[t] + second[t]) + third[t])
        value = np.int32(below[t] + np.int32(np.int32(3) * three))
        outputs[t] = value
        largest = max(largest, value)
    return largest


@_compiled
def _add_rows(rows, features, total):  # type: ignore[no-untyped-def]
    """Write the sum of some rows."""
    total[:] = rows[features[0]]
    for index in range(1, features.shape[0]):
        row = rows[features[index]]
        for t in range(total.shape[0]):
            total[t] = np.int32(total[t] + row[t])


@_compiled
def _add_above(outputs, level, sums):  # type: ignore[no-untyped-def]
    """Add count, distance, index and squared index of the values above `level`, and the stretches of them."""
    before = np.int32(0)
    for start in range(0, outputs.shape[0], BLOCK):
        block = outputs[start : start + BLOCK]
        above, low, high = np.int32(0), np.int32(0), np.int32(0)
        places, squares = np.int32(0), np.int32(0)
        for t in range(block.shape[0]):
            is_above = np.int32(block[t] > level)
            distance = max(np.int32(block[t] - level), np.int32(0))
            place = np.int32(np.int32(t) * is_above)
            above = np.int32(above + is_above)
            low = np.int32(low + np.int32(distance & np.int32((1 << HALF_BITS) - 1)))
            high = np.int32(high + np.int32(distance >> np.int32(HALF_BITS)))
            places = np.int32(places + place)
            squares = np.int32(squares + np.int32(place * place))
        stretches, after = np.int32(np.int32(block[0] > level) & np.int32(1 - before)), block[1:]
        for t in range(after.shape[0]):
            stretches = np.int32(stretches + np.int32(np.int32(after[t] > level) & np.int32(block[t] <= level)))
        before = np.int32(block[-1] > level)
        sums[0] += above
        sums[1] += (np.int64(high) << HALF_BITS) + low
        sums[2] += places + start * np.int64(above)
        sums[3] += squares + start * (2 * np.int64(places) + start * np.int64(above))
        sums[5] += stretches


@_compiled
def _longest_above(outputs, level):  # type: ignore[no-untyped-def]
    """Return the longest stretch of values above `level`."""
    run, longest = np.int32(0), np.int32(0)
    for t in range(outputs.shape[0]):
        above = np.int32(outputs[t] > level)
        run = np.int32(np.int32(run + above) * above)
        longest = max(longest, run)
    return longest
