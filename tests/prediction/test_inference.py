import gc

import keras
import numpy as np
import pytest

from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ManifestError, ModelError, ShapeError
from seqconv.models import build_model
from seqconv.prediction import compiled
from seqconv.prediction.forward import choose_strategy, forward


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(0)
    return Sequences([rng.normal(size=(n, 3)) for n in rng.integers(4, 90, size=41)])


@pytest.fixture(scope="module")
def model():
    blocks = [{"filters": 8, "kernel_size": 5}, {"filters": 8, "kernel_size": 3, "strides": 2}]
    built = build_model({"blocks": blocks, "pooling": ["mean", "max"]}, num_features=3, num_outputs=4)
    rng = np.random.default_rng(1)
    # Statistics and biases other than those of a fresh model, or padding would pass through as zero.
    built.set_weights([np.abs(rng.normal(size=w.shape)) + 0.1 if w.ndim == 1 else w for w in built.get_weights()])
    return built


@pytest.fixture(scope="module")
def lstm():
    return build_model({"blocks": [{"filters": 4}, {"type": "lstm", "units": 5}]}, num_features=3, num_outputs=2)


@pytest.fixture(scope="module")
def stock():
    layers = [
        keras.Input((None, 3)),
        keras.layers.Conv1D(6, 3, padding="same", activation="relu"),
        keras.layers.GlobalAveragePooling1D(),
        keras.layers.Dense(4, activation="softmax"),
    ]
    return keras.Sequential(layers)


def alone(model, sequences):
    return np.concatenate([np.asarray(model(sequences[i][None])) for i in range(len(sequences))])


@pytest.mark.parametrize("strategy", ["auto", "packed", "bucketed", "padded", "single"])
def test_every_strategy_gives_each_sequence_its_own_answer(model, sequences, strategy):
    logits = forward(model, sequences, strategy=strategy, batch_size=4)
    np.testing.assert_allclose(logits, alone(model, sequences), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sizes", [{"batch_size": 1}, {"batch_size": 100}, {"frames_per_batch": 50}])
def test_the_size_of_a_batch_changes_nothing(model, sequences, sizes):
    np.testing.assert_allclose(forward(model, sequences, **sizes), alone(model, sequences), rtol=1e-4, atol=1e-5)


def test_a_recurrent_model_is_bucketed_by_itself(lstm, sequences):
    assert choose_strategy(lstm).strategy == "bucketed"
    np.testing.assert_allclose(forward(lstm, sequences), alone(lstm, sequences), rtol=1e-4, atol=1e-5)


def test_packing_a_recurrent_model_names_the_layer(lstm, sequences):
    with pytest.raises(ConfigError, match=r"cannot tell apart: '.*lstm.*'. Use 'bucketed'"):
        forward(lstm, sequences, strategy="packed")


def test_an_unknown_strategy_lists_those_there_are(model, sequences):
    with pytest.raises(ConfigError, match="no strategy 'ragged', expected one of auto, packed"):
        forward(model, sequences, strategy="ragged")


def test_a_stock_model_is_run_alone_and_answers_in_logits(stock, sequences):
    logits = forward(stock, sequences)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, alone(stock, sequences), rtol=1e-5, atol=1e-7)


def test_a_stock_sigmoid_is_turned_back_into_logits(sequences):
    layers = [keras.Input((None, 3)), keras.layers.GlobalMaxPooling1D(), keras.layers.Dense(2, activation="sigmoid")]
    stock = keras.Sequential(layers)
    np.testing.assert_allclose(1 / (1 + np.exp(-forward(stock, sequences))), alone(stock, sequences), rtol=1e-5)


def test_a_stock_model_is_never_padded(stock, sequences):
    with pytest.raises(ConfigError, match="padding changes what a stock Keras model answers"):
        forward(stock, sequences, strategy="bucketed")


def test_a_stock_model_of_fixed_length_says_so(sequences):
    fixed = keras.Sequential([keras.Input((20, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    with pytest.raises(ModelError, match=r"a fixed length of 20 frames. Build it over keras.Input\(\(None, 3\)\)"):
        forward(fixed, sequences)


def test_a_stock_model_without_pooling_says_so(sequences):
    unpooled = keras.Sequential([keras.Input((None, 3)), keras.layers.Dense(2)])
    with pytest.raises(ModelError, match=r"expected \(1, outputs\): pool over time first"):
        forward(unpooled, sequences)


def test_another_number_of_features_names_both(model):
    with pytest.raises(ShapeError, match=r"have 5 features in a frame .* trained on 3"):
        forward(model, Sequences([np.zeros((9, 5))], ids=["long"]))


def test_sequences_too_short_are_all_named_with_what_is_needed():
    valid = build_model(
        {"blocks": [{"filters": 2, "kernel_size": 7, "padding": "valid"}]}, num_features=3, num_outputs=2
    )
    data = Sequences([np.zeros((n, 3)) for n in (3, 9, 5)], ids=["a", "b", "c"])
    with pytest.raises(
        ManifestError, match=r"2 sequences are too short .*'a \(3 frames\)', 'c \(5 frames\)'. It needs at least 7"
    ):
        forward(valid, data)


def test_the_forward_pass_is_traced_once_for_all_shapes(model, sequences):
    calls = []
    original = model.call
    model.call = lambda *args, **options: (calls.append(1), original(*args, **options))[1]
    try:
        compiled._runners.pop(model, None)
        for strategy in ("packed", "padded", "packed"):
            forward(model, sequences, strategy=strategy, batch_size=8)
    finally:
        model.call = original
        compiled._runners.pop(model, None)
    assert len(calls) == 1


def test_new_weights_are_used_at_once(sequences):
    model = build_model({"blocks": [{"filters": 4}]}, num_features=3, num_outputs=2)
    before = forward(model, sequences)
    model.set_weights([weight + 0.5 for weight in model.get_weights()])
    after = forward(model, sequences)
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, alone(model, sequences), rtol=1e-4, atol=1e-5)


def test_the_cache_does_not_keep_models_alive(sequences):
    gc.collect()
    before = len(compiled._runners)
    model = build_model({"blocks": [{"filters": 4}]}, num_features=3, num_outputs=2)
    forward(model, sequences)
    assert len(compiled._runners) == before + 1
    del model
    gc.collect()
    assert len(compiled._runners) == before


def test_a_source_without_sequences(model):
    class Empty:
        lengths = np.zeros(0, np.int64)
        ids = ()

    with pytest.raises(ManifestError, match="no sequences to run the model on"):
        forward(model, Empty())


def test_a_stock_model_over_something_else_than_frames(sequences):
    flat = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ModelError, match=r"takes inputs of shape \(None, 3\), expected \(None, None, num_features\)"):
        forward(flat, sequences)


def test_a_stock_model_that_ends_in_logits_is_left_alone(sequences):
    layers = [keras.Input((None, 3)), keras.layers.GlobalMaxPooling1D(), keras.layers.Dense(2)]
    stock = keras.Sequential(layers)
    np.testing.assert_allclose(forward(stock, sequences), alone(stock, sequences), rtol=1e-5, atol=1e-6)
