"""Start-up: seconds that a new process takes, from its start to its end."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.results import Comparison
from benchmarks.rounds import Timed, run_rounds
from benchmarks.settings import Settings

SECONDS = "seconds"
TRAIN = Path(__file__).resolve().parents[1] / "train.py"
FIRST_STEP_DONE = 17
# What scripts/train.py does, up to the end of the first training step.
FIRST_STEP = f"""
import os, sys, tempfile
from seqconv.cli.terminal import start_keras
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
NUMPY, BATCHING, HELP = "import numpy", "import seqconv.batching", "scripts/train.py --help"
KERAS = "import tensorflow, keras"


def compare(settings: Settings) -> Iterator[Comparison]:
    """One comparison."""
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
        yield Comparison(
            "startup",
            "startup: a new process",
            run_rounds(contestants, settings),
            compared=SECONDS,
            ratios=[(BATCHING, NUMPY), (HELP, NUMPY), (first, KERAS)],
        )


def run_python(arguments: list[str], exit_code: int, *, cache: str) -> None:
    """Run this interpreter to its end.

    Raises:
        RuntimeError: it ended in another way than it should.
    """
    environment = {**os.environ, "SEQCONV_CACHE": f"{cache}/cache", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode != exit_code:
        raise RuntimeError(f"python {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
