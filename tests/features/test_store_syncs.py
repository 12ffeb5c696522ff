"""An index names only shards that are on the disk, though the next ones are extracted while the disk is waited for."""

import errno
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from seqconv.errors import StorageError
from seqconv.features.store import FeatureStore, build_store, building, commit_log
from seqconv.features.store.index import INDEX_NAME, StoreIndex, write_index
from seqconv.files import sync_file

SETTINGS = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 20}


class LazyDisk:
    """An executor that does nothing before somebody asks for the result."""

    def __init__(self, num_threads: int):
        self.num_threads = num_threads

    def submit(self, function: Callable[..., None], *arguments: Any) -> "LazyDisk":
        task = LazyDisk(self.num_threads)
        task.result = partial(function, *arguments)
        return task


@pytest.fixture
def manifest(tmp_path, rng) -> pd.DataFrame:
    """Recordings for three shards."""
    paths = [tmp_path / f"{number}.wav" for number in range(70)]
    for path in paths:
        soundfile.write(path, rng.uniform(-0.5, 0.5, 500), 8000)
    return pd.DataFrame({"id": [path.stem for path in paths], "path": list(map(str, paths))})


@pytest.mark.parametrize("num_workers", [0, 2])
def test_an_index_names_only_shards_that_were_synced(tmp_path, monkeypatch, manifest, num_workers):
    synced, written = set[str](), []

    def sync(path: Path) -> None:
        sync_file(path)
        synced.add(path.name)

    def write(folder: Path, index: StoreIndex) -> None:
        named = {row.shard for row in index.rows}
        assert named <= synced
        written.append(len(named))
        write_index(folder, index)

    monkeypatch.setattr(commit_log, "ThreadPoolExecutor", LazyDisk)
    monkeypatch.setattr(commit_log, "_SECONDS_BETWEEN_COMMITS", 0.0)
    monkeypatch.setattr(commit_log, "_BUILDING_PER_COMMITTING", 0.0)
    monkeypatch.setattr(commit_log, "sync_file", sync)
    for module in (commit_log, building):
        monkeypatch.setattr(module, "write_index", write)
    store = build_store(manifest, SETTINGS, tmp_path / "store", num_workers=num_workers, progress=False)
    assert written == [1, 2, 3, 3]
    assert len(store) == 70


def test_a_disk_that_takes_nothing_is_said_and_no_index_names_what_it_lost(tmp_path, monkeypatch, manifest):
    def sync(path: Path) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as broken:
        broken.setattr(commit_log, "sync_file", sync)
        with pytest.raises(StorageError, match=r"shard-\w+\.arrow cannot be written: No space left on device"):
            build_store(manifest, SETTINGS, tmp_path / "store", num_workers=0, progress=False)
    assert not (tmp_path / "store" / INDEX_NAME).exists()
    assert not list((tmp_path / "store").glob("shard-*"))
    store = build_store(manifest, SETTINGS, tmp_path / "store", num_workers=0, progress=False)
    assert (len(store), store.num_extracted) == (70, 70)


def test_an_executor_syncs_its_shards_itself(tmp_path, monkeypatch, manifest):
    synced = []
    monkeypatch.setattr("seqconv.features.store.shards.sync_file", lambda path: synced.append(path.name))
    monkeypatch.setattr(commit_log, "sync_file", pytest.fail)
    with ThreadPoolExecutor(1) as executor:
        build_store(manifest, SETTINGS, tmp_path / "store", executor=executor, progress=False)
    assert len(synced) == 3
    assert np.isfinite(FeatureStore(tmp_path / "store")[69]).all()
