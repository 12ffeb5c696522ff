"""Folds of a manifest for cross-validation: each is test once."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from seqconv.data.manifest.columns import find_rows
from seqconv.data.manifest.labels import LabelColumns
from seqconv.data.manifest.units import Strata, Units, in_order, labels_of, units_of
from seqconv.errors import ManifestError, list_some
from seqconv.text import amount


def make_folds(
    frame: pd.DataFrame,
    num_folds: int,
    *,
    label: str | Sequence[str] = "label",
    task: str = "classification",
    separator: str = ";",
    seed: int = 0,
    strata: Strata | None = None,
) -> pd.DataFrame:
    """Fill the column `fold` with 0 to `num_folds - 1`; folds that are there already are kept.

    Rows of one group, and the parts of one file, stay together. Folds have as many rows, and as many of each label, as
    whole groups allow. The cut depends on ids, groups, labels and seed, not on the order of rows or where files lie.

    Args:
        frame: As `load_manifest` returns it.
        num_folds: How many.
        label, task, separator, strata: The labels to spread evenly, as in `make_splits`.
        seed: Another seed gives another cut.

    Raises:
        ManifestError: Too few groups or files; a label that only one fold would have, so that nothing could learn it
            when that fold is test; the folds that are there are incomplete, another number, or part a group or file.

    >>> rows = {"id": list("abcdefgh"), "path": list("abcdefgh"), "label": ["x", "y"] * 4, "group": None, "fold": pd.NA}
    >>> made = make_folds(pd.DataFrame(rows), 2)
    >>> made.groupby("fold")["label"].value_counts().tolist()
    [2, 2, 2, 2]
    """
    if frame["fold"].notna().any():
        _check_given(frame, num_folds)
        return frame.copy()
    labels, sets = LabelColumns(label, task, separator), []
    if strata is None:
        if absent := labels.find_absent(frame):
            raise ManifestError(absent[0])
        sets, strata = labels.class_sets(frame), labels.strata(frame)
    units = units_of(frame)
    if len(units) < num_folds:
        raise ManifestError(
            f"{amount(len(frame), 'row')} in {amount(len(units), 'group or file', 'groups or files')} cannot be cut "
            f"into {num_folds} folds. Lower split.folds, or add recordings."
        )
    folds = deal(num_folds, units, strata, frame["id"].tolist(), seed)
    made = frame.assign(fold=pd.array(folds, dtype="Int64"))
    if sets:
        _check_labels_in_two(made, sets)
    return made


def fold_numbers(frame: pd.DataFrame, num_folds: int | None) -> list[int]:
    """Return the folds by number: those of the manifest, else 0 to `num_folds - 1`.

    Raises:
        ManifestError: there are none.
    """
    if frame["fold"].notna().any():
        _check_given(frame, num_folds)
        return sorted(int(fold) for fold in frame["fold"].unique())
    if num_folds is None:
        raise ManifestError("the manifest has no column 'fold'. Set split.folds to have folds made.")
    return list(range(num_folds))


def deal(num_folds: int, units: Units, strata: Strata, ids: Sequence[str], seed: int) -> np.ndarray:
    """Choose a fold for every row: the one with the fewest of the unit's labels, and among those the smallest.

    Args:
        num_folds: how many.
        units: rows that stay together, each row in one of them.
        strata: labels of each row.
        ids: name of each row.
        seed: another seed gives another cut.

    Raises:
        ManifestError: there are too few units.
    """
    chosen = np.zeros(len(ids), np.int64)
    total = Counter(label for labels in strata for label in labels)
    have: list[Counter[str]] = [Counter() for _ in range(num_folds)]
    sizes = [0] * num_folds
    for unit in in_order(units, strata, ids, seed):
        labels = sorted(labels_of(unit, strata))
        loads = [sum(counts[label] / total[label] for label in labels) for counts in have]
        _, _, fold = min(zip(loads, sizes, range(num_folds), strict=True))
        have[fold].update(label for row in unit for label in strata[row])
        sizes[fold] += len(unit)
        chosen[list(unit)] = fold
    if 0 in sizes:
        empty = sizes.count(0)
        raise ManifestError(
            f"{len(units)} groups or files leave {empty} of {num_folds} folds empty. Lower split.folds."
        )
    return chosen


def _check_given(frame: pd.DataFrame, num_folds: int | None) -> None:
    there = sorted(int(fold) for fold in frame["fold"].dropna().unique())
    text = f"'fold' is empty in {{count}} of {len(frame)} rows: {{rows}}. Fill them, or empty all to have folds made."
    problems = find_rows(frame["id"], frame["fold"].isna(), text)
    if num_folds is not None and len(there) != num_folds:
        problems.append(
            f"split.folds is {num_folds}, but the column 'fold' has {len(there)} ({list_some(there)}). Set split.folds "
            "to null, or leave out the column."
        )
    elif len(there) < 2:
        problems.append(f"the column 'fold' has one fold ({there[0]}), but another one must be there to learn from.")
    if problems:
        raise ManifestError(" ".join(problems))


def find_parted(frame: pd.DataFrame) -> list[str]:
    """Return what is wrong with folds that a manifest has: groups and files in more than one."""
    folds = frame["fold"].to_numpy()
    parted = [unit for unit in units_of(frame) if len({folds[row] for row in unit}) > 1]
    if not parted:
        return []
    groups = {group for unit in parted for row in unit if not pd.isna(group := frame["group"].iloc[row])}
    names = groups or {frame["path"].iloc[unit[0]] for unit in parted}
    kind = "groups" if groups else "files"
    return [f"{len(names)} {kind} are in more than one fold: {list_some(sorted(names))}. Put all rows of each in one."]


def _check_labels_in_two(frame: pd.DataFrame, strata: Strata) -> None:
    pairs = {(label, fold) for fold, labels in zip(frame["fold"], strata, strict=True) for label in labels}
    counts = Counter(label for label, _ in pairs)
    lone = sorted(label for label, count in counts.items() if count == 1)
    if lone:
        raise ManifestError(
            f"{len(lone)} labels have all their sequences in one group or file, and so in one fold: {list_some(lone)}. "
            "When that fold is test, nothing can learn them. Add recordings of other groups, or leave the labels out."
        )
