"""Scores by length: whether short or long sequences fare worse."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.metrics.checks import IntArray


def by_length(
    lengths: npt.ArrayLike, score_fn: Callable[[IntArray], Mapping[str, Any]], bins: int = 4
) -> list[dict[str, Any]]:
    """Return one row of scores for each quantile of length, shortest first.

    Sequences of one length share a bin, so that there are fewer bins where many lengths are equal.

    Args:
        lengths: frames of each sequence `(n,)`.
        score_fn: from the indices of a bin to its scores.
        bins: 4 for quartiles.

    Returns:
        rows `{"min_frames", "max_frames", "count", **scores}`.

    >>> by_length([5, 1, 3, 9], lambda indices: {"indices": indices.tolist()}, bins=2)
    [{'min_frames': 1, 'max_frames': 3, 'count': 2, 'indices': [1, 2]}, \
{'min_frames': 5, 'max_frames': 9, 'count': 2, 'indices': [0, 3]}]
    """
    lengths = np.asarray(lengths)
    upper = np.quantile(lengths, np.arange(1, bins) / bins)
    bin_of = np.searchsorted(upper, lengths, side="left")
    rows = []
    for number in np.unique(bin_of):
        indices = np.flatnonzero(bin_of == number)
        within = lengths[indices]
        frames = {"min_frames": int(within.min()), "max_frames": int(within.max()), "count": len(indices)}
        rows.append({**frames, **score_fn(indices)})
    return rows
