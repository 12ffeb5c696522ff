"""Reading a store."""

import hashlib
import threading
from collections.abc import Mapping
from functools import lru_cache, partial
from operator import index as as_index
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from seqconv.errors import StoreError
from seqconv.features.contents import TableNames
from seqconv.features.kinds import FeatureKind
from seqconv.features.store.entries import BadFile
from seqconv.features.store.index import StoreIndex, part_of, read_index
from seqconv.sources import SourceSpan

# Each open shard holds a file descriptor, of which processes often have 1024.
_OPEN_SHARDS = 256


class FeatureStore:
    """A source of sequences that are stored on disk, in the order of the manifest that the store was built for.

    `store[i]` is a read-only float32 view `(time, d)` of the memory-mapped shard: nothing is copied, and a store may be
    larger than memory. Sequences may be read from several threads; a pickled store opens its files again.

    Args:
        path: folder of the store.
        index: its index, where the caller has it already.
        num_extracted: how many of the sequences were extracted just now, for a report; the others were cached.

    Attributes:
        table_names: the columns that are features, and those left out, where the sequences are in tables.
        quarantine: what the build that returned this store left out, as (id, path, reason).
        variant: what was done to the recordings before; None where they are stored as they are.

    Raises:
        StoreError: the folder holds no complete store, or a damaged one.
    """

    def __init__(self, path: str | Path, *, index: StoreIndex | None = None, num_extracted: int = 0) -> None:
        self.path = Path(path)
        index = read_index(self.path) if index is None else index
        if index.part is not None and index.part != part_of(index.settings):
            raise StoreError(
                f"{self.path}: the feature kind '{index.settings.kind}' was changed since this store was built. Build "
                "it again, in another folder"
            )
        rows = index.listed
        if not rows:
            raise StoreError(f"{self.path}: the build of this store did not finish; run it again")
        self.settings: FeatureKind = index.settings
        self.variant: Mapping[str, Any] | None = index.variant
        self.ids: list[str] = [str(row.id) for row in rows]
        self.lengths: npt.NDArray[np.int64] = np.array([row.num_frames for row in rows], dtype=np.int64)
        self.num_features: int = rows[0].num_features
        self.table_names: TableNames = rows[0].table_names
        self.num_extracted = num_extracted
        self.quarantine: list[BadFile] = []
        self._rows = rows
        self._open()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: SupportsIndex) -> npt.NDArray[np.float32]:
        row = self._rows[as_index(index)]
        with self._lock:
            column = self._reader(row.shard).get_batch(row.batch)[0]
        values: npt.NDArray[np.float32] = column.to_numpy(zero_copy_only=True)
        return values.reshape(-1, self.num_features)

    def digest(self, index: int) -> str:
        """Hash the data of a sequence: the content of its file, and the region of it."""
        row = self._rows[index]
        content = (row.content, row.start, row.end, row.case, *([row.form] if row.form else []))
        return hashlib.blake2b(repr(content).encode(), digest_size=8).hexdigest()

    def excerpt(self, index: int) -> SourceSpan:
        """Return the recording and the region of a sequence; a case of a file counts as a recording."""
        row = self._rows[index]
        content = row.content if row.case is None else f"{row.content}:{row.case}{row.form}"
        return SourceSpan(content, row.start or 0.0, np.inf if row.end is None else row.end)

    def __repr__(self) -> str:
        return (
            f"FeatureStore({str(self.path)!r}: {len(self)} sequences, {int(self.lengths.sum())} frames, "
            f"{self.num_features} features)"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_reader")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def _open(self) -> None:
        self._lock = threading.Lock()
        self._reader = lru_cache(_OPEN_SHARDS)(partial(_open_shard, self.path))


def _open_shard(folder: Path, name: str) -> Any:
    """Map a shard into memory."""
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.memory_map(str(folder / name)))
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{folder / name}: cannot be read ({error}). The store was rebuilt or damaged since it was opened; "
            "open it again, or delete the folder and build it again"
        ) from error
