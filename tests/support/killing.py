"""Training in a process of its own, to be killed, and what it leaves."""

from pathlib import Path

import pandas as pd

from seqconv.models import load_model
from support.forking import Child
from support.waiting import is_alive_when


class Process:
    """`seqconv train ...`; its output goes to a file."""

    def __init__(self, log: Path, *arguments: object):
        self.log = log
        self.popen = Child(log, "-m", "seqconv", "train", *arguments)

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
