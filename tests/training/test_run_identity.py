"""What a run is compared by when it goes on: the content of its sequences, of slow sources only of some."""

import numpy as np
import pytest

from seqconv.config import load_config
from seqconv.data.datasets import Datasets
from seqconv.data.segmentation import cut_windows
from seqconv.data.sequences import Sequences
from seqconv.tasks.target import fit_target
from seqconv.training.run import identity
from seqconv.training.run.identity import RunIdentity


class SlowSource:
    """A source of a user's own: it counts what is read."""

    def __init__(self, count):
        self.lengths, self.ids, self.reads = np.full(count, 40), [f"r{index}" for index in range(count)], set()

    def __getitem__(self, index):
        self.reads.add(index)
        return np.full((40, 2), index, "float32")


def rows_of(data):
    """The rows of a run that trains and is validated on the same sequences."""
    datasets = Datasets(data, data, None, fit_target("classification", ["a", "b"]))
    return RunIdentity.of(load_config({}), datasets).rows


@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize("is_selected", [False, True])
def test_of_a_slow_source_a_limited_number_is_read(monkeypatch, is_cut, is_selected):
    monkeypatch.setattr(identity, "MOST_FOREIGN", 10)
    source = SlowSource(60)
    data = Sequences(source, ["a", "b"] * 30)
    if is_cut:
        data = cut_windows(data, 1.0, frame_rate=10)
    if is_selected:
        data = data.subset(np.arange(len(data) - 2))
    source.reads.clear()
    rows = rows_of(data)
    assert len(rows) == 2 * len(data)
    assert 5 <= len(source.reads) <= 10
    assert rows["content"].astype(bool).sum() <= 20


def test_of_arrays_all_are_compared():
    data = cut_windows(Sequences([np.full((40, 2), index) for index in range(30)], ["a", "b"] * 15), 1.0, frame_rate=10)
    rows = rows_of(data)
    assert rows["content"].astype(bool).all()
