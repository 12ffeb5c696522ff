"""Building a store: extract what is new, keep what is not, commit once."""

import hashlib
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from seqconv.errors import AudioError, ManifestError, list_some
from seqconv.features.cases import forget_cases
from seqconv.features.kinds import FeatureKind, RecordedKind, as_settings
from seqconv.features.store.cache import keep_valid, match_rows
from seqconv.features.store.commit_log import Ledger
from seqconv.features.store.entries import BadFile, Entry, RecordingTransform, StoredSequence, entries_of
from seqconv.features.store.extraction import extract_entries
from seqconv.features.store.index import LOCK_NAME, StoreIndex, remove_unnamed, usable_index, write_index
from seqconv.features.store.reading import FeatureStore
from seqconv.files import as_storage_error, cache_folder, folder_of, hold_lock, local_path

_SHOWN_PROBLEMS = 10


def build_store(
    frame: Any,
    settings: FeatureKind | Mapping[str, Any],
    path: str | Path | None = None,
    *,
    num_workers: int | None = None,
    progress: bool = True,
    cache_dir: str | Path | None = None,
    executor: Executor | None = None,
    max_bad_fraction: float = 0.0,
    variant: RecordingTransform | None = None,
) -> FeatureStore:
    """Extract the features of a manifest, or find them extracted, and return them in the order of its rows.

    Features are cached under the settings and the content of each file: a file that changed, or was added, is extracted
    and nothing else; a file that was only touched is hashed and kept. Other settings make another store. What is
    extracted is committed every few seconds: a build that is killed goes on from there.

    Args:
        frame: DataFrame with columns `id` and `path` (absolute), and `start`, `end`, `case` where there are any.
        settings: feature settings, or a mapping of them.
        path: folder of the store. Default: one in the cache, named after the recordings' folder and the settings.
        num_workers: processes; 0 works in this one, which a recording that crashes its decoder then ends. Default: one
            per core; for a small job a single one, or none where arrays are read.
        progress: show a progress bar on stderr.
        cache_dir: folder of the cache. Default: $SEQCONV_CACHE, then the user's cache folder.
        max_bad_fraction: recordings that cannot be read are left out, and listed in the store's `quarantine`, while
            they are no more than this part of all; 0 leaves none out.
        variant: what is done to the samples of the recordings before; its `identity` becomes part of the settings.
        executor: runs `extract_shard` in place of own processes, for example on a cluster that shares the file system.

    Raises:
        AudioError, ManifestError: recordings that cannot be read, all of them in one error; the others stay extracted.
        StoreError: the folder holds something else, or no worker process could start.
        StorageError: the disk is full, or nobody may write there; what was committed stays. The folder is an address.
    """
    settings, entries = as_settings(settings), entries_of(frame)
    wanted = StoreIndex(settings, variant=None if variant is None else variant.identity)
    folder = _default_folder(entries, wanted, cache_dir) if path is None else local_path(path)
    index = usable_index(folder, wanted)
    match = match_rows(folder, entries, index.rows)
    listed_keys = [(row.id, row.key) for row in index.listed]
    if not match.changed and listed_keys == [(entry.id, entry.key) for entry in entries]:
        return FeatureStore(folder, index=index)
    with as_storage_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / LOCK_NAME).touch()
    with hold_lock(folder / LOCK_NAME, when_busy=partial(_say_waiting, folder)):
        # Another process may have built meanwhile.
        index = usable_index(folder, wanted, _say_outdated)
        match = match_rows(folder, entries, index.rows)
        ledger = Ledger(folder, index, are_synced=executor is not None)
        results = extract_entries(
            match.pending,
            settings,
            folder,
            num_workers=num_workers,
            progress=progress,
            executor=executor,
            variant=variant,
        )
        try:
            for rows in results:
                ledger.add(rows)
            ledger.sync()
            found = match.reused | {row.key: row for row in ledger.extracted}
            rows_of = [replace(found[entry.key], id=entry.id) for entry in entries]
            bad = [row for row in rows_of if row.problem is not None]
            _check_bad(bad, len(rows_of), max_bad_fraction, precomputed=not isinstance(settings, RecordedKind))
            listed = [row for row in rows_of if row.problem is None]
            _check_columns(listed)
            _check_widths(listed)
            keys = {row.key for row in listed}
            others = keep_valid([row for row in index.rows if row.key not in keys])
            kept = [replace(row, id=None) for row in others]
            index = replace(index, rows=(*listed, *kept))
            write_index(folder, index)
        except BaseException:
            results.close()
            ledger.keep()
            raise
        remove_unnamed(folder, index.rows)
    forget_cases()
    store = FeatureStore(folder, index=index, num_extracted=len(ledger.extracted) - len(bad))
    store.quarantine = [BadFile(str(row.id), row.path, str(row.problem)) for row in bad]
    return store


def _say_waiting(folder: Path) -> None:
    print(f"Waiting for another process that is writing {folder}", file=sys.stderr, flush=True)


def _say_outdated(folder: Path, count: int) -> None:
    print(
        f"{folder} was built by an earlier version, which took recordings that were cut off, damaged or joined for "
        f"shorter ones; its {count} recordings are read again",
        file=sys.stderr,
        flush=True,
    )


def _default_folder(entries: Sequence[Entry], wanted: StoreIndex, cache_dir: str | Path | None) -> Path:
    """Return a folder for these settings and the folder of the recordings, so that added recordings find it again."""
    folders = {folder_of(entry.path) for entry in entries}
    try:
        root = os.path.commonpath(folders)
    except ValueError:
        root = min(folders)
    digest = hashlib.blake2b(json.dumps([wanted.identity, root]).encode(), digest_size=6).hexdigest()
    name = f"{Path(root).name or 'recordings'}-{wanted.settings.kind}"
    return cache_folder(cache_dir) / "features" / f"{name}{'' if wanted.variant is None else '-variant'}-{digest}"


def _check_bad(bad: Sequence[StoredSequence], count: int, max_bad_fraction: float, *, precomputed: bool) -> None:
    """Raise one AudioError or ManifestError that lists what cannot be read, if it is too much."""
    if not bad or (len(bad) <= max_bad_fraction * count and len(bad) < count):
        return
    is_limited = 0 < max_bad_fraction < 1
    shown = _SHOWN_PROBLEMS if is_limited else len(bad)
    groups = _group_similar(bad) if precomputed else _group_equal(bad)
    lines = [f"  {group[0].id} ({group[0].path}){_others(group)}: {group[0].problem}" for group in groups[:shown]]
    left = sum(map(len, groups[shown:]))
    rest = [f"  and {left} more"] if left else []
    what = "1 recording" if len(bad) == 1 else f"{len(bad)} recordings"
    limit = f", more than the part of {max_bad_fraction:g} that may be left out" if is_limited else ""
    message = "\n".join([f"{what} of {count} cannot be read{limit}:", *lines, *rest])
    error = ManifestError(message) if precomputed else AudioError(message)
    error.reasons = {str(row.id): str(row.problem) for row in bad}
    raise error


def _group_similar(bad: Sequence[StoredSequence]) -> list[list[StoredSequence]]:
    """Group rows whose problems differ only in numbers, such as gaps in one column of many tables."""
    groups: dict[str, list[StoredSequence]] = {}
    for row in bad:
        groups.setdefault(re.sub(r"\d+", "0", str(row.problem)), []).append(row)
    return list(groups.values())


def _group_equal(bad: Sequence[StoredSequence]) -> list[list[StoredSequence]]:
    """Group rows with the same problem if they are many, such as files of another kind; else each has a line."""
    numbers = Counter(row.problem for row in bad)
    groups: dict[tuple[str | None, str | None], list[StoredSequence]] = {}
    for row in bad:
        own = None if numbers[row.problem] > _SHOWN_PROBLEMS else row.id
        groups.setdefault((row.problem, own), []).append(row)
    return list(groups.values())


def _others(group: Sequence[StoredSequence]) -> str:
    return f", and so in {list_some([row.id for row in group[1:]], 3)}" if len(group) > 1 else ""


def _check_columns(listed: Sequence[StoredSequence]) -> None:
    """Check that all tables have the same columns in the same order."""
    ids: dict[tuple[str, ...], list[str | None]] = {}
    for row in listed:
        if row.columns:
            ids.setdefault(row.table_names.used, []).append(row.id)
    if len(ids) < 2:
        return
    shown = "; ".join(f"{', '.join(names)} in {list_some(own, 3)}" for names, own in [*ids.items()][:4])
    same = set.intersection(*map(set, ids))
    common = ", ".join(name for name in next(iter(ids)) if name in same)
    remedy = f"features.columns: [{common}] takes these of each, by name" if common else "Give all the same columns"
    raise ManifestError(f"tables differ in their columns or the order of these: {shown}. {remedy}")


def _check_widths(listed: Sequence[StoredSequence]) -> None:
    widths: dict[int, list[str | None]] = {}
    for row in listed:
        widths.setdefault(row.num_features, []).append(row.id)
    if len(widths) > 1:
        groups = "; ".join(f"{width} in {list_some(ids)}" for width, ids in sorted(widths.items()))
        raise ManifestError(f"sequences differ in their number of features: {groups}. Arrays must be (time, d)")
