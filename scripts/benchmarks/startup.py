"""Start-up: seconds that a new process takes to its end, and `train` on sequences in memory to its first step."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.results import Comparison
from benchmarks.rounds import Timed, run_rounds
from benchmarks.settings import Settings

SECONDS, TO_FIRST_STEP, GROWTH = "seconds", "seconds to the first step", "memory growth / data"
TRAIN = Path(__file__).resolve().parents[1] / "train.py"
FIRST_STEP_DONE = 17
# What scripts/train.py does, up to the end of the first training step.
FIRST_STEP = f"""
import os, sys, tempfile
from seqconv.config.backends import start_keras
from seqconv.config import load_config
config = load_config(sys.argv[1])
start_keras(config.backend)
import keras
from seqconv.training import train
class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        os._exit({FIRST_STEP_DONE})
train(config, tempfile.mkdtemp(dir=sys.argv[2]), callbacks=[Stop()])
"""
# What `train` takes to the first step on sequences that lie in memory when it is called.
IN_MEMORY = """
import json, os, sys, tempfile, time
import keras, numpy as np
from pathlib import Path
from seqconv.data.sequences import Sequences
from seqconv.training import train
def make(count, seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(15, 26, count)
    frames = rng.standard_normal((lengths.sum(), 8), dtype="float32")
    labels = [f"class {number}" for number in rng.integers(10, size=count).tolist()]
    return Sequences(np.split(frames, lengths.cumsum()[:-1]), labels), frames.nbytes
def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))
class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        seconds, growth = time.perf_counter() - started, memory("VmHWM") - before
        print(json.dumps({"seconds": seconds, "growth": growth / size}))
        sys.stdout.flush()
        os._exit(STEP_DONE)
(data, one), (valid, other) = make(int(sys.argv[1]), 1), make(int(sys.argv[1]) // 10, 2)
size, folder = one + other, tempfile.mkdtemp(dir=sys.argv[2])
Path("/proc/self/clear_refs").write_text("5")
before, started = memory("VmRSS"), time.perf_counter()
blocks = {"defaults": {"norm": "none"}, "blocks": [{"filters": 16, "kernel_size": 3}]}
train({"model": blocks}, folder, train_data=data, valid_data=valid, callbacks=[Stop()])
""".replace("STEP_DONE", str(FIRST_STEP_DONE))
COUNTS, QUICK_COUNTS = (100_000, 1_000_000), (2_000,)
NUMPY, BATCHING, HELP = "import numpy", "import seqconv.batching", "scripts/train.py --help"
KERAS = "import tensorflow, keras"


def compare(settings: Settings) -> Iterator[Comparison]:
    """Processes to their end; then `train` to its first step."""
    config = "japanese_vowels.yaml" if settings.is_quick else "audio.yaml"
    first = f"first step of scripts/train.py --config {config}"
    with tempfile.TemporaryDirectory(prefix="seqconv-") as folder:
        programs = {
            "import nothing": (["-c", ""], 0),
            NUMPY: (["-c", NUMPY], 0),
            BATCHING: (["-c", BATCHING], 0),
            HELP: ([str(TRAIN), "--help"], 0),
            KERAS: (["-c", KERAS], 0),
            first: (["-c", FIRST_STEP, config, folder], FIRST_STEP_DONE),
        }
        notes = {first: "features were extracted before"}
        contestants = [
            Timed(
                name, "", partial(run_python, *program, cache=folder), SECONDS, note=notes.get(name, ""), is_rate=False
            )
            for name, program in programs.items()
            if settings.takes(name)
        ]
        if contestants:
            yield Comparison(
                "startup",
                "startup: a new process",
                run_rounds(contestants, settings),
                compared=SECONDS,
                ratios=[(BATCHING, NUMPY), (HELP, NUMPY), (first, KERAS)],
            )
    counts = QUICK_COUNTS if settings.is_quick else COUNTS
    called = [entry for entry in map(FirstStep, counts) if settings.takes(entry.name)]
    if called:
        yield Comparison(
            "startup",
            "startup: from the call of train to its first step, on sequences in memory (Linux)",
            run_rounds(called, settings),
            compared=TO_FIRST_STEP,
        )


@dataclass(frozen=True)
class FirstStep:
    """`train` in a new process, on so many sequences and a tenth as many for validation."""

    count: int
    note: str = "8 features, 10 classes; memory is the highest between, less that before, over the bytes of the data"
    lengths: str = "15 to 25 frames"

    @property
    def name(self) -> str:
        """Name of the contestant: the number of sequences."""
        return f"train on {self.count:,} sequences"

    def measure(self, round_number: int) -> Mapping[str, float]:
        """Seconds and memory of one process."""
        with tempfile.TemporaryDirectory(prefix="seqconv-") as folder:
            output = run_python(["-c", IN_MEMORY, str(self.count), folder], FIRST_STEP_DONE, cache=folder)
        measured = json.loads(output.splitlines()[-1])
        return {TO_FIRST_STEP: measured["seconds"], GROWTH: measured["growth"]}


def run_python(arguments: list[str], exit_code: int, *, cache: str) -> str:
    """Run this interpreter to its end, and return what it printed.

    Raises:
        RuntimeError: it ended in another way than it should.
    """
    environment = {**os.environ, "SEQCONV_CACHE": f"{cache}/cache", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != exit_code:
        raise RuntimeError(f"python {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout
