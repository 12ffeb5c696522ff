"""Folds of the training sequences: whole groups, classes in proportion, and some of each class to learn from."""

from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.data.datasets import Datasets
from seqconv.data.manifest.folds import deal

NEVER = -1
"""The fold of sequences that are never held out."""

FEWEST_HELD_OUT = 8
# With more sequences, three folds measure nearly as well as five, in half the time.
SMALL, FOLDS_OF_SMALL, FOLDS = 100, 5, 3


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
    return folds if np.count_nonzero(folds != NEVER) >= FEWEST_HELD_OUT else None


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
