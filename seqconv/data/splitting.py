"""Division of sequences into two parts: whole groups, classes in proportion."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ManifestError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def split_groups(
    groups: Sequence[str], strata: Sequence[str], *, fraction: float, seed: int = 0
) -> npt.NDArray[np.bool_]:
    """Choose the sequences of a part with about `fraction` of all.

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
    group_of, class_of = (np.unique(np.asarray(names, object), return_inverse=True)[1] for names in (groups, strata))
    part = _Part(group_of, class_of, fraction, seed)
    for kind in part.large:
        if part.may_take(kind) and part.distances([kind])[0] < part.distances()[0]:
            part.take(kind)
    part.take_singles()
    # Classes so small that their share rounds to nothing are still owed it together.
    while len(kinds := [kind for kind in part.movable() if part.sizes[kind] < 2 * part.missing]):
        part.take(part.first_least(kinds, part.distances(kinds)))
    if not part.taken.any():
        kinds = part.movable()
        if not len(kinds):
            raise ManifestError(
                f"{len(part.taken)} groups with {len(part.total)} classes cannot be cut into two parts: each group "
                "holds the only sequences of a class. Split by=None, or add sequences"
            )
        part.take(part.first_least(kinds, part.sizes[kinds]))
    return part.taken[group_of]


def label_strata(labels: Any, count: int) -> list[str]:
    """Return the classes that a split keeps in proportion; measured values and sets of labels are left to chance."""
    values = labels.tolist() if isinstance(labels, np.ndarray) else labels
    are_classes = isinstance(values, list) and all(isinstance(value, str | int) for value in values)
    if not are_classes or 2 * len(set(values)) > count:
        return [""] * count
    return [str(value) for value in values]


class _Part:
    """The groups taken so far, and how far their classes are from the wanted shares.

    Groups of one kind have the same members by class, and are taken in shuffled order: kind c for c below the number of
    classes are those with a single sequence, of class c; each larger group (`large`, in the order in which they are
    asked) is a kind of its own.
    """

    def __init__(self, group_of: IntArray, class_of: IntArray, fraction: float, seed: int) -> None:
        sizes, self.total = np.bincount(group_of), np.bincount(class_of).astype(np.float64)
        self.taken, self.have = np.zeros(len(sizes), bool), np.zeros(len(self.total))
        self.wanted = fraction * self.total
        is_large, num_classes = sizes > 1, len(self.total)
        kind_of, in_large = np.zeros(len(sizes), np.int64), is_large[group_of]
        kind_of[group_of[~in_large]] = class_of[~in_large]
        kind_of[is_large] = num_classes + np.arange(is_large.sum())
        self.counts = np.vstack([np.eye(num_classes), np.zeros((int(is_large.sum()), num_classes))])
        np.add.at(self.counts, (kind_of[group_of[in_large]], class_of[in_large]), 1)
        self.sizes = self.counts.sum(axis=1)
        shuffled = np.random.default_rng(seed).permutation(len(sizes))
        by_size = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
        self.large: list[int] = kind_of[by_size[: int(is_large.sum())]].tolist()
        self._place = np.argsort(shuffled)
        # Groups kind by kind; of each kind, the next one to take and the end.
        self._groups = shuffled[np.argsort(kind_of[shuffled], kind="stable")]
        ends = np.cumsum(np.bincount(kind_of, minlength=len(self.counts)))
        self._next, self._end = np.append(0, ends[:-1]), ends

    @property
    def missing(self) -> float:
        return float(self.wanted.sum() - self.have.sum())

    def distances(self, kinds: Sequence[int] | None = None) -> FloatArray:
        """Compute the distance with one more group of each of these kinds, `(n,)`; None: as it is, `(1,)`."""
        have = self.have + (np.zeros_like(self.counts[:1]) if kinds is None else self.counts[kinds])
        return np.asarray(((have - self.wanted) ** 2 / np.maximum(self.wanted, 1)).sum(axis=-1))

    def may_take(self, kind: int) -> bool:
        leaves = self.total - self.have - self.counts[kind]
        return bool((leaves[self.counts[kind] > 0] > 0).all())

    def movable(self) -> list[int]:
        """Find kinds of which a group is left that takes no class away."""
        leaves = self.total - self.have - self.counts
        may_take = (self._next < self._end) & ((leaves > 0) | (self.counts == 0)).all(axis=1)
        return list(np.flatnonzero(may_take).tolist())

    def first_least(self, kinds: Sequence[int], values: FloatArray) -> int:
        """Choose the kind with the least value; of several, the one with the group that comes first."""
        least = np.asarray(kinds)[values == values.min()]
        return int(least[self._place[self._groups[self._next[least]]].argmin()])

    def take(self, kind: int, number: int = 1) -> None:
        first = self._next[kind]
        self.taken[self._groups[first : first + number]] = True
        self._next[kind] += number
        self.have = self.have + number * self.counts[kind]

    def take_singles(self) -> None:
        """Take groups of one sequence as long as each brings its class closer to what is wanted, and leaves some."""
        classes = slice(len(self.total))
        left = np.minimum((self._end - self._next)[classes], self.total - self.have - 1)
        # One more is closer while fewer are there than half a sequence below what is wanted.
        numbers = np.minimum(np.ceil(self.wanted - 0.5 - self.have), left)
        for kind, number in enumerate(numbers.astype(np.int64).tolist()):
            if number > 0:
                self.take(kind, number)
