"""A log of a build: rows enter the index while it works, so that a build that is killed loses little."""

import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from seqconv.errors import StorageError
from seqconv.features.store.entries import StoredSequence
from seqconv.features.store.index import StoreIndex, remove_unnamed, write_index
from seqconv.files import as_storage_error, remove_leftovers, sync_file

_SECONDS_BETWEEN_COMMITS = 5.0
# An index of a million recordings takes seconds to write: at most a twentieth of a build goes there.
_BUILDING_PER_COMMITTING = 20.0


class Ledger:
    """Rows of the last build, which stay in the index, and those that this build has added.

    Args:
        folder: of the store; nobody else may be building there.
        index: what the last build left there.
        are_synced: whether shards are on the disk when they are added.

    Attributes:
        extracted: rows of this build, also those of recordings that cannot be read.
    """

    def __init__(self, folder: Path, index: StoreIndex, *, are_synced: bool = False) -> None:
        self.extracted: list[StoredSequence] = []
        self._folder = folder
        self._previous = self._committed = index
        self._due = time.monotonic() + _SECONDS_BETWEEN_COMMITS
        self._disk = None if are_synced else ThreadPoolExecutor(1)
        self._syncs: list[Future[None]] = []
        # What a build that was killed was writing.
        remove_unnamed(folder, index.rows)
        remove_leftovers(folder)

    def add(self, rows: Iterable[StoredSequence]) -> None:
        """Take in the rows of a finished shard; every few seconds, commit.

        Raises:
            StorageError: the index cannot be written.
        """
        rows = list(rows)
        self.extracted += rows
        if self._disk is not None:
            self._syncs += [self._disk.submit(self._sync, name) for name in {row.shard for row in rows} - {""}]
        started = time.monotonic()
        if started < self._due:
            return
        self._commit()
        now = time.monotonic()
        self._due = now + max(_SECONDS_BETWEEN_COMMITS, _BUILDING_PER_COMMITTING * (now - started))

    def sync(self) -> None:
        """Wait until all shards that were added are on the disk, as they must be before an index names them.

        Raises:
            StorageError: the disk is full, or is not there any more.
        """
        for each in self._syncs:
            each.result()
        self._syncs.clear()

    def _sync(self, shard: str) -> None:
        with as_storage_error(self._folder / shard):
            sync_file(self._folder / shard)

    def keep(self) -> None:
        """Commit after a failure, so that recordings that were read well are not read again; the last build stays.

        Where the disk is full, what earlier commits name is kept.
        """
        # First, since it makes room: shards that workers did not finish.
        remove_unnamed(self._folder, (*self._previous.rows, *self.extracted))
        try:
            self._commit()
        except StorageError:
            remove_unnamed(self._folder, self._committed.rows)

    def _commit(self) -> None:
        good = [replace(row, id=None) for row in self.extracted if row.problem is None]
        index = replace(self._previous, rows=(*self._previous.rows, *good))
        if len(index.rows) > len(self._committed.rows):
            self.sync()
            write_index(self._folder, index)
            self._committed = index
