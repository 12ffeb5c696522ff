"""Data of other packages: taken, or the line that converts them, which is run here as it stands."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support.extras import require
from support.training_data import quick

from seqconv import Sequences
from seqconv.config import load_config
from seqconv.data.conversions import as_features, as_sequences
from seqconv.data.datasets import load_datasets
from seqconv.errors import ConfigError, ManifestError, ShapeError
from seqconv.evaluation import evaluate
from seqconv.prediction import predict
from seqconv.tasks.target import fit_target
from seqconv.training import train

LENGTHS = (3, 5, 4)


@pytest.fixture
def arrays(rng):
    return [rng.normal(size=(length, 2)).astype("float32") for length in LENGTHS]


def converted(data, **names):
    """What the line of the message makes."""
    with pytest.raises(ConfigError, match=r"Convert it with seqconv\.Sequences: Sequences") as caught:
        as_sequences(data, "train_data")
    line = re.search(r": (Sequences\(.*?\))(, (if|as|which|for|after) .*)?\. Arrays are", str(caught.value))[1]
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


LABELS = ["a", "b", "a"]


def test_ragged_tensors(arrays):
    import tensorflow as tf

    labels = tf.constant(LABELS)
    for ragged in (
        tf.ragged.stack([tf.constant(array) for array in arrays]),
        tf.RaggedTensor.from_row_lengths(np.concatenate(arrays), LENGTHS),
    ):
        assert_same(converted(ragged, labels=labels), arrays, LABELS)
        assert_same(as_sequences((ragged, labels)), arrays, LABELS)
        assert_same(Sequences(as_features(ragged), labels), arrays, LABELS)
        assert_same(Sequences(as_features((ragged, labels)), labels), arrays, LABELS)


def test_datasets_of_tensorflow(arrays):
    import tensorflow as tf

    made = tf.data.Dataset.from_generator(
        lambda: zip(arrays, LABELS, strict=True),
        output_signature=(tf.TensorSpec((None, 2)), tf.TensorSpec((), tf.string)),
    )
    # Its text is bytes.
    assert_same(as_sequences(made), arrays, LABELS)
    assert_same(as_sequences(made.ragged_batch(2)), arrays, LABELS)
    assert_same(as_features(made), arrays, LABELS)
    assert_same(Sequences(as_features(made.map(lambda features, label: features)), LABELS), arrays, LABELS)
    assert_same(as_sequences((made.map(lambda features, label: features), LABELS)), arrays, LABELS)
    undeclared = tf.data.Dataset.from_generator(lambda: zip(arrays, LABELS, strict=True), (tf.float32, tf.string))
    assert_same(as_sequences(undeclared), arrays, LABELS)
    # Whether batches have padding, nobody can tell.
    assert_same(converted(made.batch(1)), arrays, LABELS)
    assert_same(converted(made.repeat(), N=3), arrays, LABELS)
    by_name = made.map(lambda features, label: {"FEATURES": features, "LABEL": label})
    assert_same(converted(by_name), arrays, LABELS)
    with pytest.raises(ConfigError, match=r"if its batches have no padding, .*: take it before padded_batch"):
        as_sequences(made.padded_batch(2))


def test_torch(arrays):
    require("torch")
    import torch
    from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

    class Walks(Dataset):
        def __len__(self):
            return len(arrays)

        def __getitem__(self, index):
            # Without an end of its own.
            return torch.tensor(arrays[index % 3], requires_grad=True), "aba"[index % 3]

    class Stream(IterableDataset):
        def __iter__(self):
            return iter(zip(arrays, LABELS, strict=True))

    assert_same(as_sequences(Walks()), arrays, LABELS)
    assert_same(as_features(Walks()), arrays, LABELS)
    assert_same(as_sequences(Subset(Walks(), [0, 1, 2])), arrays, LABELS)
    assert_same(converted(Stream()), arrays, LABELS)

    class Named(Walks):
        def __getitem__(self, index):
            return dict(zip(("FEATURES", "LABEL"), super().__getitem__(index), strict=True))

    class Longer(Walks):
        def __getitem__(self, index):
            return [*super().__getitem__(index), index]

    class Alone(Walks):
        def __getitem__(self, index):
            return super().__getitem__(index)[0]

    assert_same(Sequences(as_features(Alone()), LABELS), arrays, LABELS)
    for others in (Named(), Longer()):
        assert_same(converted(others), arrays, LABELS)
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    assert_same(as_sequences((tensors, torch.tensor([0, 1, 0]))), arrays, [0, 1, 0])
    assert_same(Sequences(as_features(tensors), LABELS), arrays, LABELS)
    stacked = torch.zeros(3, 4, 2)
    assert as_sequences(TensorDataset(stacked, torch.tensor([2, 0, 2]))).lengths.tolist() == [4, 4, 4]
    assert as_sequences((stacked, torch.tensor([2, 0, 2]))).labels.tolist() == [2, 0, 2]
    assert as_features(stacked).shape == (3, 4, 2)
    nested = torch.nested.nested_tensor(tensors, layout=torch.jagged)
    assert_same(as_sequences((nested, LABELS)), arrays, LABELS)
    assert_same(converted(nested, labels=LABELS), arrays, LABELS)
    with pytest.raises(ConfigError, match="which takes all of the data set, whatever its sampler draws"):
        as_sequences(DataLoader(Walks()))
    with pytest.raises(ShapeError, match=r"sequence 0 is no array .*BFloat16\. Convert it to float32"):
        Sequences([tensor.to(torch.bfloat16) for tensor in tensors])


def test_a_list_of_pairs(arrays):
    pairs = list(zip(arrays, LABELS, strict=True))
    assert_same(as_sequences(pairs), arrays, LABELS)
    assert_same(as_features(pairs), arrays, LABELS)
    # Two sequences, and no pair of sequences and labels.
    assert as_features((arrays[0], arrays[1]))[1] is arrays[1]


def test_columns_of_tables(arrays):
    series = pd.Series(arrays)
    assert_same(as_sequences((series, pd.Series(LABELS))), arrays, LABELS)
    assert_same(converted(series, labels=LABELS), arrays, LABELS)
    assert_same(Sequences(as_features(series), LABELS), arrays, LABELS)
    table = pa.table({"FEATURES": pa.array([array.tolist() for array in arrays]), "LABEL": LABELS})
    assert_same(as_sequences((table["FEATURES"], table["LABEL"])), arrays, LABELS)
    assert_same(Sequences(table["FEATURES"].combine_chunks(), table["LABEL"]), arrays, LABELS)
    assert_same(Sequences(as_features(table["FEATURES"]), LABELS), arrays, LABELS)
    assert_same(converted(table), arrays, LABELS)
    assert_same(as_sequences(([pd.DataFrame(array) for array in arrays], LABELS)), arrays, LABELS)


def test_datasets_of_hugging_face(arrays):
    require("datasets")
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

    kinds = Features({"walk": Sequence(Sequence(Value("float32"))), "kind": ClassLabel(names=["a", "b"])})
    data = Dataset.from_dict({"walk": [array.tolist() for array in arrays], "kind": [0, 1, 0]}, features=kinds)
    assert_same(converted(data), arrays, LABELS)
    assert_same(converted(DatasetDict(train=data)), arrays, LABELS)


def test_labels_of_any_kind(arrays):
    import tensorflow as tf

    def names(labels):
        return fit_target("classification", Sequences(arrays, labels).labels).names

    for labels in (
        [b"a", b"b", b"a"],
        np.array([b"a", b"b", b"a"]),
        np.array([b"a", b"b", b"a"], object),
        tf.constant(LABELS),
        pa.array(LABELS),
        pa.chunked_array([[b"a"], [b"b", b"a"]]),
        pd.Series(pd.Categorical(LABELS)),
    ):
        assert names(labels) == ("a", "b")
    # Numbers of classes may have gaps, and ten is more than nine.
    assert names([0, 10, 9]) == names(tf.constant([0, 10, 9])) == names(np.array([0.0, 10.0, 9.0])) == ("0", "9", "10")
    assert names([tf.constant(0), tf.constant(2), tf.constant(0)]) == ("0", "2")
    with pytest.raises(ManifestError, match=r"the label b'\\xff' is not UTF-8 text"):
        names([b"a", b"\xff", b"a"])
    with pytest.raises(ManifestError, match=r"instead of one-hot rows \(labels\.argmax\(axis=1\)\)"):
        names(np.eye(2)[[0, 1, 0]])


def test_train_evaluate_and_predict_take_the_same(rng, tmp_path):
    import tensorflow as tf

    arrays = [rng.normal(size=(length, 2)).astype("float32") for length in rng.integers(5, 20, size=20)]
    labels = ["a", "b"] * 10
    run = train(quick(training={"epochs": 1}), tmp_path / "run", train_data=(arrays, labels))
    made = tf.data.Dataset.from_generator(
        lambda: zip(arrays, labels, strict=True),
        output_signature=(tf.TensorSpec((None, 2)), tf.TensorSpec((), tf.string)),
    )
    right = evaluate(run.model, Sequences(arrays, labels), bootstrap=0).metrics["loss"]
    expected = predict(run.model, arrays)
    for data in ((arrays, labels), made, list(zip(arrays, labels, strict=True))):
        assert evaluate(run.model, data, bootstrap=0).metrics["loss"] == right
        pd.testing.assert_frame_equal(predict(run.model, data), expected)
    pd.testing.assert_frame_equal(predict(run.model, iter(arrays)), expected)
    for call in (evaluate, predict):
        with pytest.raises(ConfigError, match=r"Convert it with seqconv\.Sequences: Sequences\(\*zip"):
            call(run.model, made.batch(1))


def test_a_table_of_frames(arrays):
    rows = [{"ID": number, "x": x, "y": y} for number, array in enumerate(arrays) for x, y in array]
    nested = pd.DataFrame({name: [pd.Series(array[:, n]) for array in arrays] for n, name in enumerate("xy")})
    assert_same(converted(nested, labels=["a", "b", "a"], np=np), arrays, ["a", "b", "a"])
    found = converted(pd.DataFrame(rows), ID="ID", COLUMNS=["x", "y"], labels=["a", "b", "a"])
    assert_same(found, arrays, ["a", "b", "a"])


def test_what_nobody_knows_is_named():
    with pytest.raises(
        ConfigError, match=r"train_data is of type int. Convert it with .*: Sequences\(arrays, labels\)"
    ):
        load_datasets(load_config(quick()).data_spec, train_data=5)
    with pytest.raises(
        ConfigError, match=r"is of type dict. .*: Sequences\(list\(data\.values\(\)\), labels, ids=list"
    ):
        as_sequences({"a": 1})
