"""Splits of a manifest into train, valid and test: the same every time, whole groups, every label in its proportion."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from seqconv.data.manifest.columns import SPLITS, Manifest
from seqconv.data.manifest.labels import ONE_LABEL, LabelColumns
from seqconv.data.manifest.units import Strata, Units, in_order, labels_of, units_of
from seqconv.errors import ConfigError, ManifestError, list_some
from seqconv.text import amount


def make_splits(
    frame: pd.DataFrame,
    *,
    label: str | Sequence[str] = "label",
    task: str = "classification",
    separator: str = ";",
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
    seed: int = 0,
    strata: Strata | None = None,
) -> pd.DataFrame:
    """Make the splits that a manifest lacks.

    With no split at all, the rows are cut into train, valid and test. Where train is there and valid or test is not,
    the missing ones are cut out of train, in proportion; the others stay as they are. Rows of one group, and the parts
    of one file, stay together. The first recording of every label goes to train, and each label is spread as
    `fractions` say. The cut depends on ids, groups, labels and seed, not on the order of the rows or where files lie.

    Args:
        frame: As `load_manifest` returns it.
        label: Target column, or columns, by which to stratify.
        task: `classification`, `multilabel` or `regression` (stratified by tenths of the first column).
        separator: Between the labels of one cell (multilabel).
        fractions: Shares of train, valid and test; they add up to 1. That of valid may be 0: then there is none.
        seed: Another seed gives another cut.
        strata: The labels of each row, where they stand in no column; instead of `label`.

    Returns:
        A copy with `split` filled.

    Raises:
        ManifestError: There is no target column, no train to cut from, or too few groups or files.

    Example:
        >>> rows = {"id": list("abcdefghij"), "path": list("abcdefghij"), "label": ["x", "y"] * 5, "split": None}
        >>> made = make_splits(pd.DataFrame({**rows, "group": None}))
        >>> made["split"].value_counts().to_dict()
        {'train': 7, 'test': 2, 'valid': 1}
    """
    labels = LabelColumns(label, task, separator)
    return add_splits(Manifest(frame), labels, fractions=fractions, seed=seed, strata=strata).frame


def add_splits(
    manifest: Manifest,
    labels: LabelColumns = ONE_LABEL,
    *,
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2),
    seed: int = 0,
    strata: Strata | None = None,
) -> Manifest:
    """Make the splits that a manifest does not have, and note in one line what was done; see `make_splits`."""
    _check_fractions(fractions)
    frame = manifest.frame
    if strata is None and (absent := labels.find_absent(frame)):
        raise ManifestError(absent[0])
    present = set(frame["split"].dropna())
    share = dict(zip(SPLITS, fractions, strict=True))
    missing = [split for split in SPLITS if split not in present and share[split] > 0]
    if not missing:
        return manifest.with_frame(frame.copy())
    if present and "train" in missing:
        raise ManifestError(f"the manifest has {', '.join(sorted(present))}, but no 'train' to learn from. Add it.")
    rows = np.flatnonzero(frame["split"].isna() if not present else frame["split"] == "train")
    wanted = [split for split in SPLITS if split == "train" or split in missing]
    total = sum(share[split] for split in wanted)
    part = frame.iloc[rows]
    of_rows = labels.strata(part) if strata is None else [strata[row] for row in rows.tolist()]
    units = units_of(part)
    chosen = _deal({split: share[split] / total for split in wanted}, units, of_rows, part["id"].tolist(), seed)
    if empty := [split for split in wanted if split not in set(chosen)]:
        raise ManifestError(
            f"{amount(len(part), 'row')} in {amount(len(units), 'group or file', 'groups or files')} are too few to "
            f"cut {', '.join(wanted)} from them ({', '.join(empty)} would be empty). Fill the column 'split' yourself, "
            "or add recordings."
        )
    splits = frame["split"].to_numpy(dtype=object, copy=True)
    splits[rows] = chosen
    frame = frame.assign(split=pd.Series(splits, frame.index, object))
    first = labels.names[0]
    basis = f"'{first}'" if strata is None else "the labels within each"
    return manifest.with_frame(frame, _describe(frame, part, len(units), wanted, basis if any(of_rows) else "", seed))


def select_split(manifest: Manifest, split: str) -> Manifest:
    """Return the rows of a split."""
    frame = manifest.frame
    there = frame["split"].dropna().unique().tolist()
    if not there:
        raise ManifestError(f"no split '{split}': the manifest has none. seqconv.data.manifest.make_splits makes them")
    if split not in there:
        raise ManifestError(f"no sequence in split '{split}'; the manifest has {list_some(there)}")
    return replace(manifest, frame=frame[frame["split"] == split].reset_index(drop=True), is_part=True)


def _check_fractions(fractions: tuple[float, float, float]) -> None:
    is_sum = len(fractions) == 3 and abs(sum(fractions) - 1) <= 1e-6
    if not is_sum or min(fractions[0], fractions[2]) <= 0 or fractions[1] < 0:
        raise ConfigError(f"fractions must be three positive shares that add up to 1 (valid may be 0): {fractions}.")


def _deal(share: Mapping[str, float], units: Units, strata: Strata, ids: Sequence[str], seed: int) -> np.ndarray:
    """Choose a split for every row: units in the order of their rarest label, each to the split that lags furthest.

    Within a label the order is a hash, so each stretch of it is a random sample cut in the given shares.
    """
    chosen = np.empty(len(ids), dtype=object)
    taken = dict.fromkeys(share, 0)
    in_train: set[str] = set()
    done = 0
    for unit in in_order(units, strata, ids, seed):
        done += len(unit)
        labels = labels_of(unit, strata)
        lag = {split: share[split] * done - taken[split] for split in share}
        split = max(lag, key=lag.__getitem__) if labels <= in_train else "train"
        if split == "train":
            in_train |= labels
        taken[split] += len(unit)
        chosen[list(unit)] = split
    return chosen


def _describe(frame: pd.DataFrame, part: pd.DataFrame, num_units: int, wanted: list[str], basis: str, seed: int) -> str:
    if part["split"].notna().any():
        missing = [split for split in wanted if split != "train"]
        what = f"no split {' or '.join(missing)}: cut from train"
    else:
        what = f"no splits: made {' and '.join(', '.join(wanted).rsplit(', ', 1))}"
    by_group = f", by group ({num_units} groups)" if part["group"].notna().any() else ""
    stratified = f", stratified by {basis}" if basis else ""
    return f"{what}{by_group}{stratified}, seed {seed}; now {count_splits(frame)}"


def count_splits(frame: pd.DataFrame) -> str:
    """Return the rows of each split, for a note."""
    return ", ".join(f"{split} {int((frame['split'] == split).sum())}" for split in SPLITS)
