"""Reuse of stored features: files are compared by size and time, and by content if these differ."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from seqconv.errors import AudioError, StorageError
from seqconv.features.precomputed import TABLE_SUFFIXES
from seqconv.features.store.entries import Entry, Key, StoredSequence
from seqconv.features.store.shards import fingerprint
from seqconv.files import look_up, suffix_of


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
    statuses = look_up(entry.path for entry in entries if entry.key in known)
    reused: dict[Key, StoredSequence] = {}
    touched: dict[Key, Entry] = {}
    pending: dict[Key, Entry] = {}
    for entry in entries:
        row = known.get(entry.key)
        now = statuses.get(entry.path)
        if row is None or row.shard not in shards or now is None or now[0] != row.size or _is_outdated(row):
            pending.setdefault(entry.key, entry)
        elif now[1] != row.mtime_ns:
            touched.setdefault(entry.key, entry)
        else:
            reused[entry.key] = row
    fingerprints = _hash_files({entry.path for entry in touched.values()})
    for key, entry in touched.items():
        size, modified, content = fingerprints[entry.path]
        if content == known[key].content:
            reused[key] = replace(known[key], size=size, mtime_ns=modified)
        else:
            pending[key] = entry
    return Match(reused, list(pending.values()), changed=bool(pending or touched))


def still_valid(row: StoredSequence) -> bool:
    """Whether the file of a row is as it was when its features were extracted."""
    try:
        return look_up([row.path])[row.path] == (row.size, row.mtime_ns)
    except StorageError:
        # Nothing asks for it now, so that nothing depends on its address.
        return False


def _is_outdated(row: StoredSequence) -> bool:
    """Whether a row is of a table that was read before tables were read by the names of their columns."""
    return not row.columns and suffix_of(row.path) in TABLE_SUFFIXES


def _hash_files(paths: set[str]) -> dict[str, tuple[int, int, str]]:
    """Return fingerprints of files; hashing releases the interpreter, so threads are enough."""
    ordered = sorted(paths)
    with ThreadPoolExecutor() as pool:
        return dict(zip(ordered, pool.map(_fingerprint_or_nothing, ordered), strict=True))


def _fingerprint_or_nothing(path: str) -> tuple[int, int, str]:
    try:
        return fingerprint(path)
    except (AudioError, OSError):
        # The extraction that follows says what is wrong with it.
        return (-1, -1, "")
