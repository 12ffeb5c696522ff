"""The store: views, caching by content, faults that leave it whole, and one writer at a time."""

import os
import pickle
import re
import shutil
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from seqconv.errors import AudioError, ConfigError, ManifestError, StorageError, StoreError
from seqconv.features import FeatureKind, extract_features
from seqconv.features.store import Entry, FeatureStore, build_store, extract_shard
from seqconv.features.store.extraction import cut_into_shards
from seqconv.features.store.index import read_index, write_index
from seqconv.features.store.shards import fingerprint

SETTINGS = FeatureKind(sample_rate=8000, n_fft=256, hop_length=80, n_mels=20)
DATA = Path(__file__).parents[2] / "data"


@pytest.fixture
def recordings(tmp_path: Path) -> pd.DataFrame:
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number in range(5):
        write_recording(folder / f"{number}.wav", number)
    return manifest(sorted(folder.glob("*.wav")))


def write_recording(path: Path, seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, 1000 + 500 * seed)
    soundfile.write(path, samples, 8000)


def manifest(paths: list[Path]) -> pd.DataFrame:
    return pd.DataFrame({"id": [path.stem for path in paths], "path": [str(path) for path in paths]})


def build(frame: pd.DataFrame, cache: Path, **options: object) -> FeatureStore:
    settings = options.pop("settings", SETTINGS)
    options.setdefault("num_workers", 0)
    return build_store(frame, settings, cache_dir=cache, progress=False, **options)


def assert_holds(store: FeatureStore, frame: pd.DataFrame) -> None:
    """Every sequence is what its recording gives now."""
    assert store.ids == list(frame["id"])
    for index, path in enumerate(frame["path"]):
        samples, rate = soundfile.read(path, dtype="float32")
        np.testing.assert_array_equal(store[index], extract_features(samples, rate, store.settings))
    assert store.lengths.tolist() == [len(store[index]) for index in range(len(store))]


def shards(store: FeatureStore) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in store.path.glob("shard-*")}


def test_a_store_holds_what_extraction_gives(recordings, tmp_path):
    store = build(recordings, tmp_path)
    assert_holds(store, recordings)
    assert (len(store), store.num_features, store.lengths.dtype) == (5, 20, np.int64)
    assert_holds(FeatureStore(store.path), recordings)
    with pytest.raises(IndexError, match="out of range"):
        store[5]
    assert "5 sequences" in repr(store)


def test_a_sequence_is_a_read_only_view_of_the_mapped_file(recordings, tmp_path):
    store = build(recordings, tmp_path)
    assert np.shares_memory(store[2], store[2])
    assert not np.shares_memory(store[2], store[1])
    assert store[2].flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        store[2][0, 0] = 1


def test_a_view_outlives_its_store(recordings, tmp_path):
    store = build(recordings, tmp_path)
    view, copy = store[0], store[0].copy()
    del store
    np.testing.assert_array_equal(view, copy)


def test_a_store_can_be_pickled(recordings, tmp_path):
    assert_holds(pickle.loads(pickle.dumps(build(recordings, tmp_path))), recordings)


def test_a_store_keeps_few_files_open(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr("seqconv.features.store.extraction._MOST_ENTRIES", 1)
    monkeypatch.setattr("seqconv.features.store.reading._OPEN_SHARDS", 2)
    store = build(recordings, tmp_path)
    assert len(shards(store)) == 5
    assert_holds(store, recordings)
    assert store._reader.cache_info().currsize == 2


def test_a_second_start_writes_and_decodes_nothing(recordings, tmp_path):
    first = build(recordings, tmp_path)
    before = shards(first), (first.path / "index.arrow").stat().st_mtime_ns
    second = build(recordings, tmp_path)
    assert (shards(second), (second.path / "index.arrow").stat().st_mtime_ns) == before
    assert (first.num_extracted, second.num_extracted) == (5, 0)


def test_a_changed_file_is_extracted_and_nothing_else(recordings, tmp_path):
    first = build(recordings, tmp_path)
    write_recording(Path(recordings["path"][3]), 30)
    second = build(recordings, tmp_path)
    assert second.path == first.path
    assert second.num_extracted == 1
    assert_holds(second, recordings)


def test_a_change_that_keeps_the_size_shows_by_its_content(recordings, tmp_path):
    build(recordings, tmp_path)
    path = Path(recordings["path"][0])
    samples, _ = soundfile.read(path)
    soundfile.write(path, -samples, 8000)
    os.utime(path, ns=(1, 1))
    store = build(recordings, tmp_path)
    assert store.num_extracted == 1
    assert_holds(store, recordings)


def test_a_touched_file_is_hashed_and_kept(recordings, tmp_path):
    build(recordings, tmp_path)
    os.utime(recordings["path"][0], ns=(1, 1))
    assert build(recordings, tmp_path).num_extracted == 0
    assert_holds(build(recordings, tmp_path), recordings)


def test_an_added_recording_finds_the_store_again(recordings, tmp_path):
    first = build(recordings[:4], tmp_path)
    second = build(recordings, tmp_path)
    assert second.path == first.path
    assert second.num_extracted == 1
    assert_holds(second, recordings)


def test_manifests_of_the_same_recordings_do_not_evict_each_other(recordings, tmp_path):
    build(recordings, tmp_path)
    reversed_part = recordings[:3][::-1].reset_index(drop=True)
    part = build(reversed_part, tmp_path)
    assert part.num_extracted == 0
    assert_holds(part, reversed_part)
    again = build(recordings, tmp_path)
    assert again.num_extracted == 0
    assert_holds(again, recordings)


def test_shards_that_nothing_names_are_removed(recordings, tmp_path):
    store = build(recordings, tmp_path)
    (store.path / "shard-left-over.arrow.partial").touch()
    for path in recordings["path"]:
        write_recording(Path(path), 7)
    names = set(shards(store))
    store = build(recordings, tmp_path)
    assert len(shards(store)) == 1
    assert not names & set(shards(store))
    assert_holds(store, recordings)


def test_a_lost_shard_is_extracted_again(recordings, tmp_path):
    store = build(recordings, tmp_path)
    for name in shards(store):
        (store.path / name).unlink()
    with pytest.raises(StoreError, match="open it again, or delete the folder"):
        FeatureStore(store.path)[0]
    assert_holds(build(recordings, tmp_path), recordings)


def test_other_settings_make_another_store(recordings, tmp_path):
    paths = {
        build(recordings, tmp_path, settings=SETTINGS.model_copy(update=update)).path
        for update in ({}, {"n_mels": 10}, {"normalize": "recording"}, {"hop_length": 40})
    }
    assert len(paths) == 4
    same = [
        build(recordings, tmp_path, settings=SETTINGS.model_copy(update=update))
        for update in ({"normalize": "none"}, {})
    ]
    assert [(store.num_extracted, store.path in paths) for store in same] == [(0, True), (0, True)]
    assert same[0].settings.normalize == "none"


def test_the_environment_and_the_argument_choose_the_cache(recordings, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQCONV_CACHE", str(tmp_path / "environment"))
    by_environment = build_store(recordings, SETTINGS, progress=False)
    assert by_environment.path.is_relative_to(tmp_path / "environment" / "features")
    assert build(recordings, tmp_path / "argument").path.is_relative_to(tmp_path / "argument" / "features")
    assert build_store(recordings, SETTINGS, tmp_path / "here", progress=False).path == tmp_path / "here"


def test_an_explicit_folder_is_not_overwritten(recordings, tmp_path):
    build_store(recordings, SETTINGS, tmp_path / "store", progress=False)
    with pytest.raises(StoreError, match=r"other settings \(n_mels=20 there, 10 here\)"):
        build_store(recordings, {**SETTINGS.model_dump(), "n_mels": 10}, tmp_path / "store", progress=False)
    with pytest.raises(StoreError, match="holds 'recordings', 'store' and no store"):
        build_store(recordings, SETTINGS, tmp_path, progress=False)
    with pytest.raises(StoreError, match="is a file"):
        build_store(recordings, SETTINGS, recordings["path"][0], progress=False)


def test_parts_of_one_recording_are_sequences_of_their_own(recordings, tmp_path):
    path = recordings["path"][4]
    frame = pd.DataFrame({"id": ["a", "b", "c"], "path": path, "start": [0.0, 0.1, None], "end": [0.1, 0.25, None]})
    store = build(frame, tmp_path)
    assert store.lengths.tolist() == [11, 16, 38]
    assert build(frame, tmp_path).num_extracted == 0


def test_one_recording_under_two_ids_is_extracted_once(recordings, tmp_path):
    frame = pd.DataFrame({"id": ["a", "b"], "path": recordings["path"][0]})
    store = build(frame, tmp_path)
    assert store.num_extracted == 1
    np.testing.assert_array_equal(store[0], store[1])


def test_cases_of_a_ts_file(tmp_path):
    path = DATA / "japanese_vowels" / "JapaneseVowels_TRAIN.ts"
    frame = pd.DataFrame({"id": ["0", "1", "2"], "path": str(path), "case": [2, 0, 1]})
    store = build(frame, tmp_path, settings={"kind": "precomputed"})
    assert (len(store), store.num_features) == (3, 12)
    with pytest.raises(ConfigError, match=r"Set features\.kind to precomputed"):
        build(frame, tmp_path)


def test_all_bad_recordings_are_reported_at_once_and_the_good_ones_kept(recordings, tmp_path):
    first = build(recordings[:1], tmp_path)
    Path(recordings["path"][2]).write_text("no audio")
    Path(recordings["path"][3]).unlink()
    with pytest.raises(AudioError, match="2 recordings of 5 cannot be read") as caught:
        build(recordings, tmp_path)
    for number, reason in ((2, "cannot be decoded"), (3, "no such file")):
        assert f"{number} ({recordings['path'][number]}): {reason}" in str(caught.value)
    assert_holds(FeatureStore(first.path), recordings[:1])
    good = recordings.drop(index=[2, 3]).reset_index(drop=True)
    store = build(good, tmp_path)
    assert store.num_extracted == 0
    assert_holds(store, good)


def test_a_first_build_that_fails_is_no_store(recordings, tmp_path):
    Path(recordings["path"][2]).write_text("no audio")
    with pytest.raises(AudioError, match="1 recording of 5"):
        build_store(recordings, SETTINGS, tmp_path / "store", progress=False)
    with pytest.raises(StoreError, match="did not finish"):
        FeatureStore(tmp_path / "store")
    write_recording(Path(recordings["path"][2]), 9)
    store = build_store(recordings, SETTINGS, tmp_path / "store", progress=False)
    assert store.num_extracted == 1
    assert_holds(store, recordings)


def test_features_that_differ_in_number_are_listed(tmp_path):
    for name, width in (("a", 3), ("b", 3), ("c", 4)):
        np.save(tmp_path / f"{name}.npy", np.zeros((5, width)))
    frame = manifest([tmp_path / f"{name}.npy" for name in "abc"])
    with pytest.raises(ManifestError, match=r"3 in 'a', 'b'; 4 in 'c'. Arrays must be \(time, d\)"):
        build(frame, tmp_path / "cache", settings={"kind": "precomputed"})


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"id": ["a"]}), "lacks column 'path'"),
        (pd.DataFrame({"id": [], "path": []}), "no rows"),
        (pd.DataFrame({"id": ["a", "a"], "path": ["x", "y"]}), "the manifest repeats 'a'"),
    ],
)
def test_frames_that_name_no_sequences_are_refused(frame, message, tmp_path):
    with pytest.raises(ManifestError, match=message):
        build(frame, tmp_path)


def test_a_damaged_or_missing_index_is_told(recordings, tmp_path):
    store = build(recordings, tmp_path)
    with pytest.raises(StoreError, match="holds no feature store"):
        FeatureStore(tmp_path)
    index = store.path / "index.arrow"
    index.write_bytes(index.read_bytes()[:100])
    with pytest.raises(StoreError, match=r"damaged.*Delete"):
        FeatureStore(store.path)


def test_an_executor_does_the_same_work(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr("seqconv.features.store.extraction._MOST_ENTRIES", 2)
    with ThreadPoolExecutor(2) as executor:
        store = build(recordings, tmp_path, executor=executor)
    assert len(shards(store)) == 3
    assert_holds(store, recordings)


class DyingExecutor(ThreadPoolExecutor):
    """Does its first call, and breaks at the second."""

    def submit(self, function, /, *arguments, **options):
        if self._counter():
            return super().submit(function, *arguments, **options)
        future = Future()
        future.set_exception(BrokenExecutor("node lost"))
        return future

    def _counter(self):
        self.calls = getattr(self, "calls", 0) + 1
        return self.calls == 1


def test_an_executor_that_breaks_is_told_with_what_it_lost(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr("seqconv.features.store.extraction._MOST_ENTRIES", 3)
    with DyingExecutor(1) as executor, pytest.raises(StoreError, match=r"node lost.*not extracted: .*'3', '4'"):
        build(recordings, tmp_path, executor=executor)
    assert_holds(build(recordings, tmp_path), recordings)


def test_extract_shard_is_pure_and_tells_what_it_cannot_read(recordings, tmp_path):
    entries = [Entry("good", recordings["path"][0]), Entry("bad", str(tmp_path / "missing.wav"))]
    good, bad = extract_shard(entries, SETTINGS.model_dump(), tmp_path / "shard.arrow")
    assert (good.id, good.shard, good.num_frames, good.num_features, good.problem) == (
        "good",
        "shard.arrow",
        13,
        20,
        None,
    )
    assert bad.problem == "no such file"
    shutil.copy(tmp_path / "shard.arrow", tmp_path / "first")
    extract_shard(entries, SETTINGS, tmp_path / "shard.arrow")
    assert (tmp_path / "shard.arrow").read_bytes() == (tmp_path / "first").read_bytes()
    extract_shard(entries[1:], SETTINGS, tmp_path / "nothing.arrow")
    assert not list(tmp_path.glob("nothing*"))


def test_shards_are_bounded_by_what_their_features_take():
    hour = [Entry(str(number), "/long.wav", 60.0 * number, 60.0 * (number + 1)) for number in range(60)]
    waveform = FeatureKind(kind="waveform", sample_rate=16000, n_fft=512, hop_length=160)
    per_minute = 6000 * 512 * 4
    cut = cut_into_shards(hour, waveform)
    assert [entry for shard in cut for entry in shard] == hour
    assert max(map(len, cut)) == (64 << 20) // per_minute


def test_a_place_where_nothing_can_be_written_is_said(recordings, tmp_path):
    (tmp_path / "file").touch()
    reason = r"file/store cannot be written: Not a directory\. Nothing was replaced; make room, or write elsewhere"
    with pytest.raises(StorageError, match=reason):
        build_store(recordings, SETTINGS, tmp_path / "file" / "store", num_workers=0, progress=False)


def test_a_store_of_another_format_is_refused_by_name(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr("seqconv.features.store.index.FORMAT_VERSION", 7)
    store = build(recordings, tmp_path, path=tmp_path / "store")
    monkeypatch.undo()
    with pytest.raises(StoreError, match=r"written in format 7, this version of seqconv reads format 1\. Delete"):
        FeatureStore(store.path)


def test_a_store_of_an_earlier_decoder_is_built_again_and_says_so(recordings, tmp_path, capsys):
    """Earlier versions took what was cut off for a shorter recording, and so it is in their stores."""
    path, first = tmp_path / "store", Path(recordings["path"].iloc[0])
    built = build(recordings, tmp_path, path=path)
    first.write_bytes(first.read_bytes()[:-500])
    size, modified, content = fingerprint(str(first))
    rows = list(read_index(path).rows)
    rows[0] = replace(rows[0], size=size, mtime_ns=modified, content=content)
    write_index(path, replace(read_index(path), rows=tuple(rows)))
    assert build(recordings, tmp_path, path=path).num_extracted == 0
    write_index(path, replace(read_index(path), decoder=1))
    with pytest.raises(AudioError, match=r"(?s)1 recording of 5 cannot be read:.* ends after"):
        build(recordings, tmp_path, path=path)
    said = r"was built by an earlier version, .* shorter ones; its 5 recordings are read again"
    assert re.search(said, capsys.readouterr().err)
    # The good ones are kept by the build that has failed.
    store = build(recordings.iloc[1:], tmp_path, path=path)
    assert store.num_extracted == 0
    assert_holds(store, recordings.iloc[1:])
    assert "earlier version" not in capsys.readouterr().err
    assert len(built) == 5


def test_features_from_elsewhere_do_not_depend_on_the_decoder(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.zeros((5, 2)))
    options = {"settings": FeatureKind(kind="precomputed"), "path": tmp_path / "store"}
    build(manifest([tmp_path / "a.npy"]), tmp_path, **options)
    write_index(tmp_path / "store", replace(read_index(tmp_path / "store"), decoder=1))
    assert build(manifest([tmp_path / "a.npy"]), tmp_path, **options).num_extracted == 0
    assert capsys.readouterr().err == ""
