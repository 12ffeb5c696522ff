"""Reuse of stored features: files are compared by size and time, and by content if these differ."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from seqconv.errors import AudioError, StorageError
from seqconv.features.cases import files_of
from seqconv.features.precomputed import TABLE_SUFFIXES
from seqconv.features.store.entries import Entry, Key, StoredSequence
from seqconv.features.store.shards import fingerprint
from seqconv.files import Status, look_up, suffix_of


@dataclass(frozen=True)
class Match:
    """Rows that are still valid, entries to extract, and whether the index differs from that."""

    reused: dict[Key, StoredSequence]
    pending: list[Entry]
    changed: bool


def match_rows(folder: Path, entries: Sequence[Entry], rows: Sequence[StoredSequence]) -> Match:
    """Find the entries whose features the store, which has these rows, already holds."""
    known = {row.key: row for row in rows}
    shards = {path.name for path in folder.iterdir()} if known else set()
    statuses = _look_up(entry for entry in entries if entry.key in known)
    reused: dict[Key, StoredSequence] = {}
    touched: dict[Key, Entry] = {}
    pending: dict[Key, Entry] = {}
    for entry in entries:
        row = known.get(entry.key)
        now = statuses.get((entry.path, entry.form))
        if row is None or row.shard not in shards or now is None or now[0] != row.size or _is_outdated(row):
            pending.setdefault(entry.key, entry)
        elif now[1] != row.mtime_ns:
            touched.setdefault(entry.key, entry)
        else:
            reused[entry.key] = row
    fingerprints = _hash_files({(entry.path, entry.form) for entry in touched.values()})
    for key, entry in touched.items():
        size, modified, content = fingerprints[entry.path, entry.form]
        if content == known[key].content:
            reused[key] = replace(known[key], size=size, mtime_ns=modified)
        else:
            pending[key] = entry
    return Match(reused, list(pending.values()), changed=bool(pending or touched))


def keep_valid(rows: Sequence[StoredSequence]) -> list[StoredSequence]:
    """Return the rows whose files are as they were when their features were extracted."""
    try:
        now = _look_up(rows)
    except StorageError:
        # Nothing asks for them now, so that nothing depends on their addresses.
        return [row for each in rows if len(rows) > 1 for row in keep_valid([each])]
    return [row for row in rows if now[row.path, row.form] == (row.size, row.mtime_ns)]


def _is_outdated(row: StoredSequence) -> bool:
    """Whether a row is of a table that was read before tables were read by the names of their columns."""
    return not row.columns and row.case is None and suffix_of(row.path) in TABLE_SUFFIXES


def _look_up(wanted: Iterable[Entry | StoredSequence]) -> dict[tuple[str, str], tuple[int, int] | None]:
    """Return size and version by path and form; of several files, the sum and the latest; None if one is missing."""
    files = {(each.path, each.form): [str(file) for file in files_of(each.path, each.form)] for each in wanted}
    found = look_up(file for each in files.values() for file in each)
    return {place: _join([found[file] for file in each]) for place, each in files.items()}


def _join(statuses: Sequence[Status | None]) -> tuple[int, int] | None:
    known = [status for status in statuses if status is not None]
    if len(known) < len(statuses):
        return None
    return sum(status.size for status in known), max(status.version for status in known)


def _hash_files(places: set[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int, str]]:
    """Return fingerprints by path and form; hashing releases the interpreter, so threads are enough."""
    ordered = sorted(places)
    with ThreadPoolExecutor() as pool:
        return dict(zip(ordered, pool.map(_fingerprint_or_nothing, ordered), strict=True))


def _fingerprint_or_nothing(place: tuple[str, str]) -> tuple[int, int, str]:
    try:
        return fingerprint(*place)
    except (AudioError, OSError):
        # The extraction that follows says what is wrong with it.
        return (-1, -1, "")
