"""Training in a process of its own, to be killed, and what it leaves."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

from seqconv.models import load_model
from support.waiting import is_alive_when


class Process:
    """`seqconv train ...`; its output goes to a file."""

    def __init__(self, log: Path, *arguments: object):
        command = [sys.executable, "-m", "seqconv", "train", *map(str, arguments)]
        kept = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
        self.log = log
        with log.open("wb") as file:
            self.popen = subprocess.Popen(command, stdout=file, stderr=file, env={**kept, "TF_CPP_MIN_LOG_LEVEL": "3"})

    def wait_for(self, happens) -> bool:
        """Until `happens()`, or the process has ended: whether it is still there."""
        return is_alive_when(self.popen, happens)

    def end(self, number: int) -> int:
        self.popen.send_signal(number)
        return self.popen.wait()

    def finish(self) -> None:
        assert self.popen.wait() == 0, self.log.read_text()


def result(path: Path):
    """Bytes of every weight, history without times, scores."""
    history = pd.read_csv(path / "history.csv").drop(columns=["seconds", "data_wait", "frames_per_second"])
    weights = [array.tobytes() for array in load_model(path / "model.keras").get_weights()]
    return weights, history.to_csv(), (path / "metrics.json").read_text(), (path / "predictions.csv").read_bytes()
