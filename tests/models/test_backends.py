"""The contract and whole runs on JAX and PyTorch, each in processes of its own; the other tests run on TensorFlow."""

import json
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from support.extras import require

from seqconv.prediction import predict

TESTS = Path(__file__).parents[1]
VOWELS = TESTS.parent / "data" / "japanese_vowels" / "JapaneseVowels_TEST.ts"
MODELS, EPOCHS = 30, 12
OTHERS = ("jax", "torch")
running: list[subprocess.Popen] = []

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="starts the other backends beside TensorFlow"
)


def environment(backend: str, **more: str) -> dict[str, str]:
    """Of a process on that backend, on CPUs; several of them share the cores."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTEST_ADDOPTS", "KERAS_BACKEND")}
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"}
    return {**kept, **quiet, "KERAS_BACKEND": backend, **more}


def run(arguments: list[object], env: dict[str, str]) -> str:
    """Output of `python ARGUMENTS`, which must succeed."""
    command = [sys.executable, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=env, cwd=TESTS.parent, **pipes) as process:
        running.append(process)
        out, err = process.communicate()
    assert process.returncode == 0, f"{env['KERAS_BACKEND']}: {command}\n{out[-6000:]}\n{err[-2000:]}"
    return out


def seqconv(env: dict[str, str], *arguments: object) -> str:
    return run(["-m", "seqconv", *arguments], env)


def test_files(backend: str, folder: Path, *files: str, **more: str) -> str:
    folder.mkdir()
    # Compiling is what costs time here, so JAX compiles with less effort, and the same program once.
    cache = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled")}
    every = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0"}
    options = ["-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", f"--basetemp={folder / 'tmp'}"]
    return run([*options, *(TESTS / name for name in files)], environment(backend, **cache, **every, **more))


test_files.__test__ = False  # type: ignore[attr-defined]


def contract(backend: str, folder: Path) -> str:
    options = {"JAX_ENABLE_X64": "1", "SEQCONV_CONTRACT_MODELS": str(MODELS), "SEQCONV_CONTRACT_AVERAGES": "12"}
    files = "models/test_contract_random.py", "models/test_average_contract.py"
    return test_files(backend, folder / f"contract_{backend}", *files, **options)


def frames(backend: str, folder: Path) -> str:
    return test_files(
        backend,
        folder / f"frames_{backend}",
        "models/test_frame_contract.py",
        "tasks/test_ctc.py",
        "layers/test_written_gradients.py",
        "layers/test_random_convolution.py",
        JAX_ENABLE_X64="1",
    )


def runs(backend: str, folder: Path) -> str:
    # Keras's decoder, with which the one here is compared, warns on JAX with 64 bits.
    return test_files(
        backend, folder / f"runs_{backend}", "training/test_backend_runs.py", "tasks/test_token_decoding.py"
    )


def train(backend: str, folder: Path) -> str:
    """JapaneseVowels; KERAS_BACKEND says something else than the config, which decides."""
    overrides = ["--set", f"training.epochs={EPOCHS}", "--set", f"backend={backend}"]
    command = ["train", "--config", "japanese_vowels.yaml", "--run-dir", folder / backend, *overrides]
    return seqconv(environment("jax" if backend == "torch" else "torch"), *command)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    """All processes, started at once, two at a time; each test waits for its own."""
    folder = tmp_path_factory.mktemp("backends")
    pool = ThreadPoolExecutor(2)
    started: dict[tuple[str, str], Future[str]] = {}
    installed = [backend for backend in OTHERS if find_spec(backend)]
    for job in (contract, train, frames, runs):
        for backend in [*installed, *(["tensorflow"] if job is train else [])]:
            started[job.__name__, backend] = pool.submit(job, backend, folder)
    yield folder, started
    pool.shutdown(wait=False, cancel_futures=True)
    for process in running:
        # Only what nobody waited for still runs.
        process.kill()


def output(jobs, name: str, backend: str) -> str:
    _, started = jobs
    require(backend)
    return started[name, backend].result()


@pytest.fixture(params=OTHERS)
def backend(request) -> str:
    return request.param


def test_random_models_keep_the_contract(jobs, backend, capsys):
    told = output(jobs, "contract", backend)
    lines = [line for line in told.splitlines() if line.startswith("contract on")]
    with capsys.disabled():
        print("\n" + "\n".join(lines), end=" ")
    assert any(f"contract on {backend}: {MODELS} random models in float64" in line for line in lines)
    assert " passed" in told


@pytest.mark.parametrize("job", ["frames", "runs"])
def test_frames_runs_seeds_and_devices(jobs, backend, job):
    assert " passed" in output(jobs, job, backend)


def test_japanese_vowels_are_learned(jobs, backend, capsys):
    told = output(jobs, "train", backend)
    folder, _ = jobs
    accuracy = json.loads((folder / backend / "metrics.json").read_text())["test"]["accuracy"]
    with capsys.disabled():
        print(f"\nJapaneseVowels on {backend}, {EPOCHS} epochs: test accuracy {accuracy:.3f}", end=" ")
    assert json.loads((folder / backend / "versions.json").read_text())["backend"] == backend
    assert {"jax": "(JAX ", "torch": "(PyTorch "}[backend] in told.splitlines()[0]
    assert accuracy > 0.9


def test_a_model_answers_on_another_backend_as_on_its_own(jobs, backend):
    output(jobs, "train", backend), output(jobs, "train", "tensorflow")
    folder, _ = jobs
    env = environment(backend)
    seqconv(env, "predict", "--model", folder / backend / "model.keras", VOWELS, "--output", folder / f"{backend}.csv")
    assert_same_table(pd.read_csv(folder / f"{backend}.csv"), predict(folder / backend / "model.keras", VOWELS))
    evaluated = folder / f"tensorflow_on_{backend}"
    command = ["evaluate", "--model", folder / "tensorflow" / "model.keras", "--split", "test", "--output", evaluated]
    seqconv(env, *command)
    assert_same_table(*(pd.read_csv(path / "predictions.csv") for path in (evaluated, folder / "tensorflow")))


def assert_same_table(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    columns = [name for name in theirs.columns if name.startswith("p_")]
    assert len(columns) == 9
    assert len(ours) == len(theirs) == 370
    np.testing.assert_allclose(ours[columns], theirs[columns], rtol=1e-3, atol=1e-5)
    assert (ours["prediction"].astype(str) == theirs["prediction"].astype(str)).all()
