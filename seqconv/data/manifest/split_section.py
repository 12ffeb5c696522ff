"""A manifest divided as the `split` section of a config says."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from seqconv.data.manifest.columns import SPLITS
from seqconv.data.manifest.folds import find_parted, fold_numbers, make_folds
from seqconv.data.manifest.labels import describe_absent
from seqconv.data.manifest.loading import read_manifest
from seqconv.data.manifest.splits import add_splits, make_splits
from seqconv.data.manifest.table import Manifest
from seqconv.data.split_settings import SplitConfig
from seqconv.errors import ConfigError, ManifestError, list_some


def read_grouped(source: Any, settings: SplitConfig, *, on_leak: str, **options: Any) -> Manifest:
    """Load a manifest, grouped as the `split` section says; `options` are those of `load_manifest`.

    Raises:
        ManifestError: what `load_manifest` refuses; folds of the manifest that part a group or file.
    """
    manifest = read_manifest(source, on_leak=on_leak, **options)
    frame = group_rows(manifest.frame, settings.by)
    return manifest.with_frame(frame, *check_folds(frame, settings, on_leak))


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
    if by not in frame:
        raise ManifestError(f"split.by: {describe_absent(by, list(frame.columns), 'column')}")
    values = [None if pd.isna(cell) or cell == "" else str(cell) for cell in frame[by]]
    return frame.assign(group=pd.Series(values, dtype=object, index=frame.index))


def cut_splits(
    manifest: Manifest,
    settings: SplitConfig,
    *,
    seed: int,
    label: str | Sequence[str] = "label",
    task: str = "classification",
    separator: str = ";",
    strata: Sequence[Sequence[str]] | None = None,
) -> Manifest:
    """Make the splits that a manifest lacks, or hold a fold out as test.

    Args:
        manifest: What is cut.
        settings: The `split` section.
        seed: Of the cut.
        label, task, separator, strata: The labels, as in `make_splits`; `settings.stratify` goes before them.

    Returns:
        A copy with `split` filled, and with folds `fold`; its notes say what was done.

    Raises:
        ConfigError: The manifest has splits, and folds are asked for; there is no such fold.
        ManifestError: There is no column to stratify by, or the rows cannot be cut so.
    """
    options: dict[str, Any] = {"label": label, "task": task, "separator": separator, "strata": strata, "seed": seed}
    if settings.stratify is not None and settings.stratify != label:
        options["strata"] = _column_strata(manifest.frame, settings.stratify)
    if not settings.uses_folds:
        return add_splits(manifest, fractions=settings.fractions, **options)
    held_out, told = _hold_out(manifest, settings, options)
    made = make_splits(held_out.frame, fractions=settings.fractions, **options)
    counts = ", ".join(f"{split} {int((made['split'] == split).sum())}" for split in SPLITS)
    return held_out.with_frame(made, f"{told}; seed {seed}; now {counts}")


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
    is_made = cuts_anew(frame, settings)
    origin = f"made {len(numbers)} folds{by_group}" if is_made else f"{len(numbers)} folds of the manifest"
    # Folds that an earlier cut has made are no longer empty.
    origin = manifest.folds or origin
    folded = make_folds(frame, len(numbers), **options)
    splits = ["test" if number == fold else "train" for number in folded["fold"]]
    held_out = folded.assign(split=pd.Series(splits, dtype=object, index=folded.index))
    return replace(
        manifest, frame=held_out, folds=origin
    ), f"{origin}: fold {fold} is test, valid is cut from the others"


def check_folds(frame: pd.DataFrame, settings: SplitConfig, on_leak: str) -> list[str]:
    """Check that the folds that a manifest has keep groups and files whole; with `on_leak` "warn" return it as notes.

    Raises:
        ManifestError: they do not.
    """
    if not settings.uses_folds or cuts_anew(frame, settings):
        return []
    problems = find_parted(frame)
    if problems and on_leak == "error":
        raise ManifestError(f"{problems[0]} data.on_leak 'warn' trains all the same.")
    return problems


def _column_strata(frame: pd.DataFrame, column: str) -> list[list[str]]:
    if column not in frame:
        raise ManifestError(f"split.stratify: {describe_absent(column, list(frame.columns), 'column')}")
    return [[] if pd.isna(cell) or cell == "" else [str(cell)] for cell in frame[column]]
