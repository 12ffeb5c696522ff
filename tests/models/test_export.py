"""A SavedModel of the plain and the lengths path: time stays dynamic, the logits are the same, no segments inside."""

import keras
import numpy as np
import pytest
from support.random_models import draw_model
from support.rows import padded, sequences

from seqconv.models import SequenceModel

if keras.backend.backend() != "tensorflow":
    pytest.skip("SavedModel is TensorFlow's format", allow_module_level=True)
import tensorflow as tf

FAMILIES = {
    "plain": {
        "blocks": [
            {"filters": 6, "kernel_size": 5, "strides": 2},
            {"type": "max_pool"},
            {"type": "separable_conv", "filters": 6, "padding": "causal", "norm": "layer"},
        ],
        "pooling": ["mean", "max", "last", "statistics"],
    },
    "valid": {"blocks": [{"filters": 6, "kernel_size": 5, "padding": "valid"}], "pooling": "log_sum_exp"},
    "tcn": {"blocks": [{"type": "tcn", "filters": 6, "dilations": [1, 2]}], "pooling": "generalized_mean"},
    "resnet": {
        "blocks": [{"type": "residual", "filters": 6, "strides": 2, "squeeze_excite": 2, "norm": "instance"}],
        "pooling": {"type": "attentive_statistics", "units": 3, "context": True},
    },
    "length": {"blocks": [{"type": "length"}, {"filters": 4}]},
    "inception": {"blocks": [{"type": "inception", "filters": 2, "kernel_sizes": [3, 7], "bottleneck": 2}]},
    "convnext": {"blocks": [{"type": "convnext"}, {"type": "inverted_bottleneck", "filters": 4}]},
    "attention": {"blocks": [{"type": "attention", "num_heads": 2, "feed_forward": 5}]},
    "lstm": {"blocks": [{"type": "lstm", "units": 3, "bidirectional": True}]},
    "frames": {"blocks": [{"filters": 6, "strides": 2}], "pooling": "frames"},
}
FRAMES = tf.TensorSpec((None, None, 4), tf.float32)
LENGTHS = tf.TensorSpec((None,), tf.int32)
SEGMENT_OPERATIONS = ("Segment", "Scatter", "Unique")


@pytest.fixture(scope="module", params=FAMILIES)
def model(request) -> SequenceModel:
    return draw_model(FAMILIES[request.param], seed=3)


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    """The model as whoever has nothing but TensorFlow loads it."""
    path = str(tmp_path_factory.mktemp("export"))
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("plain", lambda frames: model(frames, training=False), input_signature=[FRAMES])
    archive.add_endpoint(
        "with_lengths",
        lambda frames, lengths: model((frames, lengths), training=False),
        input_signature=[FRAMES, LENGTHS],
    )
    archive.write_out(path, verbose=False)
    return tf.saved_model.load(path)


def operations(function) -> set[str]:
    """Types of all operations of the graph, those of functions within it too."""
    graph = function.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
    return {node.op for node in nodes}


def test_time_stays_dynamic_and_the_logits_are_the_same(model, served):
    for length in (model.min_frames, 17, 40):
        x = sequences([length])[0].astype("float32")[None]
        expected = model.predict(x, verbose=0)
        np.testing.assert_allclose(served.plain(x), expected, rtol=1e-4, atol=1e-5)
        found = served.with_lengths(x, np.array([length], "int32"))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_padding_is_ignored_by_the_exported_model_too(model, served):
    arrays = [x.astype("float32") for x in sequences((model.min_frames, 17, 9))]
    features, mask = padded(arrays)
    lengths = mask.sum(axis=1).astype("int32")
    found = served.with_lengths(features, lengths).numpy()
    for x, logits in zip(arrays, found, strict=True):
        expected = served.plain(x[None]).numpy()[0]
        np.testing.assert_allclose(logits[: len(expected)] if model.predicts_frames else logits, expected, 1e-4, 1e-5)


def test_the_graph_holds_no_segment_operations(served):
    for function in (served.plain, served.with_lengths):
        found = operations(function)
        assert "MatMul" in found
        assert not [name for name in found if any(part in name for part in SEGMENT_OPERATIONS)]


def test_segment_operations_would_be_found():
    """The check bites: rows of several sequences need them for the maximum."""
    model = draw_model({"blocks": [{"filters": 3}], "pooling": "max"}, seed=3)
    batch = {
        "features": FRAMES,
        "segments": tf.TensorSpec((None, None), tf.int32),
        "lengths": tf.TensorSpec((None, 2), tf.int32),
    }
    found = operations(tf.function(lambda batch: model(batch, training=False), input_signature=[batch]))
    assert [name for name in found if any(part in name for part in SEGMENT_OPERATIONS)]


def test_keras_exports_the_plain_path_by_itself(tmp_path):
    model = draw_model(FAMILIES["plain"], seed=4)
    model.export(tmp_path / "served", verbose=False)
    x = sequences([23])[0].astype("float32")[None]
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(x), model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)
