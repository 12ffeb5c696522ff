"""Folds of the training sequences: whole groups, classes in proportion, and some of each class to learn from."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.data.datasets import Datasets
from seqconv.data.manifest.folds import deal

MOST_SEARCHED = 2000
"""Training sequences that are looked at to choose; the model that is chosen learns from all."""

NEVER = -1
"""The fold of sequences that are never held out."""

FEWEST_HELD_OUT = 8
# With more sequences, three folds measure nearly as well as five, in half the time.
SMALL, FOLDS_OF_SMALL, FOLDS = 100, 5, 3


def draw_sample(data: Datasets, seed: int) -> Datasets:
    """Return the datasets with so many training sequences that a search can look at them; whole groups are drawn."""
    train = data.train
    if len(train) <= MOST_SEARCHED:
        return data
    names = np.asarray(train.ids if train.groups is None else train.groups, object)
    order = np.random.default_rng(seed).permutation(np.unique(names.astype(str)))
    place = {name: number for number, name in enumerate(order)}
    ranks = np.array([place[str(name)] for name in names])
    rows = np.sort(np.argsort(ranks, kind="stable")[:MOST_SEARCHED])
    # The last group may be cut: it is left out, unless it is the only one.
    last = ranks[rows].max()
    whole = rows[ranks[rows] < last] if train.groups is not None and (ranks[rows] < last).any() else rows
    return replace(data, train=train.subset(whole), contents={}, splits=None)


def make_folds(data: Datasets, seed: int) -> npt.NDArray[np.int64] | None:
    """Return the fold of each training sequence `(n,)`, `NEVER` for what is always learned from; None: too few.

    Sequences of a group are in one fold. The only group of a class is never held out.
    """
    units = _units(data)
    names = _classes(data)
    num_folds = min(FOLDS_OF_SMALL if len(data.train) <= SMALL else FOLDS, len(units))
    if num_folds < 2:
        return None
    folds = deal(num_folds, units, names, data.train.ids, seed)
    for fold in range(num_folds):
        left = {name for row in np.flatnonzero(folds != fold) for name in names[row]}
        for unit in units:
            if folds[unit[0]] == fold and any(name not in left for row in unit for name in names[row]):
                folds[unit] = NEVER
    is_held_out = folds != NEVER
    used, numbers = np.unique(folds[is_held_out], return_inverse=True)
    if np.count_nonzero(is_held_out) < FEWEST_HELD_OUT or len(used) < 2:
        return None
    # Without those of which nothing is held out.
    folds[is_held_out] = numbers
    return folds


def _units(data: Datasets) -> list[list[int]]:
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(data.train.ids if data.train.groups is None else data.train.groups):
        rows.setdefault(name, []).append(row)
    return list(rows.values())


def _classes(data: Datasets) -> list[list[str]]:
    """Return the classes of each training sequence; of numbers, there are none."""
    rows: Any = data.target.definition.class_rows(data.labels_of("train"))
    if rows is None:
        return [[] for _ in range(len(data.train))]
    return [[data.target.names[column] for column in np.flatnonzero(row == 1)] for row in np.asarray(rows)]
