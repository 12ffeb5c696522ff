"""Scores and predictions are whole at any moment: what was there before, or what was written."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile
from support.forking import Child
from support.waiting import PATIENCE, is_alive_when

from seqconv.models import build_model
from seqconv.reports.folder import read_scores
from seqconv.tasks.target import fit_target

ROWS = 20_000
# An evaluation of which every number is the same.
MAKE = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd
from seqconv.evaluation import Evaluation
from seqconv.prediction.forward import Choice

def make(number, num_rows):
    predictions = pd.DataFrame({"id": np.arange(num_rows), "loss": float(number)})
    return Evaluation({"loss": float(number)}, predictions, "classification", "test", Choice("padded", ""))

folder = Path(sys.argv[1])
"""


@pytest.fixture
def log(tmp_path_factory):
    """What a process prints."""
    return tmp_path_factory.mktemp("printed") / "log"


def time_of(path: Path) -> int:
    """When a file was written; 0 where there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def test_kills_while_scores_are_written_leave_whole_files(tmp_path, log):
    moments = random.Random(0)
    seen = set()
    for _ in range(6):
        process = Child(log, "-c", MAKE + f"for i in range(10_000): make(i, {ROWS}).save(folder)", tmp_path)
        for _ in range(moments.randrange(1, 4)):
            before = time_of(tmp_path / "metrics.json")
            assert is_alive_when(process, lambda before=before: time_of(tmp_path / "metrics.json") != before)
        time.sleep(moments.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, log.read_text()
        table = pd.read_csv(tmp_path / "predictions.csv")
        assert (len(table), table["loss"].nunique()) == (ROWS, 1)
        scored, predicted = read_scores(tmp_path / "metrics.json")["test"]["loss"], table["loss"].iloc[0]
        # Killed between the two, predictions are those of the next evaluation.
        assert predicted in (scored, scored + 1, 0)
        seen.add(scored)
    assert len(seen) > 1


def test_a_full_disk_leaves_scores_and_predictions_of_one_evaluation(tmp_path, log):
    first = Child(log, "-c", MAKE + "make(1, 10).save(folder)", tmp_path)
    assert first.wait() == 0, log.read_text()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"metrics.json", "predictions.csv"}
    code = MAKE + (
        "from seqconv.cli.terminal import report_errors\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        f"sys.exit(report_errors(lambda argv: make(2, {ROWS}).save(folder))())"
    )
    code_of_exit = Child(log, "-c", code, tmp_path).wait()
    errors = log.read_text()
    assert code_of_exit == 2, errors
    assert f"error: {tmp_path / 'predictions.csv'} cannot be written: File too large. Nothing was replaced" in errors
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def make_model(path: Path) -> None:
    target = fit_target("classification", [np.array(["en", "it"])], kind="frame")
    features = {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 12}
    card = {"task": "classification", "target": target.to_dict(), "features": features}
    keras.utils.set_random_seed(0)
    build_model(
        {"blocks": [{"filters": 4}], "pooling": "frames"}, num_features=12, num_outputs=2, card=card
    ).save(path)  # fmt: skip


def test_a_full_disk_leaves_the_old_predictions(tmp_path, log):
    """The features fit into the temporary store, but not what is predicted of 600 frames."""
    make_model(tmp_path / "model.keras")
    for number in range(2):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, 24_000)
        soundfile.write(tmp_path / f"{number}.wav", noise, 8000)
    (tmp_path / "out.csv").write_text("old\n")
    code = (
        "import resource, sys; from seqconv.cli.commands.predict import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    names = [tmp_path / "0.wav", tmp_path / "1.wav"]
    options = ["--model", tmp_path / "model.keras", "--output", tmp_path / "out.csv"]
    code_of_exit = Child(log, "-c", code, *options, *names).wait()
    errors = log.read_text()
    assert code_of_exit == 2, errors
    assert f"error: {tmp_path / 'out.csv'} cannot be written: File too large. Nothing was replaced" in errors
    assert "Traceback" not in errors
    assert (tmp_path / "out.csv").read_text() == "old\n"
    assert {path.name for path in tmp_path.iterdir()} == {"model.keras", "0.wav", "1.wav", "out.csv"}


def test_a_signal_leaves_the_old_predictions_and_says_so(tmp_path):
    make_model(tmp_path / "model.keras")
    (tmp_path / "out.csv").write_text("old\n")
    command = ["--model", str(tmp_path / "model.keras"), "-", "--output", str(tmp_path / "out.csv"), "--stream", "1"]
    errors = tmp_path / "errors"
    with errors.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "seqconv", "predict", *command],
            stdin=subprocess.PIPE, stderr=file, cwd=Path(__file__).parents[2],
        )  # fmt: skip
    assert is_alive_when(process, lambda: "listening on standard input" in errors.read_text())
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == 143
    process.communicate()
    assert f"stopped by SIGTERM: {tmp_path / 'out.csv'} was not written" in errors.read_text()
    assert "Traceback" not in errors.read_text()
    assert (tmp_path / "out.csv").read_text() == "old\n"
    assert {path.name for path in tmp_path.iterdir()} == {"model.keras", "out.csv", "errors"}
