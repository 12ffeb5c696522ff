"""Writing into a store: a shard is whole or not there, and a full disk is reported as such."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seqconv.errors import StorageError
from seqconv.files import commit_file


@contextmanager
def as_storage_error(path: Path) -> Iterator[None]:
    """Turn what prevents writing `path` into a StorageError that names it and the reason."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}. Nothing was replaced; make room, or write elsewhere"
        ) from error


class ShardWriter:
    """A writer of record batches, as they come, into a temporary file next to `path`, renamed when it is complete.

    Without any batch there is no file; neither is there one when the block fails.

    Raises:
        StorageError: the disk is full, or nobody may write there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._partial = path.with_name(f"{path.name}.partial")

    def __enter__(self) -> "ShardWriter":
        import pyarrow as pa

        self._schema = pa.schema([pa.field("values", pa.float32(), nullable=False)])
        with as_storage_error(self.path):
            self._file = self._partial.open("wb")
            self._writer = pa.ipc.new_file(self._file, self._schema)
        return self

    def append(self, features: npt.NDArray[np.float32]) -> None:
        """Write the features of one sequence, `(time, d)`."""
        import pyarrow as pa

        block = np.ascontiguousarray(features, dtype=np.float32)
        # Not `pa.array`: it imports pandas, which takes each worker longer than its first hundred recordings.
        values = pa.Array.from_buffers(pa.float32(), block.size, [None, pa.py_buffer(block)])
        with as_storage_error(self.path):
            self._writer.write_batch(pa.record_batch([values], schema=self._schema))
        self.count += 1

    def __exit__(self, kind: type[BaseException] | None, *failure: object) -> None:
        try:
            if kind is None:
                self._commit()
            else:
                # What is still buffered cannot be written either.
                with suppress(OSError):
                    self._close()
        finally:
            self._partial.unlink(missing_ok=True)

    def _commit(self) -> None:
        with as_storage_error(self.path):
            self._close()
            if self.count:
                commit_file(self._partial, self.path)

    def _close(self) -> None:
        try:
            self._writer.close()
        finally:
            self._file.close()
