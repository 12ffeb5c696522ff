"""Cutting sequences into two parts: whole groups, classes in proportion."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seqconv.errors import ManifestError


def split_groups(
    groups: Sequence[str], strata: Sequence[str], *, fraction: float, seed: int = 0
) -> npt.NDArray[np.bool_]:
    """Which sequences fall into a part that holds about `fraction` of all.

    Large groups are placed first, in shuffled order within a size: each goes where it brings the counts of the classes
    closest to their share. Then the part is filled up to its total, by the groups that disturb the classes least.

    Args:
        groups: Group of each sequence; a group is never cut.
        strata: Class of each sequence.
        fraction: Wanted share, between 0 and 1.
        seed: The same seed gives the same answer.

    Raises:
        ManifestError: one group holds everything, so nothing can be cut.

    >>> split_groups(["a", "a", "b", "b"], ["x", "y", "x", "y"], fraction=0.5).sum()
    np.int64(2)
    """
    group_names, group_of = np.unique(np.asarray(groups, str), return_inverse=True)
    if len(group_names) < 2:
        raise ManifestError(
            f"all {len(groups)} sequences belong to one group, '{group_names[0]}', so they cannot be cut into two parts"
        )
    class_names, class_of = np.unique(np.asarray(strata, str), return_inverse=True)
    counts = np.zeros((len(group_names), len(class_names)), np.int64)
    np.add.at(counts, (group_of, class_of), 1)
    sizes = counts.sum(axis=1)
    shuffled = np.random.default_rng(seed).permutation(len(group_names))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    wanted = fraction * counts.sum(axis=0)
    chosen = np.zeros(len(group_names), bool)
    have = np.zeros(len(class_names))
    for group in order:
        if _distance(have + counts[group], wanted) < _distance(have, wanted):
            chosen[group] = True
            have += counts[group]
    _fill_up(chosen, counts, order, wanted)
    return chosen[group_of]


def _fill_up(
    chosen: npt.NDArray[np.bool_],
    counts: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
    wanted: npt.NDArray[np.float64],
) -> None:
    """Small classes round to nothing one by one; together they are still owed their share."""
    sizes = counts.sum(axis=1)
    while True:
        have, short = counts[chosen].sum(axis=0), wanted.sum() - sizes[chosen].sum()
        left = [group for group in order if not chosen[group] and sizes[group] < 2 * short]
        if chosen.any() and not left:
            return
        if (~chosen).sum() == 1:
            return
        candidates = left or order[np.argsort(sizes[order], kind="stable")][:1].tolist()
        chosen[min(candidates, key=lambda group: _distance(have + counts[group], wanted))] = True


def _distance(have: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> float:
    return float(((have - wanted) ** 2 / np.maximum(wanted, 1)).sum())
