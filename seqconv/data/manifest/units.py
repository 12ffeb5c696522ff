"""Units that splits keep whole, and the order in which they are dealt out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
import pandas as pd

from seqconv.data.manifest.checks import file_keys

Units = Sequence[Sequence[int]]
Strata = Sequence[Sequence[str]]


def join_rows(*columns: Iterable[object]) -> list[list[int]]:
    """Join rows that share a key in some column, directly or through other rows; a missing key joins nothing.

    >>> join_rows(["x", None, "x", None], ["a.wav", "b.wav", "c.wav", "c.wav"])
    [[0, 2, 3], [1]]
    >>> join_rows([], [])
    []
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    codes = [pd.factorize(np.asarray(column, object))[0] for column in columns]
    if not len(codes[0]):
        return []
    # Rows and the keys of each column are the nodes of one graph.
    starts = np.cumsum([len(codes[0]), *(each.max() + 1 for each in codes)])
    rows = np.concatenate([np.flatnonzero(each >= 0) for each in codes])
    keys = np.concatenate([each[each >= 0] + start for each, start in zip(codes, starts, strict=False)])
    graph = coo_array((np.ones(len(rows)), (rows, keys)), (starts[-1], starts[-1]))
    labels = connected_components(graph, directed=False)[1][: len(codes[0])]
    return [[int(row) for row in unit] for unit in pd.Series(labels).groupby(labels).indices.values()]


def units_of(frame: pd.DataFrame) -> list[list[int]]:
    """Join the rows of a manifest that splits must keep together, since they share a group or a file."""
    return join_rows(frame["group"], file_keys(frame))


def in_order(units: Units, strata: Strata, ids: Sequence[str], seed: int) -> list[Sequence[int]]:
    """Sort units by their rarest label; within a label, by a hash: each range is a random sample."""
    counts = Counter(label for labels in strata for label in labels)

    def order(unit: Sequence[int]) -> tuple[int, str, bytes]:
        rarest = min(((counts[label], label) for label in labels_of(unit, strata)), default=(0, ""))
        # Ids and not paths: a manifest is cut the same way on every machine.
        name = min(ids[row] for row in unit)
        return *rarest, blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()

    return sorted(units, key=order)


def labels_of(unit: Iterable[int], strata: Strata) -> set[str]:
    """Return the labels of all rows of a unit."""
    return {label for row in unit for label in strata[row]}
