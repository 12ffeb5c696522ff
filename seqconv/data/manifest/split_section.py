"""A manifest divided as the `split` section of a config says."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from seqconv.data.manifest.columns import Manifest, as_text
from seqconv.data.manifest.folds import find_parted, fold_numbers, make_folds
from seqconv.data.manifest.labels import ONE_LABEL, LabelColumns, describe_absent
from seqconv.data.manifest.loading import read_manifest
from seqconv.data.manifest.splits import add_splits, count_splits
from seqconv.data.manifest.units import Strata
from seqconv.data.settings import DataConfig, SplitConfig
from seqconv.errors import ConfigError, ManifestError, list_some


def read_grouped(
    source: Any,
    settings: SplitConfig,
    data: DataConfig,
    labels: LabelColumns | None = None,
    used: Sequence[str | None] = (),
    **options: Any,
) -> Manifest:
    """Load a manifest, grouped as the `split` section says; `labels`, `used`, `options` are those of `read_manifest`.

    Raises:
        ManifestError: what `load_manifest` refuses; folds of the manifest that divide a group or file.
    """
    used = (*used, settings.by, settings.stratify)
    manifest = read_manifest(source, labels, on_leak=data.on_leak, collection=data, used=used, **options)
    frame = group_rows(manifest.frame, settings.by)
    return manifest.with_frame(frame, *check_folds(frame, settings, data.on_leak))


def group_rows(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return the manifest with the column `by` as its group.

    Raises:
        ManifestError: there is no such column.

    >>> frame = pd.DataFrame({"id": ["a", "b"], "group": None, "speaker": ["x", None]})
    >>> group_rows(frame, "speaker")["group"].tolist()
    ['x', None]
    """
    if by == "group":
        return frame
    return frame.assign(group=_text_column(frame, by, "split.by"))


def cut_splits(
    manifest: Manifest,
    settings: SplitConfig,
    labels: LabelColumns = ONE_LABEL,
    *,
    seed: int,
    strata: Strata | None = None,
) -> Manifest:
    """Make the splits that a manifest lacks, or hold a fold out as test.

    Args:
        manifest: What is cut.
        settings: The `split` section.
        labels: The columns with the labels.
        seed: Of the cut.
        strata: The labels of each row, as in `make_splits`; `settings.stratify` goes before them and `labels`.

    Returns:
        A copy with `split` filled, and with folds `fold`; its notes say what was done.

    Raises:
        ConfigError: The manifest has splits, and folds are asked for; there is no such fold.
        ManifestError: There is no column to stratify by, or the rows cannot be cut so.
    """
    if settings.stratify is not None and (strata is not None or settings.stratify != labels.label):
        cells = _text_column(manifest.frame, settings.stratify, "split.stratify")
        strata = [[] if cell is None else [cell] for cell in cells]
    note = None
    if settings.uses_folds:
        manifest, note = _hold_out(manifest, settings, {**labels._asdict(), "strata": strata, "seed": seed})
    made = add_splits(manifest, labels, fractions=settings.fractions, seed=seed, strata=strata)
    if note is None:
        return made
    return manifest.with_frame(made.frame, f"{note}; seed {seed}; now {count_splits(made.frame)}")


def cuts_anew(frame: pd.DataFrame, settings: SplitConfig) -> bool:
    """Whether the folds of a manifest are made, and not given."""
    return settings.uses_folds and not frame["fold"].notna().any()


def _hold_out(manifest: Manifest, settings: SplitConfig, options: dict[str, Any]) -> tuple[Manifest, str]:
    """Return the manifest with one fold as test and all others as train, and a note on it."""
    frame = manifest.frame
    given = set(frame["split"].dropna()) - {"train"}
    if given:
        raise ConfigError(
            f"the manifest has splits of its own ({list_some(sorted(given))}), but split.folds would make others. "
            "Leave out split.folds and split.fold, or give the manifest without these rows and the column 'split'."
        )
    numbers = fold_numbers(frame, settings.folds)
    fold = numbers[0] if settings.fold is None else settings.fold
    if fold not in numbers:
        raise ConfigError(f"split.fold is {fold}, but the folds are {', '.join(map(str, numbers))}.")
    by_group = ", by group" if frame["group"].notna().any() else ""
    made = f"made {len(numbers)} folds{by_group}"
    # Folds that an earlier cut has made are no longer empty.
    origin = manifest.folds or (made if cuts_anew(frame, settings) else f"{len(numbers)} folds of the manifest")
    folded = make_folds(frame, len(numbers), **options)
    is_test = folded["fold"] == fold
    held_out = folded.assign(split=pd.Series(np.where(is_test, "test", "train"), folded.index, object))
    note = f"{origin}: fold {fold} is test, valid is cut from the others"
    return replace(manifest, frame=held_out, folds=origin), note


def check_folds(frame: pd.DataFrame, settings: SplitConfig, on_leak: str) -> list[str]:
    """Check that the folds that a manifest has keep groups and files whole; with `on_leak` "warn" return it as notes.

    Raises:
        ManifestError: they do not.
    """
    if not settings.uses_folds or cuts_anew(frame, settings):
        return []
    problems = find_parted(frame)
    if problems and on_leak == "error":
        raise ManifestError(f"{problems[0]} To train anyway, set data.on_leak to 'warn'.")
    return problems


def _text_column(frame: pd.DataFrame, column: str, key: str) -> pd.Series:
    if column not in frame:
        raise ManifestError(f"{key}: {describe_absent(column, frame.columns, 'column')}")
    return as_text(frame[column])
