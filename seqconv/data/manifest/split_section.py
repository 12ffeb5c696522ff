"""A manifest cut as the `split` section of a config says."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from seqconv.data.manifest.columns import SPLITS
from seqconv.data.manifest.folds import find_parted, fold_numbers, make_folds
from seqconv.data.manifest.labels import describe_absent
from seqconv.data.manifest.loading import load_manifest
from seqconv.data.manifest.splits import make_splits
from seqconv.data.split_settings import SplitConfig
from seqconv.errors import ConfigError, ManifestError, list_some


def load_grouped(source: Any, settings: SplitConfig, *, on_leak: str, **options: Any) -> pd.DataFrame:
    """A manifest, grouped as the `split` section says; `options` are those of `load_manifest`.

    Raises:
        ManifestError: what `load_manifest` refuses; folds of the manifest that part a group or file.
    """
    frame = group_rows(load_manifest(source, on_leak=on_leak, **options), settings.by)
    check_folds(frame, settings, on_leak)
    return frame


def group_rows(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """The manifest with the column `by` as its group.

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
    grouped = frame.assign(group=pd.Series(values, dtype=object, index=frame.index))
    grouped.attrs = dict(frame.attrs)
    return grouped


def cut_splits(
    frame: pd.DataFrame,
    settings: SplitConfig,
    *,
    seed: int,
    label: str | Sequence[str] = "label",
    task: str = "classification",
    separator: str = ";",
    strata: Sequence[Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Make the splits that a manifest lacks, or hold a fold out as test.

    Args:
        frame: As `load_manifest` returns it.
        settings: The `split` section.
        seed: Of the cut.
        label, task, separator, strata: The labels, as in `make_splits`; `settings.stratify` goes before them.

    Returns:
        A copy with `split` filled, and with folds `fold`; `attrs["notes"]` says what was done.

    Raises:
        ConfigError: The manifest has splits, and folds are asked for; there is no such fold.
        ManifestError: There is no column to stratify by, or the rows cannot be cut so.
    """
    options: dict[str, Any] = {"label": label, "task": task, "separator": separator, "strata": strata, "seed": seed}
    if settings.stratify is not None and settings.stratify != label:
        options["strata"] = _column_strata(frame, settings.stratify)
    if not settings.uses_folds:
        return make_splits(frame, fractions=settings.fractions, **options)
    held_out, told = _hold_out(frame, settings, options)
    made = make_splits(held_out, fractions=settings.fractions, **options)
    counts = ", ".join(f"{split} {int((made['split'] == split).sum())}" for split in SPLITS)
    made.attrs["notes"] = [*frame.attrs.get("notes", []), f"{told}; seed {seed}; now {counts}"]
    return made


def cuts_anew(frame: pd.DataFrame, settings: SplitConfig) -> bool:
    """Whether the folds of a manifest are made, and not given."""
    return settings.uses_folds and not frame["fold"].notna().any()


def _hold_out(frame: pd.DataFrame, settings: SplitConfig, options: dict[str, Any]) -> tuple[pd.DataFrame, str]:
    """The manifest with one fold as test and all others as train, and what was done."""
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
    origin = frame.attrs.get("folds") or origin
    folded = make_folds(frame, len(numbers), **options)
    splits = ["test" if number == fold else "train" for number in folded["fold"]]
    held_out = folded.assign(split=pd.Series(splits, dtype=object, index=folded.index))
    held_out.attrs["folds"] = origin
    return held_out, f"{origin}: fold {fold} is test, valid is cut from the others"


def check_folds(frame: pd.DataFrame, settings: SplitConfig, on_leak: str) -> None:
    """Whether the folds that a manifest has keep groups and files whole; with `on_leak` "warn" it is noted.

    Raises:
        ManifestError: they do not.
    """
    if not settings.uses_folds or cuts_anew(frame, settings):
        return
    problems = find_parted(frame)
    if problems and on_leak == "error":
        raise ManifestError(f"{problems[0]} data.on_leak 'warn' trains all the same.")
    frame.attrs["notes"] = [*frame.attrs.get("notes", []), *problems]


def _column_strata(frame: pd.DataFrame, column: str) -> list[list[str]]:
    if column not in frame:
        raise ManifestError(f"split.stratify: {describe_absent(column, list(frame.columns), 'column')}")
    return [[] if pd.isna(cell) or cell == "" else [str(cell)] for cell in frame[column]]
