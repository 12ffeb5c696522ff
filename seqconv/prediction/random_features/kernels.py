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

    A kernel sums over the first `counts` `(dilations, kernels)` of its `features` `(dilations, kernels, most)`. Where
    they run over running sums, sums between two taps become steps of at most `most` by the `scales` `(dilations,)`,
    which are 0 where kernels run over frames.
    """

    dilations: npt.NDArray[np.int64]
    taps: npt.NDArray[np.int64]
    features: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    scales: npt.NDArray[np.float32]
    most: np.float32


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
        padded: int32 `(features, frames)`, or running sums of them, with as many on each side as the kernels reach.
        kernels: `Kernels`.
        levels: int32 `(levels, dilations * kernels)`.
        with_longest: whether the longest stretch is asked for, else 0 is returned.
    """
    channels = kernels.counts.size
    sums = np.zeros((SUMS, levels.shape[0], channels), np.int64)
    largest = np.empty(channels, np.int32)
    margin = REACH * kernels.dilations.max()
    under = np.empty((padded.shape[0], KERNEL_SIZE, padded.shape[1] - 2 * margin), np.int32)
    below = np.empty((padded.shape[0], under.shape[2]), np.int32)
    outputs = np.empty(under.shape[2], np.int32)
    for channel in range(channels):
        dilation, kernel = divmod(channel, kernels.taps.shape[0])
        if kernel == 0:
            _read_taps(padded, kernels, dilation, under)
            _sum_taps(under, below)
        largest[channel] = _convolve(under, below, kernels, channel, outputs)
        for index in range(levels.shape[0]):
            level, found = levels[index, channel], sums[:, index, channel]
            _add_above(outputs, level, found)
            if with_longest:
                found[4] = _longest_above(outputs, level)
    return sums, largest


# What follows casts each result to 32 bits, as Numba would go on with 64, and takes slices: where an index may be
# negative, a loop is not turned into instructions for several values at once. Slices are not assigned to: the error for
# shapes that differ would take longer to compile than all of this.


@_compiled
def _copy(values, target):  # type: ignore[no-untyped-def]
    for t in range(target.shape[0]):
        target[t] = values[t]


@_compiled
def _clear(target):  # type: ignore[no-untyped-def]
    for t in range(target.shape[0]):
        target[t] = np.int32(0)


@_compiled
def _read_taps(padded, kernels, dilation, under):  # type: ignore[no-untyped-def]
    """Write what lies under the nine taps of each feature, `(features, 9, frames)`.

    Of running sums, minus the sum of what lies between a tap and the last one: weights of taps, which sum to 0, give
    with it what the sums between taps give with the running sums of the weights.
    """
    width, scale, most = kernels.dilations[dilation], kernels.scales[dilation], kernels.most
    start = REACH * (kernels.dilations.max() - width)
    for feature in range(under.shape[0]):
        rows, taps = padded[feature, start:], under[feature]
        if scale == 0:
            for tap in range(KERNEL_SIZE):
                _copy(rows[tap * width :], taps[tap])
        else:
            _clear(taps[KERNEL_SIZE - 1])
            for tap in range(KERNEL_SIZE - 2, -1, -1):
                _add_between(rows[tap * width :], rows[(tap + 1) * width :], (scale, most), taps[tap + 1], taps[tap])


@_compiled
def _add_between(first, last, scaling, after, target):  # type: ignore[no-untyped-def]
    """Write what comes after the next tap, less the sums between two taps in steps."""
    scale, most = scaling
    for t in range(target.shape[0]):
        total = np.float32(np.int32(last[t] - first[t])) * scale
        target[t] = np.int32(after[t] - np.int32(np.rint(min(max(total, -most), most))))


@_compiled
def _sum_taps(under, below):  # type: ignore[no-untyped-def]
    """Write minus the sum of each feature under the nine taps."""
    for feature in range(under.shape[0]):
        target = below[feature]
        _clear(target)
        for tap in range(KERNEL_SIZE):
            row = under[feature, tap]
            for t in range(target.shape[0]):
                target[t] = np.int32(target[t] - row[t])


@_compiled
def _convolve(under, below, kernels, channel, outputs):  # type: ignore[no-untyped-def]
    """Write the outputs of one kernel, and return the largest."""
    dilation, kernel = divmod(channel, kernels.taps.shape[0])
    _clear(outputs)
    for index in range(kernels.counts[dilation, kernel]):
        feature = kernels.features[dilation, kernel, index]
        _add_taps(under[feature], below[feature], kernels.taps[kernel], outputs)
    largest = np.int32(-(2**31))
    for t in range(outputs.shape[0]):
        largest = max(largest, outputs[t])
    return largest


@_compiled
def _add_taps(under, below, taps, outputs):  # type: ignore[no-untyped-def]
    """Add three times the three taps, and what is below all nine."""
    first, second, third = under[taps[0]], under[taps[1]], under[taps[2]]
    for t in range(outputs.shape[0]):
        three = np.int32(np.int32(first[t] + second[t]) + third[t])
        outputs[t] = np.int32(np.int32(outputs[t] + below[t]) + np.int32(np.int32(3) * three))


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


def try_out() -> None:
    """Compile the kernels, or load them, and run them once.

    Raises:
        RuntimeError: Numba is told not to compile, or what it compiled is wrong; also whatever else fails in it.
    """
    dilations, taps = np.array([1]), np.array([[0, 1, 2]])
    features, counts = np.zeros((1, 1, 1), np.int64), np.ones((1, 1), np.int64)
    padded, levels = np.zeros((1, 2 * REACH + 1), np.int32), np.zeros((1, 1), np.int32)
    padded[0, 0] = 5
    kernels = Kernels(dilations, taps, features, counts, np.zeros(1, np.float32), np.float32(1))
    sums, largest = summarize(padded, kernels, levels, True)
    is_compiled = bool(getattr(summarize, "signatures", ()))
    if not is_compiled or sums.ravel().tolist() != [1, 10, 0, 0, 1, 1] or largest.tolist() != [10]:
        raise RuntimeError("Numba does not compile here.")
