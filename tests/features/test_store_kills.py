"""`seqconv extract` in a process of its own: killed at any moment, stopped, out of disk, and beside another one.

`SEQCONV_KILLS=100 pytest tests/features/test_store_kills.py -k random` kills more often; `SEQCONV_KILL_SEED` at other
moments.
"""

import fcntl
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.waiting import PATIENCE, is_alive_when, wait_until

from seqconv.features.store import FeatureStore
from seqconv.features.store.index import read_index

KILLS = int(os.environ.get("SEQCONV_KILLS", "10"))
SEED = int(os.environ.get("SEQCONV_KILL_SEED", "0"))
NUM_FILES = 400
SETTINGS = ("features.sample_rate=8000", "features.n_fft=256", "features.hop_length=80", "features.n_mels=20")
# A small corpus is done before the first commit is due. What files may grow to, where that is limited.
START = (
    "import signal, sys, resource, seqconv.features.store.commit_log as ledger\n"
    "from seqconv.cli.commands.extract import main\n"
    # Tests that were begun by nohup ignore it, and so would all that they begin.
    "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
    "ledger._SECONDS_BETWEEN_COMMITS = 0.0\n"
    "if {limit}: resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    "sys.exit(main(sys.argv[1:]))"
)


def write_corpus(folder: Path, count: int, num_samples: int) -> Path:
    for number in range(count):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, num_samples + number)
        soundfile.write(folder / f"{number}.wav", noise, 8000)
    names = "\n".join(f"{number}.wav" for number in range(count))
    (folder / "manifest.csv").write_text(f"path\n{names}\n")
    return folder / "manifest.csv"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), NUM_FILES, 4000)


class Process:
    """`seqconv extract`; its outputs go to files."""

    def __init__(self, manifest: Path, store: Path, *, limit: int = 0):
        self.output, self.errors = (store.with_suffix(suffix) for suffix in (".out", ".err"))
        overrides = [word for setting in SETTINGS for word in ("--set", setting)]
        paths = ["--manifest", str(manifest), "--output", str(store), "--workers", "2"]
        with self.output.open("wb") as output, self.errors.open("wb") as errors:
            self.popen = subprocess.Popen(
                [sys.executable, "-c", START.format(limit=limit), *paths, *overrides],
                stdout=output, stderr=errors, start_new_session=True,
            )  # fmt: skip

    def wait_for(self, happens: Callable[[], object]) -> bool:
        """Until `happens()`, or the process has ended: whether it is still there."""
        return is_alive_when(self.popen, happens)

    def end(self, number: int, *, group: bool = False) -> int:
        """Send a signal; returns the exit code. No worker outlives its parent."""
        (os.killpg if group else os.kill)(self.popen.pid, number)
        code = self.popen.wait(timeout=PATIENCE)
        wait_until(lambda: not self.workers())
        return code

    def workers(self) -> list[str]:
        """Process ids of workers whose parent it is, or was: its own id is their last argument."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                words = (place / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"serve_process" in b"".join(words) and words[-2] == str(self.popen.pid).encode():
                found.append(place.name)
        return found

    def finish(self, code: int = 0) -> tuple[int, int]:
        """Wait; returns how many sequences it extracted, and how many it found extracted."""
        assert self.popen.wait(timeout=PATIENCE) == code, self.errors.read_text()
        counts = re.search(r"(\d+) extracted now, (\d+) cached", self.output.read_text())
        return (int(counts[1]), int(counts[2])) if counts else (0, 0)


def committed(store: Path) -> set[str]:
    """Files whose features the index names; each of its shards is there and can be read."""
    if not (store / "index.arrow").exists():
        return set()
    index = read_index(store)
    for row in index.rows:
        assert (store / row.shard).stat().st_size > 0
    return {row.path for row in index.rows}


def assert_complete(store: Path, whole: FeatureStore) -> None:
    """Equal to the one that nobody killed, bit for bit, and with nothing beside it."""
    found = FeatureStore(store)
    assert (found.ids, found.lengths.tolist()) == (whole.ids, whole.lengths.tolist())
    for index in range(len(whole)):
        assert found[index].tobytes() == whole[index].tobytes()
    names = {path.name for path in store.iterdir()}
    assert names == {"lock", "index.arrow", *(row.shard for row in read_index(store).rows)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, manifest) -> tuple[FeatureStore, float]:
    """A store whose build nobody kills, and the seconds from its first shard to its end."""
    path = tmp_path_factory.mktemp("whole") / "store"
    assert Process(manifest, path).finish() == (NUM_FILES, 0)
    written = [file.stat().st_mtime for file in path.glob("*.arrow")]
    return FeatureStore(path), max(written) - min(written)


def test_kills_at_random_moments_lose_nothing_that_was_committed(tmp_path, manifest, whole):
    expected, seconds = whole
    moments = random.Random(SEED)
    killed = compared = kept = 0
    while killed < KILLS or not compared:
        store = tmp_path / f"store_{compared}"
        before = committed(store)
        process = Process(manifest, store)
        shards = set(store.glob("shard-*.arrow"))
        # Every third time, also while the workers start.
        pattern = "lock" if killed % 3 == 0 else "shard-*.arrow"
        process.wait_for(lambda store=store, pattern=pattern, shards=shards: set(store.glob(pattern)) - shards)
        if killed < KILLS:
            time.sleep(moments.uniform(0, seconds))
            if process.popen.poll() is None:
                process.end(signal.SIGKILL)
                assert committed(store) >= before
                kept += len(committed(store)) > len(before)
                killed += 1
                continue
        extracted, cached = process.finish()
        assert (extracted, cached) == (NUM_FILES - len(before), len(before))
        assert_complete(store, expected)
        compared += 1
    print(f"{killed} kills, {kept} of them of builds that had committed more, {compared} stores compared")
    assert killed == KILLS
    assert kept > 0


def caught(manifest: Path, folder: Path) -> tuple[Process, Path]:
    """A build that stands still with most of its work to do, and its store.

    A build takes less than a second: on a busy machine one may be over before it can be stopped, and the next begins.
    """
    for number in range(20):
        store = folder / f"store_{number}"
        process = Process(manifest, store)
        if process.wait_for(lambda store=store: list(store.glob("shard-*.arrow"))):
            process.popen.send_signal(signal.SIGSTOP)
            if process.popen.poll() is None and len(committed(store)) < NUM_FILES // 2:
                return process, store
        process.end(signal.SIGKILL)
    raise AssertionError("none of 20 builds could be stopped in its first half")


# As `kill` sends it to a process, and a terminal to all of a group.
@pytest.mark.parametrize(
    ("number", "code", "group"),
    [(signal.SIGTERM, 143, False), (signal.SIGINT, 130, True), (signal.SIGHUP, 129, True)],
)
def test_a_signal_keeps_what_was_extracted_and_says_so_by_its_exit_code(tmp_path, manifest, whole, number, code, group):
    process, store = caught(manifest, tmp_path)
    process.popen.send_signal(signal.SIGCONT)
    assert process.end(number, group=group) == code
    errors = process.errors.read_text()
    assert f"stopped by {number.name}: what was extracted is kept; run it again to go on" in errors
    assert "Traceback" not in errors
    before = committed(store)
    extracted, cached = Process(manifest, store).finish()
    assert (extracted, cached) == (NUM_FILES - len(before), len(before))
    assert_complete(store, whole[0])


def test_a_build_waits_for_another_one_and_goes_on_where_that_was_killed(tmp_path, manifest, whole):
    first, store = caught(manifest, tmp_path)
    with (store / "lock").open("rb") as lock, pytest.raises(BlockingIOError, match="temporarily unavailable"):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    log = tmp_path / "second"
    log.mkdir()
    (log / "store").symlink_to(store)
    second = Process(manifest, log / "store")
    assert second.wait_for(lambda: "Waiting for another process that is writing" in second.errors.read_text())
    assert second.popen.poll() is None
    before = committed(store)
    first.end(signal.SIGKILL)
    extracted, cached = second.finish()
    assert extracted + cached == NUM_FILES
    assert cached >= len(before)
    assert_complete(store, whole[0])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_disk_that_is_full_of_shards_is_said_and_leaves_the_store_as_it_was(tmp_path, manifest):
    few = write_corpus(tmp_path, 3, 400)
    store = tmp_path / "store"
    Process(few, store).finish()
    before = content(store)
    full = Process(manifest, store, limit=20_000)
    full.finish(code=2)
    errors = full.errors.read_text()
    reason = r"shard-\w+\.arrow cannot be written: File too large. Nothing was replaced; make room, or write elsewhere"
    assert re.search(rf"error: {re.escape(str(store))}/{reason}", errors), errors
    # No recording is blamed.
    assert ".wav" not in errors
    assert content(store) == before


def test_a_disk_that_is_full_of_the_index_is_said_and_keeps_what_was_committed(tmp_path):
    manifest, store = write_corpus(tmp_path, 300, 200), tmp_path / "store"
    full = Process(manifest, store, limit=30_000)
    full.finish(code=2)
    assert "index.arrow cannot be written: File too large. Nothing was replaced" in full.errors.read_text()
    kept = committed(store)
    assert {path.name for path in store.iterdir()} == {
        "lock", *({"index.arrow", *(row.shard for row in read_index(store).rows)} if kept else ())
    }  # fmt: skip
    extracted, cached = Process(manifest, store).finish()
    assert (extracted, cached) == (300 - len(kept), len(kept))
