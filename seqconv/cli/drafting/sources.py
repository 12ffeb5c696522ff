"""The manifest of a folder or file, and the column of it to learn."""

import math
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from seqconv.cli.drafting.collections import Collection, find_collection, find_lists
from seqconv.data.manifest import load_manifest
from seqconv.data.manifest.columns import KNOWN_COLUMNS, SPLIT_WORDS, SPLITS
from seqconv.data.manifest.folders import AUDIO_SUFFIXES
from seqconv.errors import AudioError, ManifestError, list_some
from seqconv.features.audio.recordings import open_audio
from seqconv.features.cases import find_form

TABLES = ("manifest.csv", "manifest.tsv", "manifest.jsonl", "manifest.parquet")
GROUP_NAMES = ("speaker", "subject", "patient", "person", "machine", "device", "session", "user", "site", "room", "day")
MOST_CLASSES = 30
SEPARATOR = ";"


@dataclass(frozen=True)
class Source:
    """The value of `data.manifest` in a config, its rows, and how it was found.

    `layout`, `more`: further keys of `data`, those that say how it is read and others. `folds`: how many the table has.
    `said`: sentences for the user.
    """

    manifest: str | dict[str, str]
    frame: pd.DataFrame
    found: str
    layout: Mapping[str, Any] = field(default_factory=dict)
    folds: int | None = None
    said: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def without(self, is_out: pd.Series, column: str) -> "Source":
        """Return the source without rows that have no label."""
        note = f"LOOK AT THIS: {is_out.sum():,} of {len(self.frame):,} rows have no '{column}', and are left out"
        kept = self.frame[~is_out].reset_index(drop=True)
        return replace(self, frame=kept, said=(*self.said, note), more={**self.more, "unlabeled": "ignore"})


@dataclass(frozen=True)
class TargetFacts:
    """The target to learn: `task`, its column, and for classes the number of sequences with each."""

    task: str
    column: str
    counts: dict[str, int]
    why: str
    separator: str = SEPARATOR


def find_source(path: Path) -> Source:
    """Find the manifest of a path: a table, a `.ts` file, a folder with one sub-folder a class, or with one a split.

    Raises:
        ManifestError: there is nothing, or nothing that a manifest can be; the message says what is expected.
    """
    if not path.exists():
        raise ManifestError(f"'{path}': there is no such file or folder")
    if path.is_file():
        return Source(str(path), load_manifest(path), f"the table '{path.name}'")
    for name in TABLES:
        if (path / name).is_file():
            return Source(str(path / name), load_manifest(path / name), f"'{name}' in '{path}'")
    collection = find_collection(path) or find_lists(path)
    if collection is not None:
        return _read_collection(collection)
    parts = _find_splits(path)
    if parts:
        files = ", ".join(f"{split}: {Path(part).name}" for split, part in parts.items())
        return Source(parts, load_manifest(parts), f"a part for each split in '{path}' ({files})")
    return Source(str(path), load_manifest(path), f"a sub-folder of '{path}' for each class")


def _read_collection(collection: Collection) -> Source:
    layout = {key: value for key, value in collection.data.items() if key != "manifest"}
    frame, said = load_manifest(collection.data["manifest"], layout=layout), collection.said
    if _is_of_other_files(frame):
        layout["columns"] = {**layout.get("columns", {}), "start": None, "end": None}
        frame = load_manifest(collection.data["manifest"], layout=layout)
        said = [*said, "'start' and 'end' go beyond the recordings: they are times of something else, and not used"]
    return Source(collection.data["manifest"], frame, collection.found, layout, collection.folds, tuple(said))


def _is_of_other_files(frame: pd.DataFrame) -> bool:
    """Whether columns `start` and `end` are no parts of the recordings, which end before."""
    some = frame[frame["end"].notna()].iloc[:50]
    for path, end in zip(some["path"], some["end"], strict=True):
        # A file that cannot be read is named later, with all others.
        with suppress(AudioError):
            whole = open_audio(path, None, None, None) if Path(path).suffix.lower() in AUDIO_SUFFIXES else None
            if whole is not None and end > whole.stop / whole.sample_rate + 0.1:
                return True
    return False


def _find_splits(folder: Path) -> dict[str, str]:
    """Return sub-folders named like splits, or files NAME_TRAIN.ts and NAME_TEST.ts.

    Raises:
        ManifestError: two of them are the same split, so that one would be left out.
    """
    visible = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    folders = [path for path in visible if path.is_dir()]
    if folders and {path.name.lower() for path in folders} <= set(SPLIT_WORDS):
        splits = [(SPLIT_WORDS[path.name.lower()], path) for path in folders]
    else:
        ends = [(path.stem.rsplit("_", 1)[-1].lower(), path) for path in visible if find_form(path) is not None]
        splits = [(SPLIT_WORDS[end], path) for end, path in ends if end in SPLIT_WORDS]
    found: dict[str, str] = {}
    for split in SPLITS:
        same = [path for name, path in splits if name == split]
        if len(same) > 1:
            raise ManifestError(
                f"'{folder}': {list_some(path.name for path in same)} are all {split}, and a config names one of each "
                "split. Join them, give a table of the recordings, or move one away"
            )
        if same:
            found[split] = str(same[0])
    return found if "train" in found else {}


def find_target(frame: pd.DataFrame, column: str | None) -> TargetFacts:
    """Find the kind of values in the target column: classes, several classes in a cell, or numbers.

    Args:
        frame: a manifest.
        column: the target; default `label`.

    Raises:
        ManifestError: there is no such column: lists the others, and what they hold; or it holds a single class.
    """
    name = column or "label"
    if name not in frame or frame[name].isna().all():
        others = [other for other in frame.columns if other not in KNOWN_COLUMNS]
        held = "; ".join(f"{other} ({_describe(frame[other])})" for other in others)
        raise ManifestError(
            f"there is no column '{name}' with labels. Name what is to be learned with --label COLUMN"
            + (f"; the table has {held}" if held else "; the table has no other column either, so add one")
        )
    target = _target_of(name, [str(cell) for cell in frame[name] if not pd.isna(cell)])
    if target.task == "classification" and len(target.counts) == 1:
        raise ManifestError(
            f"all {len(frame):,} sequences have the label '{next(iter(target.counts))}': there is nothing to "
            "learn. Add sequences of another class, or name another column with --label"
        )
    return target


def _target_of(name: str, cells: list[str]) -> TargetFacts:
    numbers, distinct = _numbers_in(cells), len(set(cells))
    counted = distinct == len(set(numbers)) == max(numbers, default=0) - min(numbers, default=0) + 1 < len(cells) / 2
    if (
        len(numbers) == len(cells)
        and (distinct > MOST_CLASSES or any(number % 1 for number in numbers))
        and not counted
    ):
        span = f"{distinct} different numbers from {min(numbers):g} to {max(numbers):g}"
        return TargetFacts("regression", name, {}, span)
    for separator in (SEPARATOR, ",", "|"):
        if not any(separator in cell for cell in cells):
            continue
        parts = [part.strip() for cell in cells for part in cell.split(separator) if part.strip()]
        # Names of single classes may hold a comma, and then their parts do not occur elsewhere.
        if separator == SEPARATOR or len(set(parts)) < len(parts) / 2:
            why = f"cells with several labels, separated by '{separator}'"
            return TargetFacts("multilabel", name, _counted(parts), why, separator)
    return TargetFacts("classification", name, _counted(cells), f"{distinct} different labels")


def find_groups(frame: pd.DataFrame, target: str) -> list[str]:
    """Find columns that look like groups, if there is no column `group`."""
    if not frame["group"].isna().all():
        return []
    return [name for name in frame.columns if name.lower() in GROUP_NAMES and name != target]


def _counted(labels: list[str]) -> dict[str, int]:
    return dict(Counter(sorted(labels)).most_common())


def _describe(cells: pd.Series) -> str:
    present = [str(cell) for cell in cells if not pd.isna(cell)]
    distinct = sorted(set(present))
    numbers = _numbers_in(distinct)
    if len(distinct) > MOST_CLASSES and len(numbers) == len(distinct):
        return f"numbers from {min(numbers):g} to {max(numbers):g}"
    return f"{len(distinct)} values such as {list_some(distinct, limit=2).split(' and ')[0]}"


def _numbers_in(cells: list[str]) -> list[float]:
    """Return the values of the cells that are finite numbers."""
    numbers = pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce")
    return [number for number in numbers.tolist() if math.isfinite(number)]
