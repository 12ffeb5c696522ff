"""Data of other packages: taken, or the line that converts them, which is run here as it stands."""

import re

import numpy as np
import pandas as pd
import pytest
from support.extras import require
from support.training_data import quick

from seqconv import Sequences
from seqconv.config import load_config
from seqconv.data.conversions import as_sequences
from seqconv.data.datasets import load_datasets
from seqconv.errors import ConfigError
from seqconv.training import train

LENGTHS = (3, 5, 4)


@pytest.fixture
def arrays(rng):
    return [rng.normal(size=(length, 2)).astype("float32") for length in LENGTHS]


def converted(data, **names):
    """What the line of the message makes."""
    with pytest.raises(ConfigError, match=r"Convert it with seqconv\.Sequences: Sequences") as caught:
        as_sequences(data, "train_data")
    line = re.search(r": (Sequences\(.*?\))(?:,|\. Arrays)", str(caught.value))[1]
    return eval(line, {"Sequences": Sequences, "data": data, **names})


def assert_same(found, arrays, labels):
    assert found.lengths.tolist() == list(LENGTHS)
    for ours, theirs in zip(found, arrays, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert list(found.labels) == labels


def test_a_pair_is_taken(arrays):
    assert_same(as_sequences((arrays, ["a", "b", "a"])), arrays, ["a", "b", "a"])


def test_a_pair_trains(rng, tmp_path):
    arrays = [rng.normal(size=(length, 2)) for length in rng.integers(5, 20, size=20)]
    run = train(quick(training={"epochs": 1}), tmp_path / "run", train_data=(arrays, ["a", "b"] * 10))
    assert run.model.num_outputs == 2


def test_tensorflow(arrays):
    import tensorflow as tf

    ragged = tf.ragged.stack([tf.constant(array) for array in arrays])
    assert_same(converted(ragged, labels=["a", "b", "a"]), arrays, ["a", "b", "a"])
    made = tf.data.Dataset.from_generator(
        lambda: zip(arrays, ["a", "b", "a"], strict=True),
        output_signature=(tf.TensorSpec((None, 2)), tf.TensorSpec((), tf.string)),
    )
    # Its text is bytes.
    assert_same(converted(made), arrays, ["a", "b", "a"])


def test_torch(arrays):
    require("torch")
    from torch.utils.data import DataLoader, Dataset

    class Walks(Dataset):
        def __len__(self):
            return len(arrays)

        def __getitem__(self, index):
            return arrays[index], "aba"[index]

    assert_same(converted(DataLoader(Walks())), arrays, ["a", "b", "a"])
    assert_same(converted(Walks()), arrays, ["a", "b", "a"])


def test_a_table_of_frames(arrays):
    rows = [{"ID": number, "x": x, "y": y} for number, array in enumerate(arrays) for x, y in array]
    found = converted(pd.DataFrame(rows), ID="ID", COLUMNS=["x", "y"], labels=["a", "b", "a"])
    assert_same(found, arrays, ["a", "b", "a"])


def test_what_nobody_knows_is_named():
    with pytest.raises(
        ConfigError, match=r"train_data is of type dict. Convert it with .*: Sequences\(arrays, labels\)"
    ):
        load_datasets(load_config(quick()).data_spec, train_data={"a": 1})
