"""Checks of a manifest; every check returns its problems as text, so that all are reported at once."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from seqconv.data.manifest.columns import SPLITS, UNSURE_SPLITS, find_rows
from seqconv.errors import ManifestError, list_some
from seqconv.features.audio.containers import MEDIA_SUFFIXES, describe_unreadable, find_unreadable, is_media
from seqconv.features.cases import case_arguments, case_columns
from seqconv.files import is_address, is_file, look_up


def check_manifest(frame: pd.DataFrame) -> None:
    """Check ids, files, splits, groups, parts and weights of a loaded manifest.

    Args:
        frame: As `load_manifest` returns it.

    Raises:
        ManifestError: With every problem, each with the first few ids and the count.
    """
    raise_problems([*find_problems(frame), *find_leak_problems(frame)])


def raise_problems(problems: Sequence[str], source: str = "") -> None:
    """Raise one error that lists all problems, if there are any; `source` names the manifest."""
    name = f"manifest '{source}'" if source else "the manifest"
    if len(problems) == 1:
        raise ManifestError(f"{name}: {problems[0]}")
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise ManifestError(f"{name} has {len(problems)} problems:{listed}")


def find_problems(frame: pd.DataFrame) -> list[str]:
    """Return everything that is wrong with ids, files, splits, parts and weights."""
    ids, start, end = frame["id"], frame["start"].fillna(0.0), frame["end"]
    is_reversed = (start >= 0) & (end >= 0) & (end <= start)
    return [
        *find_rows(ids, frame["path"].isna(), "{count} rows have an empty 'path': {rows}."),
        *_find_repeated_ids(frame),
        *_find_missing_files(frame),
        *_find_unreadable_files(frame),
        *_find_bad_splits(frame),
        *find_rows(ids, (start < 0) | (end < 0), "'start' and 'end' are seconds from 0; {count} rows are not: {rows}."),
        *find_rows(ids, is_reversed, "'end' must be after 'start' (0 if empty); in {count} rows it is not: {rows}."),
        *find_rows(ids, frame["weight"] < 0, "'weight' must not be negative; {count} rows are: {rows}."),
    ]


def _find_repeated_ids(frame: pd.DataFrame) -> Iterable[str]:
    ids = frame["id"].dropna()
    repeated = ids[ids.duplicated()].unique()
    text = f"{len(repeated)} ids are in more than one row: {{rows}}. Give each row its own 'id' (default: the path)."
    return find_rows(frame["id"], frame["id"].isin(repeated), text)


def _find_missing_files(frame: pd.DataFrame) -> Iterable[str]:
    missing = [path for path, status in look_up(frame["path"].dropna()).items() if status is None]
    first = next(iter(missing), "")
    text = f"{len(missing)} files of column 'path' are missing, the first is '{first}'"
    suffix = next((suffix for suffix in (".wav", ".flac", ".ogg", ".mp3", ".npy") if is_file(first + suffix)), None)
    hint = f" There is one with '{suffix}': say so with data.path: '{{path}}{suffix}'." if suffix and missing else ""
    return find_rows(frame["id"], frame["path"].isin(missing), f"{text}: {{rows}}.{hint}")


def _find_unreadable_files(frame: pd.DataFrame) -> Iterable[str]:
    named = [path for path in frame["path"].dropna().unique() if path.lower().endswith(MEDIA_SUFFIXES)]
    here = [Path(path) for path in named if not is_address(path)]
    # The content decides, whatever the name.
    found = [path for path in find_unreadable(here) if is_media(path)]
    if found:
        text = f"column 'path' names {describe_unreadable(found)}. {{count}} rows have them: {{rows}}."
        yield from find_rows(frame["id"], frame["path"].isin(set(map(str, found))), text)


def _find_bad_splits(frame: pd.DataFrame) -> Iterable[str]:
    ids, splits = frame["id"], frame["split"]
    for value in splits.dropna().unique():
        if value not in SPLITS:
            hint = _hint(value)
            text = f"'{value}' in column 'split' is not a split; splits are {', '.join(SPLITS)}.{hint}"
            yield from find_rows(ids, splits == value, f"{text} {{count}} rows have it: {{rows}}.")
    if splits.notna().any():
        text = f"'split' is empty in {{count}} of {len(frame)} rows: {{rows}}."
        yield from find_rows(ids, splits.isna(), f"{text} Fill them, or empty the whole column to have splits made.")


def _hint(value: str) -> str:
    lowered = value.strip().lower()
    if lowered in UNSURE_SPLITS:
        return " It may be valid or test, or what is trained on: write one of them."
    near = difflib.get_close_matches(lowered, SPLITS, n=1, cutoff=0.6)
    return f" Write '{near[0]}' instead." if near else ""


def file_keys(frame: pd.DataFrame) -> pd.Series:
    """Return what a row reads: its file, or one case of it. Regions of one recording have the same key."""
    if "case" not in frame:
        return frame["path"]
    cases = [case_arguments(row)["case"] for row in frame[case_columns(frame)].to_dict("records")]
    keys = [path if case is None else f"{path}:{case}" for path, case in zip(frame["path"], cases, strict=True)]
    return pd.Series(keys, frame.index, object)


def find_leak_problems(frame: pd.DataFrame) -> Iterable[str]:
    """Yield groups and files that are in more than one split."""
    for kind, keys in (("groups", frame["group"]), ("files", file_keys(frame))):
        used = keys.notna() & frame["split"].notna()
        num_splits = frame.loc[used, "split"].groupby(keys[used], sort=False).nunique()
        leaking = num_splits.index[num_splits > 1]
        if len(leaking):
            ids = frame.loc[keys.isin(leaking), "id"]
            yield (
                f"{len(leaking)} {kind} are in more than one split: {list_some(leaking)}; "
                f"{len(ids)} ids: {list_some(ids)}. "
                f"Put all rows of {'a group' if kind == 'groups' else 'a file, its parts too,'} into one split."
            )
