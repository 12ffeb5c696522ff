"""Cutting sequences into two parts: whole groups, classes in proportion."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ManifestError

FloatArray = npt.NDArray[np.float64]


def split_groups(
    groups: Sequence[str], strata: Sequence[str], *, fraction: float, seed: int = 0
) -> npt.NDArray[np.bool_]:
    """Which sequences fall into a part that holds about `fraction` of all.

    Large groups are placed first, in shuffled order within a size: each goes where it brings the counts of the classes
    closest to their share. Then the part is filled up to its total, by the groups that disturb the classes least.
    No class leaves the other part altogether.

    Args:
        groups: Group of each sequence; a group is never cut.
        strata: Class of each sequence.
        fraction: Wanted share, between 0 and 1.
        seed: The same seed gives the same answer.

    Raises:
        ManifestError: no group can move without taking a class along.

    >>> int(split_groups(["a", "a", "b", "b"], ["x", "y", "x", "y"], fraction=0.5).sum())
    2
    """
    group_of = np.unique(np.asarray(groups, str), return_inverse=True)[1]
    class_of = np.unique(np.asarray(strata, str), return_inverse=True)[1]
    counts = np.zeros((group_of.max() + 1, class_of.max() + 1))
    np.add.at(counts, (group_of, class_of), 1)
    sizes = counts.sum(axis=1)
    shuffled = np.random.default_rng(seed).permutation(len(counts))
    part = _Part(counts, wanted=fraction * counts.sum(axis=0))
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        if part.may_take(group) and part.distance_with(group) < part.distance:
            part.take(group)
    # Classes so small that their share rounds to nothing are still owed it together.
    while candidates := [group for group in shuffled if part.may_take(group) and sizes[group] < 2 * part.missing]:
        part.take(min(candidates, key=part.distance_with))
    if not part.taken.any():
        movable = [group for group in shuffled if part.may_take(group)]
        if not movable:
            raise ManifestError(
                f"{len(counts)} groups with {counts.shape[1]} classes cannot be cut into two parts: each group "
                "holds the only sequences of a class. Split by=None, or add sequences"
            )
        part.take(min(movable, key=lambda group: sizes[group]))
    return part.taken[group_of]


def label_strata(labels: Any, count: int) -> list[str]:
    """What a split keeps in proportion: classes; measured values and sets of labels are left to chance."""
    values = labels.tolist() if isinstance(labels, np.ndarray) else labels
    are_classes = isinstance(values, list) and all(isinstance(value, str | int) for value in values)
    if not are_classes or 2 * len(set(values)) > count:
        return [""] * count
    return [str(value) for value in values]


class _Part:
    """The groups taken so far, and how far their classes are from what is wanted."""

    def __init__(self, counts: FloatArray, wanted: FloatArray) -> None:
        self.counts = counts
        self.wanted = wanted
        self.total = counts.sum(axis=0)
        self.have = np.zeros_like(wanted)
        self.taken = np.zeros(len(counts), bool)

    @property
    def missing(self) -> float:
        return float(self.wanted.sum() - self.have.sum())

    @property
    def distance(self) -> float:
        return self._distance(self.have)

    def distance_with(self, group: int) -> float:
        return self._distance(self.have + self.counts[group])

    def may_take(self, group: int) -> bool:
        leaves = self.total - self.have - self.counts[group]
        return bool(not self.taken[group] and (leaves[self.counts[group] > 0] > 0).all())

    def take(self, group: int) -> None:
        self.taken[group] = True
        self.have = self.have + self.counts[group]

    def _distance(self, have: FloatArray) -> float:
        return float(((have - self.wanted) ** 2 / np.maximum(self.wanted, 1)).sum())
