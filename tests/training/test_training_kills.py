"""A run in a process of its own is killed at any moment, goes on, and comes out equal to the run that nobody killed."""

import os
import random
import signal
import time
from pathlib import Path

import pandas as pd
import pytest
from support.killing import Process, result

KILLS = int(os.environ.get("SEQCONV_KILLS", "20"))
SEED = int(os.environ.get("SEQCONV_KILL_SEED", "0"))
EPOCHS = 6
SETTINGS = [
    f"training.epochs={EPOCHS}",
    "training.monitor=val_loss",
    "training.schedule=cosine",
    "training.early_stopping={patience: 4}",
    "training.checkpoint={steps: 2, minutes: null}",
    "model.blocks=[{filters: 16, kernel_size: 3, dropout: 0.2}, {filters: 16, kernel_size: 3}]",
    "evaluation.bootstrap=5",
    "evaluation.report=false",
    "data.num_workers=0",
]


def start(path: Path) -> Process:
    """Begin the run of that folder, or go on with it."""
    log = path.with_suffix(".log")
    if (path / "config.yaml").exists():
        return Process(log, "--resume", path)
    overrides = [word for setting in SETTINGS for word in ("--set", setting)]
    return Process(log, "--config", "japanese_vowels.yaml", "--run-dir", path, *overrides)


def is_training(process: Process) -> bool:
    return b"\n\n" in process.log.read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The run that nobody kills: what it gives, and the seconds from its first step to its end."""
    path = tmp_path_factory.mktemp("whole") / "run"
    process = start(path)
    assert process.wait_for(lambda: is_training(process))
    begun = time.monotonic()
    process.finish()
    return result(path), time.monotonic() - begun


def share_left(path: Path) -> float:
    """Of the epochs of a run, those before it, and its end: a kill after that would be none."""
    history = path / "history.csv"
    return max(0.1, 1 - len(pd.read_csv(history)) / EPOCHS) if history.exists() else 1.0


def kill_again_and_again(folder: Path, whole, kills: int, seed: int) -> tuple[int, int]:
    """Runs that are killed at random moments until they end; returns kills survived and runs that were compared."""
    expected, seconds = whole
    moments = random.Random(seed)
    killed = compared = 0
    while killed < kills or not compared:
        path = folder / f"run_{compared}"
        longest = seconds * share_left(path)
        process = start(path)
        process.wait_for(lambda process=process: is_training(process))
        if killed < kills:
            time.sleep(moments.uniform(0, longest))
            if process.popen.poll() is None:
                process.end(signal.SIGKILL)
                killed += 1
                continue
        process.finish()
        assert result(path) == expected, f"seed {seed}, run {compared}"
        assert not list(path.rglob(".*-*"))
        compared += 1
    return killed, compared


def test_kills_at_random_moments_change_nothing(tmp_path, whole):
    killed, compared = kill_again_and_again(tmp_path, whole, KILLS, SEED)
    assert killed == KILLS
    assert compared >= 1


@pytest.mark.slow
def test_two_hundred_kills_change_nothing(tmp_path, whole):
    killed, compared = kill_again_and_again(tmp_path, whole, 200, SEED + 1)
    print(f"{killed} kills, {compared} runs compared")
    assert killed == 200


@pytest.mark.parametrize("pattern", [".model-*.keras", "checkpoints/.epoch-*.npz", ".history-*.csv", "predictions.csv"])
def test_kills_while_a_file_is_written_change_nothing(tmp_path, whole, pattern):
    process = start(tmp_path / "run")
    if process.wait_for(lambda: next((tmp_path / "run").glob(pattern), None) is not None):
        process.end(signal.SIGKILL)
    start(tmp_path / "run").finish()
    assert result(tmp_path / "run") == whole[0]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_says_so_by_its_exit_code(tmp_path, whole, number, code):
    process = start(tmp_path / "run")
    assert process.wait_for(lambda: (tmp_path / "run" / "history.csv").exists())
    assert process.end(number) == code
    assert f"{number.name} stopped the run in epoch" in process.log.read_text()
    assert "Traceback" not in process.log.read_text()
    assert list((tmp_path / "run" / "checkpoints").glob("epoch-*.npz"))
    start(tmp_path / "run").finish()
    assert result(tmp_path / "run") == whole[0]


def test_a_signal_while_features_are_extracted_says_that_no_run_was_begun(tmp_path):
    cache, path = tmp_path / "cache", tmp_path / "run"
    process = Process(tmp_path / "log", "--config", "audio.yaml", "--run-dir", path, "--set", f"data.cache_dir={cache}")
    assert process.wait_for(lambda: next(cache.rglob("lock"), None) is not None)
    assert process.end(signal.SIGTERM) == 143
    assert "stopped by SIGTERM: no run was begun; features that were extracted are kept" in process.log.read_text()
    assert not path.exists()


def test_a_second_process_is_refused_while_the_first_one_lives(tmp_path, whole):
    first = start(tmp_path / "run")
    assert first.wait_for(lambda: (tmp_path / "run" / "config.yaml").exists())
    second = Process(tmp_path / "second.log", "--resume", tmp_path / "run")
    first.popen.send_signal(signal.SIGSTOP)
    try:
        assert second.popen.wait() == 2
    finally:
        first.popen.send_signal(signal.SIGCONT)
    assert "is in use by another process" in second.log.read_text()
    first.finish()
    assert result(tmp_path / "run") == whole[0]
