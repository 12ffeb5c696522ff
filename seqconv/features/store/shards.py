"""Shards: immutable Arrow IPC files, one record batch per sequence, each one contiguous `(time, d)` block."""

import hashlib
import json
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from seqconv.errors import AudioError, ConfigError, ManifestError, SeqconvError, ShapeError, StorageError
from seqconv.features.audio.decoding import decode_audio
from seqconv.features.audio.recordings import describe_absence
from seqconv.features.cases import files_of
from seqconv.features.contents import TableNames
from seqconv.features.extraction import extract_features, extract_recording
from seqconv.features.kinds import FeatureKind, Features, RecordedKind, as_settings
from seqconv.features.precomputed import read_features
from seqconv.features.store.entries import Entry, RecordingTransform, StoredSequence
from seqconv.files import as_storage_error, fetch, find_file, status_of, sync_file

_LIMIT_BYTES = 64 << 20
_PIECE_BYTES = 1 << 20


def extract_shard(
    entries: Iterable[Entry],
    settings: FeatureKind | Mapping[str, Any],
    path: str | Path,
    time_limit: float | None = None,
    variant: RecordingTransform | None = None,
    *,
    is_synced: bool = True,
) -> list[StoredSequence]:
    """Extract the features of `entries` into one new shard at `path`; one sequence is in memory at a time.

    It is a pure function of its arguments and the files that they name, and picklable, so that any executor can run it.
    The shard appears under its name when it is complete, and not at all when no entry could be read.

    Args:
        entries: what to extract.
        settings: feature settings, or a mapping of them.
        path: where the shard is written.
        time_limit: seconds for an entry, and as many again for each 64 MiB of its file. Where it is exceeded, **this
            process ends**, which is the only way out of a library that hangs: for workers. None: no limit.
        variant: what is done to the samples before.
        is_synced: whether the shard is on the disk in the end; if not, whoever names it in an index waits for that.

    Returns:
        A row for each entry, in order. What cannot be read has a row with its `problem` and no place in the shard.

    Raises:
        ConfigError: settings that no recording can satisfy, or the wrong kind for these files.
        StorageError: the shard cannot be written.
    """
    settings, path = as_settings(settings), Path(path)
    find_once = lru_cache(maxsize=1)(find_file)
    fingerprint_once = cache(lambda path, form: fingerprint(find_once(path) or path, form))
    rows: list[StoredSequence] = []
    # On one core, as in a worker: matrix products differ in the last digit by how many cores share them.
    with _find_thread_pools(len(sys.modules)).limit(limits=1), _new_shard(path, is_synced=is_synced) as writer:
        for entry in entries:
            try:
                # The network takes its own time, and has limits of its own.
                here = find_once(entry.path)
                with _alarm(here, time_limit):
                    size, modified, content = fingerprint_once(entry.path, entry.form)
                    features, names = _read_entry(entry, here or entry.path, settings, variant, content)
            except (AudioError, ManifestError, ShapeError, OSError, MemoryError) as error:
                rows.append(StoredSequence.of(entry, problem=_reason(error, entry.path)))
                continue
            place = {"shard": path.name, "batch": writer.stats.num_record_batches}
            shape = dict(zip(("num_frames", "num_features"), features.shape, strict=True))
            row = StoredSequence.of(entry, size=size, mtime_ns=modified, content=content, **place, **shape)
            if names.used:
                row = replace(row, columns=json.dumps(names.used), left_out=json.dumps(names.left_out))
            rows.append(row)
            writer.write_batch(_as_batch(features))
    return rows


@lru_cache(maxsize=1)
def _find_thread_pools(num_modules: int) -> ThreadpoolController:
    """Find the libraries with threads of their own: in 1 ms (4 ms beside TensorFlow), so only after further imports."""
    return ThreadpoolController()


@contextmanager
def _new_shard(path: Path, *, is_synced: bool) -> Iterator[Any]:
    """Open an Arrow writer of a shard, which gets its name once it is complete (and synced), if anything was written.

    The name itself is on the disk once the index is, which is written into the same folder and names this shard.

    Raises:
        StorageError: the disk is full, or nobody may write there.
    """
    import pyarrow as pa

    partial = path.with_name(f"{path.name}.partial")
    try:
        with as_storage_error(path):
            with partial.open("wb") as file, pa.ipc.new_file(file, _schema()) as writer:
                yield writer
            if writer.stats.num_record_batches:
                if is_synced:
                    sync_file(partial)
                partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _as_batch(features: Features) -> Any:
    import pyarrow as pa

    block = np.ascontiguousarray(features, dtype=np.float32)
    # Not `pa.array`: it imports pandas, which takes a worker longer than to extract a hundred short recordings.
    values = pa.Array.from_buffers(pa.float32(), block.size, [None, pa.py_buffer(block)])
    return pa.record_batch([values], schema=_schema())


@cache
def _schema() -> Any:
    import pyarrow as pa

    return pa.schema([pa.field("values", pa.float32(), nullable=False)])


def _read_entry(
    entry: Entry, path: str | Path, settings: FeatureKind, variant: RecordingTransform | None, content: str
) -> tuple[Features, TableNames]:
    """Read the features of one entry from `path`, `(time, d)`, or of a variant; `content` is the hash of its file."""
    if not isinstance(settings, RecordedKind):
        return read_features(path, settings, case=entry.case, form=entry.form, start=entry.start, end=entry.end)
    if entry.case is not None:
        raise ConfigError(
            f"features.kind '{settings.kind}' is computed from recordings, but {entry.path} holds sequences of "
            "features. Set features.kind to precomputed"
        )
    part = {"start": entry.start, "end": entry.end}
    if variant is None:
        return extract_recording(path, settings, **part), TableNames()
    samples, rate = decode_audio(path, **part, sample_rate=settings.sample_rate, channel=settings.channel)
    return extract_features(variant.apply(samples, rate, content_of(entry, content)), rate, settings), TableNames()


def content_of(entry: Entry, content: str) -> str:
    """Return what a variant of an entry depends on: the content of its file, as a hash, and the region of it."""
    return repr((content, entry.start, entry.end))


@contextmanager
def _alarm(path: Path | None, time_limit: float | None) -> Iterator[None]:
    """Set a SIGALRM for this process, which ends it, unless the block is done in time."""
    if time_limit is None or not hasattr(signal, "setitimer"):
        yield
        return
    size = 0 if path is None else path.stat().st_size
    signal.setitimer(signal.ITIMER_REAL, time_limit * (1 + size / _LIMIT_BYTES))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def fingerprint(path: str | Path, form: str = "") -> tuple[int, int, str]:
    """Return size in bytes, number of the version (see `Status`) and hash of a file; the hash is taken last.

    Where the sequences of a path are in several files, as its `form` says, all of these.
    """
    files = files_of(path, form)
    if len(files) > 1:
        sizes, versions, contents = zip(*map(fingerprint, files), strict=True)
        return sum(sizes), max(versions), hashlib.blake2b("".join(contents).encode(), digest_size=16).hexdigest()
    try:
        here = fetch(path)
        # Of regular files alone: opening a pipe would wait for its writer.
        size, version = status_of(here)
        digest = hashlib.blake2b(digest_size=16)
        with here.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
    except OSError as error:
        if isinstance(error, StorageError) or find_file(path) is not None:
            raise
        raise AudioError(f"{path}: {describe_absence(path)}") from error
    return size, version, digest.hexdigest()


def _reason(error: Exception, path: str) -> str:
    """Return the reason without the path, which the report names together with the id."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory for it ({error})"
    if isinstance(error, OSError) and not isinstance(error, SeqconvError):
        return f"cannot be read ({error.strerror or error})"
    return str(error).removeprefix(f"{path}: ").removeprefix(f"{Path(path)}: ")
