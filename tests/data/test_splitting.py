"""A cut into two parts asks kinds of groups; the answer is that of asking one group after the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqconv.data.splitting import split_groups
from seqconv.errors import ManifestError


def one_by_one(groups, strata, fraction, seed):
    """Group after group, large ones first; None where no group may move."""
    group_of, class_of = (np.unique(names, return_inverse=True)[1] for names in (groups, strata))
    counts = np.zeros((group_of.max() + 1, class_of.max() + 1))
    np.add.at(counts, (group_of, class_of), 1)
    total, sizes, have = counts.sum(axis=0), counts.sum(axis=1), np.zeros(counts.shape[1])
    wanted, taken = fraction * total, np.zeros(len(counts), bool)
    shuffled = np.random.default_rng(seed).permutation(len(counts))

    def distance(held):
        return float(((held - wanted) ** 2 / np.maximum(wanted, 1)).sum())

    def may_take(group):
        leaves = total - have - counts[group]
        return not taken[group] and (leaves[counts[group] > 0] > 0).all()

    def take(group):
        nonlocal have
        taken[group], have = True, have + counts[group]

    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        if may_take(group) and distance(have + counts[group]) < distance(have):
            take(group)
    while found := [g for g in shuffled if may_take(g) and sizes[g] < 2 * (wanted.sum() - have.sum())]:
        take(min(found, key=lambda group: distance(have + counts[group])))
    if not taken.any():
        movable = [group for group in shuffled if may_take(group)]
        if not movable:
            return None
        take(min(movable, key=lambda group: sizes[group]))
    return taken[group_of].tolist()


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(2, 60),
    st.integers(1, 12),
    st.sampled_from([0, 3, 20, 100]),
    st.sampled_from([0.1, 0.15, 0.2, 0.35, 0.5, 0.8]),
)
def test_a_cut_is_that_of_asking_one_group_after_the_other(seed, count, num_classes, num_groups, fraction):
    rng = np.random.default_rng(seed)
    groups = [str(rng.integers(num_groups) if num_groups else index) for index in range(count)]
    strata = [f"c{int(num_classes * share**2)}" for share in rng.random(count)]
    expected = one_by_one(groups, strata, fraction, seed)
    if expected is None:
        with pytest.raises(ManifestError, match="cannot be cut into two parts"):
            split_groups(groups, strata, fraction=fraction, seed=seed)
    else:
        assert split_groups(groups, strata, fraction=fraction, seed=seed).tolist() == expected
