"""The extraction: in this process, in workers, or on an executor."""

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from functools import partial
from pathlib import Path
from uuid import uuid4

from seqconv.errors import ConfigError, StoreError, list_some
from seqconv.features.audio.containers import MEDIA_SUFFIXES
from seqconv.features.kinds import FeatureKind, RecordedKind
from seqconv.features.store.entries import Entry, RecordingTransform, StoredSequence
from seqconv.features.store.shards import extract_shard
from seqconv.features.store.workers import WorkerDeath, available_cores, map_in_workers
from seqconv.files import is_address, suffix_of

# Entries of a shard. Few, so that each worker gets several shards, and little is done again where an entry ends its
# worker: then all entries of its shard are extracted again. Of many entries more, as each shard waits for the disk.
_MOST_ENTRIES = 32
_MANY_SHARDS = 32
_MOST_OF_MANY = 512
# Nothing has to be decoded for a sequence of a file that is read whole.
_MOST_CASES = 4096
_SHARD_BYTES = 64 << 20
# Bytes of samples, 16 bits each, over bytes of file; a long FLAC, Ogg or MP3 says little about its duration.
_COMPRESSION = {".flac": 3, ".ogg": 12, ".oga": 12, ".opus": 16, ".mp3": 12, **dict.fromkeys(MEDIA_SUFFIXES, 12)}
_UNKNOWN_BYTES = 1 << 20
# Below both, workers would still be importing when this process is done.
_SMALL_JOB_ENTRIES = 512
_SMALL_JOB_BYTES = 64 << 20
# A recording takes milliseconds; a minute is a decoder that hangs, or a disk that does.
_TIME_LIMIT = 60.0

Call = tuple[list[Entry], FeatureKind, Path]
Extract = Callable[..., list[StoredSequence]]


def extract_entries(
    entries: Sequence[Entry],
    settings: FeatureKind,
    folder: Path,
    *,
    num_workers: int | None,
    progress: bool,
    executor: Executor | None,
    variant: RecordingTransform | None = None,
) -> Generator[list[StoredSequence]]:
    """Extract `entries` into new shards in `folder`; yield the rows of each shard as it is finished.

    Shards are synced only by an executor.
    """
    if not entries:
        return
    calls = [(chunk, settings, _new_shard(folder)) for chunk in cut_into_shards(entries, settings)]
    workers = _choose_workers(entries, settings, num_workers)
    # What another machine wrote, it alone can sync; the rest is up to the ledger, while the next shard is extracted.
    extract = partial(extract_shard, variant=variant, is_synced=executor is not None)
    if executor is not None:
        results = _map_on_executor(executor, extract, calls)
    elif workers:
        results = _map_in_workers(partial(extract, time_limit=_TIME_LIMIT), calls, workers)
    else:
        results = (extract(*call) for call in calls)
    yield from _show_progress(results, len(entries)) if progress else results


def _map_in_workers(extract: Extract, calls: Sequence[Call], num_workers: int) -> Iterator[list[StoredSequence]]:
    """Yield the rows of each call; if a worker dies, try its entries one by one, until one alone ends another."""
    lost: list[Entry] = []
    for call, result in map_in_workers(extract, calls, num_workers=num_workers):
        if isinstance(result, WorkerDeath):
            lost += call[0]
        else:
            yield result
    settings, folder = calls[0][1], calls[0][2].parent
    # By one worker: if memory ran out, its neighbors may have been the reason.
    singly = [([entry], settings, _new_shard(folder)) for entry in lost]
    for call, result in map_in_workers(extract, singly, num_workers=1):
        yield [_lost_row(call[0][0], result)] if isinstance(result, WorkerDeath) else result


def _lost_row(entry: Entry, death: WorkerDeath) -> StoredSequence:
    reasons = {
        "SIGALRM": f"decoding it took more than {_TIME_LIMIT:g} s",
        "SIGKILL": "the process that decoded it was killed (SIGKILL), as it is when memory runs out",
    }
    reason = reasons.get(death.how, f"the process that decoded it ended ({death.how})")
    return StoredSequence.of(entry, problem=reason)


def _new_shard(folder: Path) -> Path:
    return folder / f"shard-{uuid4().hex}.arrow"


def cut_into_shards(entries: Sequence[Entry], settings: FeatureKind) -> list[list[Entry]]:
    """Cut entries, in order, into groups with features of about 64 MB at most; a single entry may take more."""
    shards: list[list[Entry]] = []
    size = 0
    most_entries = max(_MOST_ENTRIES, min(len(entries) // _MANY_SHARDS, _MOST_OF_MANY))
    for entry, bytes_ in zip(entries, _estimate_all(entries, settings), strict=True):
        most = most_entries if entry.case is None else _MOST_CASES
        if not shards or len(shards[-1]) >= most or size + bytes_ > _SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(entry)
        size += bytes_
    return shards


def _estimate_all(entries: Sequence[Entry], settings: FeatureKind) -> list[int]:
    """Estimate the bytes of features; the sequences of one file have its bytes together."""
    shares = Counter(entry.path for entry in entries if entry.case is not None)
    sizes = {path: estimated_bytes(Entry("", path), settings) // count for path, count in shares.items()}
    return [estimated_bytes(entry, settings) if entry.case is None else sizes[entry.path] for entry in entries]


def estimated_bytes(entry: Entry, settings: FeatureKind) -> int:
    """Estimate the bytes of an entry's features, from its region or its file."""
    width = settings.num_features or 1
    if isinstance(settings, RecordedKind) and entry.end is not None:
        return int((entry.end - (entry.start or 0.0)) / settings.seconds_per_frame + 1) * width * 4
    try:
        # Of a file at an address, the way there would take longer than the estimate is worth.
        size = _UNKNOWN_BYTES if is_address(entry.path) else os.stat(entry.path).st_size  # noqa: PTH116
    except OSError:
        return 0
    if not isinstance(settings, RecordedKind):
        return size
    samples = size * _COMPRESSION.get(suffix_of(entry.path), 1) // 2
    return settings.count_frames(samples) * width * 4


def _choose_workers(entries: Sequence[Entry], settings: FeatureKind, num_workers: int | None) -> int:
    if num_workers is not None:
        if num_workers < 0:
            raise ConfigError(f"num_workers={num_workers} must be 0 (work in this process) or more")
        return num_workers
    if type(settings).__module__ == "__main__":
        # A kind that was typed in a notebook or script is not found by other processes.
        return 0
    # A decoder that crashes must not take this process with it; arrays cannot crash.
    fewest = 1 if isinstance(settings, RecordedKind) else 0
    # Each worker would read a file of several sequences again.
    small = len({entry.id if entry.case is None else entry.path for entry in entries}) <= _SMALL_JOB_ENTRIES
    if small and sum(_estimate_all(entries, settings)) <= _SMALL_JOB_BYTES:
        return fewest
    return available_cores()


def _map_on_executor(executor: Executor, extract: Extract, calls: Sequence[Call]) -> Iterator[list[StoredSequence]]:
    futures = {executor.submit(extract, *call): call for call in calls}
    try:
        for future in as_completed(futures):
            yield future.result()
    except BrokenExecutor as error:
        lost = [entry.id for future, call in futures.items() if _is_lost(future) for entry in call[0]]
        raise StoreError(f"a worker of the executor ended ({error}); not extracted: {list_some(lost)}") from error
    finally:
        for future in futures:
            future.cancel()


def _is_lost(future: Future[list[StoredSequence]]) -> bool:
    return not future.done() or future.cancelled() or future.exception() is not None


def _show_progress(results: Iterable[list[StoredSequence]], total: int) -> Iterator[list[StoredSequence]]:
    """Yield the rows of each shard, and show on stderr how many of all entries are done."""
    from importlib.util import find_spec

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    # In a notebook, rich draws with ipywidgets and warns without them; plain text serves there.
    console = Console(stderr=True, force_jupyter=None if find_spec("ipywidgets") else False)
    columns = (TextColumn("Extracting features"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=total)
        for rows in results:
            bar.advance(task, len(rows))
            yield rows
