"""Two JAX processes, each with its share of every batch, train as one process does that has the whole batch."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.extras import require
from support.waiting import PATIENCE

TESTS = Path(__file__).parents[1]
KINDS = ("step", "gradient", "statistic", "epoch", "weight")


@pytest.fixture(scope="module", autouse=True)
def installed():
    require("jax")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start(rank: int, world_size: int, port: int, output: Path) -> subprocess.Popen:
    kept = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    jax = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    command = [sys.executable, "-m", "support.jax_worker", rank, world_size, port, output]
    return subprocess.Popen(
        [*map(str, command)],
        cwd=TESTS,
        env={**kept, **jax, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return the results of one process, and of each of two."""
    folder, port = tmp_path_factory.mktemp("processes"), free_port()
    jobs = {"whole": (0, 1), "first": (0, 2), "second": (1, 2)}
    processes = {name: start(*job, port, folder / f"{name}.npz") for name, job in jobs.items()}
    try:
        for name, process in processes.items():
            told, _ = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, f"{name}: {told[-4000:]}"
    finally:
        for process in processes.values():
            process.kill()
    return [dict(np.load(folder / f"{name}.npz")) for name in jobs]


def test_each_process_has_a_part_of_the_sequences(results):
    whole, first, second = (int(found.pop("num_sequences")) for found in map(dict, results))
    assert first + second == whole
    assert min(first, second) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_find_what_one_finds(results, kind):
    """Normalization, noise and the constant of the loss are those of the whole batch; float64, so 1e-9."""
    whole, first, second = results
    names = [name for name in whole if name.startswith(f"{kind}_")]
    assert len(names) >= 3
    for name in names:
        scale = np.abs(whole[name].astype("float64")).max(initial=0)
        for half in (first, second):
            np.testing.assert_allclose(half[name], whole[name], rtol=1e-9, atol=1e-9 * scale + 1e-12, err_msg=name)


def test_there_is_something_to_find(results):
    whole, _, _ = results
    gradients = [name for name in whole if name.startswith("gradient_")]
    assert all(np.abs(whole[name]).max() > 1e-6 for name in gradients)
    moving = [name for name in whole if name.startswith("statistic_") and "moving_mean" in name]
    assert len(moving) >= 2
    assert all(np.abs(whole[name]).max() > 1e-6 for name in moving)
