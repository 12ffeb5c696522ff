"""One part of each kind, in one file of a user's own, against an installed wheel from an empty folder.

Each command is a fresh process that finds nothing but the wheel, the file and a folder of recordings.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

ROOT = Path(__file__).parents[1]
RATE = 8000
CONFIG = """
plugins: [my_parts.py]
data: {{manifest: recordings.csv, cache_dir: cache, num_workers: 2}}
target: {{task: corner, column: corner}}
features: {{kind: crossings, sample_rate: 8000, n_fft: 200, hop_length: 120, bands: 3}}
augment: {{own: [{{type: scale, most: 1.1}}]}}
batching: {{strategy: {strategy}{options}, batch_size: 8}}
model:
  defaults: {{norm: none}}
  blocks:
    - {{filters: 6, kernel_size: 3}}
    - {{type: thinning}}
  pooling: [root_mean_square, mean]
training: {{epochs: {epochs}, learning_rate: 1e-2, monitor: val_corner_distance, checkpoint: {{steps: 2}}}}
evaluation: {{bootstrap: 20}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the installed wheel alone."""
    folder = tmp_path_factory.mktemp("wheel")
    if find_spec("hatchling") is None or find_spec("build") is None:
        pytest.skip("hatchling and build are not installed: pip install -e '.[test]'")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    done = subprocess.run([*map(str, build)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (wheel,) = folder.glob("seqconv-*.whl")
    shutil.unpack_archive(wheel, folder / "site", "zip")
    assert {"configs", "data"} <= {path.name for path in (folder / "site" / "seqconv" / "_project").iterdir()}
    return folder / "site"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An empty folder but for the user's file, tones and a table."""
    folder = tmp_path_factory.mktemp("user")
    shutil.copy(ROOT / "tests" / "support" / "user" / "my_parts.py", folder)
    rng = np.random.default_rng(0)
    rows = []
    for number in range(40):
        level = (0, 0, 1, 2)[number % 4]
        times = np.arange(int(RATE * rng.uniform(0.2, 0.7))) / RATE
        sound = 0.3 * np.sin(2 * np.pi * 300 * (1 + level) * times) + 0.02 * rng.normal(size=len(times))
        soundfile.write(folder / f"{number}.wav", sound, RATE)
        split = ("train", "train", "train", "valid", "test")[number % 5]
        rows.append({"path": f"{number}.wav", "corner": f"{level};{3 - level}", "split": split})
    pd.DataFrame(rows).to_csv(folder / "recordings.csv", index=False)
    for name, strategy, options, epochs in (
        ("small", "small", ", options: {most: 5}", 6),
        ("packed", "packed", "", 2),
        ("jax", "small", ", options: {most: 5}", 2),
    ):
        text = CONFIG.format(strategy=strategy, options=options, epochs=epochs)
        (folder / f"{name}.yaml").write_text(text + ("backend: jax\n" if name == "jax" else ""), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def command(site, folder):
    """`seqconv ...` in a process of its own; returns its output, or the process itself."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "KERAS_BACKEND")}
    environment = {**kept, "PYTHONPATH": str(site), "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}

    def run(*arguments, code=0, wait=True):
        process = subprocess.Popen(
            [sys.executable, "-m", "seqconv", *map(str, arguments)],
            cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        if not wait:
            return process
        told, _ = process.communicate()
        assert process.returncode == code, told[-6000:]
        return told

    return run


@pytest.fixture(scope="module")
def run(command, folder):
    told = command("train", "--config", "small.yaml", "--run-dir", "run")
    assert "distance of corners" in told
    # The commands that it names work as they stand.
    assert re.search(r"predict --model run/model\.keras --plugin \S*my_parts\.py ", told)
    return folder / "run"


def test_it_learns_and_its_metric_chooses_the_epoch(run):
    history = pd.read_csv(run / "history.csv")
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    best = history.loc[history["val_corner_distance"].idxmin(), "epoch"]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "distance of corners" in page
    assert f"{best:.0f}" in page
    predictions = pd.read_csv(run / "predictions.csv")
    assert {"label_x", "label_y", "prediction_x", "prediction_y", "prediction_doubt"} <= set(predictions)


def test_every_layout_gives_one_answer(command, run, folder):
    tables = {}
    for strategy in ("packed", "bucketed", "padded", "single"):
        output = folder / f"{strategy}.csv"
        command("predict", "--model", run / "model.keras", "--plugin", "my_parts.py", "--strategy", strategy,
                "--output", output, *sorted(folder.glob("?.wav")))  # fmt: skip
        tables[strategy] = pd.read_csv(output)[["prediction_x", "prediction_y", "prediction_doubt"]]
    for table in tables.values():
        np.testing.assert_allclose(table, tables["single"], rtol=1e-4, atol=1e-5)
    evaluated = command("evaluate", "--model", run / "model.keras", "--plugin", "my_parts.py", "--output", "scores")
    assert "distance of corners" in evaluated


def test_a_model_says_which_file_it_needs(command, run):
    told = command("predict", "--model", run / "model.keras", "0.wav", code=2)
    assert "my_parts.py" in told
    assert "--plugin" in told
    assert "Traceback" not in told


def test_a_packed_run_is_trained_and_reported(command, folder):
    command("train", "--config", "packed.yaml", "--run-dir", "packed")
    (folder / "packed" / "report.html").unlink()
    command("report", "packed")
    assert "thinning" in (folder / "packed" / "report.html").read_text(encoding="utf-8")


def test_a_killed_run_goes_on_to_the_same_end(command, run, folder):
    process = command("train", "--config", "small.yaml", "--run-dir", "killed", wait=False)
    checkpoints = folder / "killed" / "checkpoints"
    while process.poll() is None and not (checkpoints.is_dir() and any(checkpoints.glob("*.npz"))):
        time.sleep(0.05)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    command("train", "--resume", "killed")
    whole, resumed = (pd.read_csv(path / "history.csv") for path in (run, folder / "killed"))
    columns = [name for name in whole if "second" not in name and name not in ("data_wait", "learning_rate")]
    columns = [name for name in columns if name.startswith(("loss", "val_", "epoch"))]
    pd.testing.assert_frame_equal(whole[columns], resumed[columns])
    found, expected = (pd.read_csv(path / "predictions.csv") for path in (folder / "killed", run))
    pd.testing.assert_frame_equal(found, expected)


def test_an_edited_file_is_another_run_and_another_store(command, run, folder):
    stores = {path.name for path in (folder / "cache" / "features").iterdir()}
    text = (folder / "my_parts.py").read_text(encoding="utf-8")
    edited = text.replace("+ 1e-6)\n", "+ 1e-5)\n")
    assert edited != text
    (folder / "my_parts.py").write_text(edited, encoding="utf-8")
    try:
        told = command("extract", "--config", "small.yaml")
        assert "40 extracted now" in told
        assert {path.name for path in (folder / "cache" / "features").iterdir()} > stores
    finally:
        (folder / "my_parts.py").write_text(text, encoding="utf-8")


def test_it_trains_on_jax(command, folder):
    if find_spec("jax") is None:
        assert "CI" not in os.environ, "jax is not installed, and CI tests every backend"
        pytest.skip("jax is not installed: pip install -e '.[jax]'")
    command("train", "--config", "jax.yaml", "--run-dir", "jax")
    history = pd.read_csv(folder / "jax" / "history.csv")
    assert np.isfinite(history["val_corner_distance"]).all()
