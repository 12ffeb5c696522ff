"""Groups of entries that follow each other in an array, put into another order."""

import numpy as np

from seqconv.batching.layouts import Integers


def take_groups(values: Integers, sizes: Integers, sequence: Integers) -> Integers:
    """Return the groups `sequence` of `values`; group i has `sizes[i]` entries.

    >>> take_groups(np.array([1, 1, 2, 3, 3, 3]), np.array([2, 1, 3]), np.array([2, 0, 1]))
    array([3, 3, 3, 1, 1, 2])
    """
    taken = sizes[sequence]
    source = (np.cumsum(sizes) - sizes)[sequence]
    shift = (source - (np.cumsum(taken) - taken)).astype(np.int64)
    index = np.repeat(shift, taken)
    index += np.arange(len(index))
    grouped: Integers = values[index]
    return grouped
