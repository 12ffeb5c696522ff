"""Worker processes: from scripts without a guard, dying, failing, and two builders of one store."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from support.decoder import DECODER
from support.waiting import PATIENCE, wait_until

from seqconv.errors import AudioError, ConfigError, StoreError
from seqconv.features.store import FeatureStore, build_store
from seqconv.features.store.workers import WorkerDeath, map_in_workers

SETTINGS = {"sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 20}

# As a user writes it: no function, no `if __name__ == "__main__"`.
SCRIPT = """
import sys
import pandas as pd
from seqconv.features.store import build_store

print("started")
frame = pd.read_csv(sys.argv[1], dtype=str)
store = build_store(frame, {settings}, sys.argv[2], num_workers=2)
print(len(store), store.num_extracted)
"""


@pytest.fixture
def recordings(tmp_path: Path) -> pd.DataFrame:
    rows = []
    for number in range(70):
        path = tmp_path / f"{number}.wav"
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, 800 + 10 * number)
        soundfile.write(path, samples, 8000, format="FLAC")
        rows.append((f"r{number}", str(path)))
    return pd.DataFrame(rows, columns=["id", "path"])


def start_script(recordings: pd.DataFrame, tmp_path: Path) -> "subprocess.Popen[str]":
    script, table = tmp_path / "plain_script.py", tmp_path / "manifest.csv"
    script.write_text(SCRIPT.format(settings=SETTINGS))
    recordings.to_csv(table, index=False)
    command = [sys.executable, str(script), str(table), str(tmp_path / "store")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)


def test_two_scripts_without_a_guard_build_one_store(recordings, tmp_path):
    scripts = [start_script(recordings, tmp_path) for _ in range(2)]
    outputs = [script.communicate(timeout=PATIENCE) for script in scripts]
    for _, errors in outputs:
        assert "Error" not in errors
    # Each ran its script once, and only one of them had anything to extract.
    assert sorted(output for output, _ in outputs) == ["started\n70 0\n", "started\n70 70\n"]
    store = FeatureStore(tmp_path / "store")
    assert store.ids == list(recordings["id"])
    alone = build_store(recordings, SETTINGS, tmp_path / "alone", num_workers=0, progress=False)
    for index in range(70):
        np.testing.assert_allclose(store[index], alone[index], rtol=1e-5, atol=1e-3)


def test_a_build_that_is_killed_leaves_nothing_in_the_way(recordings, tmp_path):
    script = start_script(recordings, tmp_path)
    wait_until((tmp_path / "store" / "lock").exists)
    script.send_signal(signal.SIGKILL)
    script.communicate(timeout=PATIENCE)
    store = build_store(recordings, SETTINGS, tmp_path / "store", num_workers=0, progress=False)
    assert store.num_extracted == 70
    assert {path.name for path in store.path.iterdir()} == {"lock", "index.arrow", *(row.shard for row in store._rows)}


@pytest.mark.parametrize(
    ("function", "argument", "how"), [(os._exit, 3, "exit code 3"), (signal.raise_signal, 9, "SIGKILL")]
)
def test_a_dead_worker_is_the_result_of_its_call_and_is_replaced(function, argument, how):
    calls = [(argument,)] * 3
    assert list(map_in_workers(function, calls, num_workers=2)) == [(call, WorkerDeath(how)) for call in calls]


def test_a_worker_that_cannot_start_is_told(monkeypatch, tmp_path):
    (tmp_path / "pickle.py").write_text("raise SystemExit(7)")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StoreError, match=r"a worker process could not start \(exit code 7\)"):
        list(map_in_workers(int, [("1",)] * 3, num_workers=2))


@pytest.mark.parametrize("num_workers", [None, 2])
def test_a_recording_that_ends_its_worker_is_one_bad_file(recordings, tmp_path, monkeypatch, num_workers):
    (tmp_path / "decoder").mkdir()
    (tmp_path / "decoder" / "soundfile.py").write_text(DECODER)
    monkeypatch.syspath_prepend(tmp_path / "decoder")
    options = {"num_workers": num_workers, "progress": False}
    with pytest.raises(AudioError, match="4 recordings of 70 cannot be read") as caught:
        build_store(recordings, SETTINGS, tmp_path / "store", **options)
    for number, reason in {
        3: "the process that decoded it ended (SIGSEGV)",
        5: "the process that decoded it was killed (SIGKILL), as it is when memory runs out",
        40: "decoding it took more than 60 s",
        41: "there is not enough memory for it (of 9 GiB)",
    }.items():
        assert f"r{number} ({tmp_path / str(number)}.wav): {reason}" in str(caught.value)
    # The others stay extracted, in whole shards.
    rest = recordings.drop([3, 5, 40, 41]).reset_index(drop=True)
    store = build_store(rest, SETTINGS, tmp_path / "store", **options)
    assert (len(store), store.num_extracted) == (66, 0)
    assert not list(store.path.glob("*.partial"))


def test_an_exception_in_a_worker_is_raised_here_with_its_place():
    with pytest.raises(ValueError, match="invalid literal") as caught:
        list(map_in_workers(int, [("x",)], num_workers=1))
    assert "In a worker process" in caught.value.__notes__[0]


def test_a_call_that_cannot_be_sent_is_no_hang():
    with pytest.raises(Exception, match="pickle"):
        list(map_in_workers(int, [(lambda: None,)], num_workers=1))


def test_what_a_library_prints_does_not_get_between_the_answers():
    calls = [(f"x{number}",) for number in range(4)]
    results = dict(map_in_workers(print, calls, num_workers=2))
    assert results == dict.fromkeys(calls)


def test_settings_that_no_recording_can_satisfy_end_the_build(recordings, tmp_path):
    with pytest.raises(ConfigError, match="mel bands hold no bin"):
        build_store(recordings, {**SETTINGS, "n_mels": 900}, tmp_path / "store", num_workers=2, progress=False)
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["lock"]
    with pytest.raises(ConfigError, match="num_workers=-1"):
        build_store(recordings, SETTINGS, tmp_path / "store", num_workers=-1, progress=False)


LOADS_A_LIBRARY_BETWEEN_SHARDS = """
import sys
import numpy as np, soundfile
from pathlib import Path
from threadpoolctl import threadpool_info
from seqconv.features.store.entries import Entry
from seqconv.features.store.shards import extract_shard

class Look:
    def apply(self, samples, rate, content):
        pools.append({pool["filepath"]: pool["num_threads"] for pool in threadpool_info()})
        return samples

folder, pools = Path(sys.argv[1]), []
soundfile.write(folder / "x.wav", np.full(999, 0.25), 8000)
for name in "ab":
    rows = extract_shard([Entry("x", str(folder / "x.wav"))], {"kind": "waveform", "sample_rate": 8000},
                         folder / name, variant=Look())
    assert not rows[0].problem, rows
    import scipy.linalg
first, second = pools
assert second.keys() > first.keys(), "SciPy has a BLAS of its own"
assert set(second.values()) == {1}, pools
"""


@pytest.mark.skipif(sys.platform != "linux", reason="wheels of NumPy and SciPy for Linux have an OpenBLAS each")
def test_libraries_that_were_loaded_since_the_last_shard_have_one_core_too(tmp_path):
    arguments = [sys.executable, "-c", LOADS_A_LIBRARY_BETWEEN_SHARDS, str(tmp_path)]
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=False, env={**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    )
    assert done.returncode == 0, done.stderr
