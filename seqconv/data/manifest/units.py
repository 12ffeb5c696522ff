"""Units that splits keep whole, and the order in which they are dealt out."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import pandas as pd

from seqconv.data.manifest.checks import file_keys


def join_rows(frame: pd.DataFrame) -> list[list[int]]:
    """Join rows that must stay together, because they share a group or a file, directly or through other rows."""
    parent = list(range(len(frame)))

    def find(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for keys in (frame["group"], file_keys(frame)):
        first: dict[object, int] = {}
        for row, key in enumerate(keys):
            if not pd.isna(key):
                parent[find(row)] = find(first.setdefault(key, row))
    units: dict[int, list[int]] = defaultdict(list)
    for row in range(len(frame)):
        units[find(row)].append(row)
    return list(units.values())


def in_order(
    units: Sequence[Sequence[int]], strata: Sequence[Sequence[str]], ids: Sequence[str], seed: int
) -> list[Sequence[int]]:
    """Sort units by their rarest label; within a label, by a hash: each range is a random sample."""
    counts: dict[str, int] = defaultdict(int)
    for label in (label for labels in strata for label in labels):
        counts[label] += 1

    def order(unit: Sequence[int]) -> tuple[int, str, bytes]:
        rarest = min(((counts[label], label) for label in labels_of(unit, strata)), default=(0, ""))
        # Ids and not paths: a manifest is cut the same way on every machine.
        name = min(ids[row] for row in unit)
        return *rarest, blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()

    return sorted(units, key=order)


def labels_of(unit: Iterable[int], strata: Sequence[Sequence[str]]) -> set[str]:
    """Return the labels of all rows of a unit."""
    return {label for row in unit for label in strata[row]}
