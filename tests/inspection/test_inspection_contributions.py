"""`contributions`: they sum to the logit that the model says, and are those of the frames."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from keras import layers, ops
from support.random_models import NUM_FEATURES, draw_model, model_configs

from seqconv.errors import ManifestError, ModelError, ShapeError
from seqconv.inspection import contributions
from seqconv.models import build_model

POOLINGS = ["mean", "max", "last", "statistics", "log_sum_exp", "generalized_mean"]
SOFT = [{"type": "attentive_statistics", "units": 3, "per_channel": True, "context": True}, "attentive_statistics"]


def logits_of(model, features):
    return np.asarray(ops.convert_to_numpy(model(features[None])), np.float64)[0]


def check_sum(model, features, found):
    logits = logits_of(model, features)
    assert found.logit == pytest.approx(logits[found.output], rel=1e-4, abs=1e-4)
    assert found.frames.sum() + found.bias == pytest.approx(logits[found.output], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("dense", [[], [6, 4]])
@pytest.mark.parametrize("pooling", [*POOLINGS, *SOFT, ["mean", "max"]], ids=str)
def test_contributions_sum_to_the_logit(pooling, dense, rng):
    blocks = [{"filters": 8, "kernel_size": 5}, {"filters": 6, "strides": 2, "activation": "tanh"}]
    model = draw_model({"blocks": blocks, "pooling": pooling, "dense_units": dense}, 3)
    features = rng.normal(size=(23, NUM_FEATURES)).astype("float32")
    found = contributions(model, features)
    check_sum(model, features, found)
    assert found.output == logits_of(model, features).argmax()
    is_linear = pooling in ("mean", "max", "last", ["mean", "max"]) and not dense
    assert found.is_exact == is_linear == (not found.notes)
    assert ("exact: this sum" if is_linear else "not exact: ") in str(found)
    assert found.positions.tolist() == list(range(0, 23, 2))


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(model_configs(), st.integers(0, 99))
def test_of_any_model_they_sum_to_the_logit(config, seed):
    assume(config["pooling"] != "frames")
    # An Inception block checks norm_groups against its filters, and the draw is of its outputs.
    assume(not any(block["type"] == "inception" and block["norm"] == "group" for block in config["blocks"]))
    model = draw_model(config, seed)
    features = np.random.default_rng(seed).normal(size=(model.min_frames + 15, NUM_FEATURES)).astype("float32")
    logits, found = logits_of(model, features), contributions(model, features, output=1)
    np.testing.assert_allclose(found.frames.sum() + found.bias, logits[1], rtol=1e-4, atol=1e-4 * abs(logits).max())


def test_a_frame_that_is_taken_out_of_a_mean_takes_its_contribution_along(rng):
    model = draw_model({"blocks": [{"filters": 5, "kernel_size": 1}], "pooling": "mean"}, 1)
    features = rng.normal(size=(9, NUM_FEATURES)).astype("float32")
    found = contributions(model, features, output=0)
    without = logits_of(model, np.delete(features, 4, axis=0))[0]
    assert (found.frames.sum() - found.frames[4]) * 9 / 8 + found.bias == pytest.approx(without, rel=1e-4)


def test_the_last_frame_decides_alone_where_it_is_the_head(rng):
    model = draw_model({"blocks": [{"filters": 5}], "pooling": "last"}, 1)
    found = contributions(model, rng.normal(size=(9, NUM_FEATURES)))
    assert np.flatnonzero(found.frames).tolist() == [8]


def test_a_maximum_goes_to_the_frame_that_has_it(rng):
    model = draw_model({"blocks": [{"filters": 5, "kernel_size": 1}], "pooling": "max"}, 2)
    features = rng.normal(size=(9, NUM_FEATURES)).astype("float32")
    found = contributions(model, features, output=0)
    silent = np.flatnonzero(found.frames == 0)
    assert 0 < len(silent) < 9
    kept = np.delete(features, silent, axis=0)
    assert logits_of(model, kept)[0] == pytest.approx(found.logit, rel=1e-5)


@pytest.mark.filterwarnings("ignore:.*destroy the mask information:UserWarning")
def test_stock_models_that_end_in_poolings_and_dense_layers(rng):
    inputs = keras.Input((None, 3))
    x = layers.Conv1D(5, 3, strides=2, activation="relu")(inputs)
    pooled = layers.Concatenate()([layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)])
    model = keras.Model(inputs, layers.Dense(4)(layers.Dropout(0.5)(pooled)))
    features = rng.normal(size=(20, 3)).astype("float32")
    found = contributions(model, features)
    check_sum(model, features, found)
    assert (found.is_exact, found.stride, len(found.frames)) == (True, 2, 9)

    masked = keras.Sequential(
        [keras.Input((None, 3)), layers.Masking(), layers.GlobalAveragePooling1D(), layers.Dense(2)]
    )
    features[5] = 0
    found = contributions(masked, features)
    check_sum(masked, features, found)
    assert found.frames[5] == 0

    softmax = keras.Sequential([keras.Input((None, 3)), layers.GlobalMaxPooling1D(), layers.Dense(2, "softmax")])
    found = contributions(softmax, features)
    other = contributions(softmax, features, output=1 - found.output)
    odds = np.log(logits_of(softmax, features))
    assert found.logit - other.logit == pytest.approx(odds[found.output] - odds[other.output], rel=1e-4)


def test_outputs_have_the_names_of_the_card_and_times_those_of_the_features():
    card = {
        "target": {"task": "classification", "names": ["no", "yes"]},
        "features": {"kind": "log_mel", "sample_rate": 8000, "n_fft": 256, "hop_length": 80},
    }
    model = build_model({"blocks": [{"filters": 4}], "pooling": "mean"}, num_features=3, num_outputs=2, card=card)
    found = contributions(model, np.ones((30, 3)), output="yes")
    assert (found.output, found.label, found.seconds_per_frame) == (1, "yes", 0.01)
    assert " at 0." in str(found)
    with pytest.raises(ModelError, match=r"has no output 'maybe'\. It has: 'no', 'yes'"):
        contributions(model, np.ones((30, 3)), output="maybe")
    with pytest.raises(ModelError, match="has outputs 0 to 1, not 2"):
        contributions(model, np.ones((30, 3)), output=2)
    with pytest.raises(ShapeError, match=r"one sequence \(time, num_features\), got an array of shape \(1, 30, 3\)"):
        contributions(model, np.ones((1, 30, 3)))


def test_other_heads_are_refused_by_name():
    frames = build_model({"blocks": [{"filters": 4}], "pooling": "frames"}, num_features=3, num_outputs=2)
    with pytest.raises(ModelError, match="predicts each frame by itself"):
        contributions(frames, np.ones((9, 3)))
    recurrent = keras.Sequential([keras.Input((None, 3)), layers.LSTM(4, name="memory"), layers.Dense(2)])
    with pytest.raises(ModelError, match=r"'memory' \(LSTM\) of model .* is something else"):
        contributions(recurrent, np.ones((9, 3)))


def ours():
    return build_model(
        {"blocks": [{"filters": 4, "kernel_size": 6, "padding": "valid"}]}, num_features=3, num_outputs=2
    )


def stock():
    inputs = keras.Input((None, 3))
    x = layers.MaxPooling1D(2)(layers.Conv1D(4, 5)(inputs))
    return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling1D()(x)))


@pytest.mark.parametrize("make", [ours, stock])
def test_a_recording_that_does_not_fit_is_refused(make, rng):
    model, features = make(), rng.normal(size=(20, 3))
    check_sum(model, features[:6].astype(np.float32), contributions(model, features[:6]))
    with pytest.raises(ManifestError, match=r"'the recording \(5 frames\)'. It needs at least 6 frames"):
        contributions(model, features[:5])
    with pytest.raises(ShapeError, match=r"have 2 features in a frame .* trained on 3"):
        contributions(model, features[:, :2])


def test_a_fixed_length_is_named_and_one_that_keras_ignores_is_none(rng):
    inputs, features = keras.Input((20, 3)), rng.normal(size=(9, 3)).astype(np.float32)
    pooled = layers.GlobalAveragePooling1D()(layers.Conv1D(4, 3)(inputs))
    with pytest.raises(ModelError, match=r"'the recording' has 9 frames, but .* a fixed length of 20 frames"):
        contributions(keras.Model(inputs, layers.Dense(2)(pooled)), features)
    fitted = keras.Sequential([layers.Conv1D(4, 3), layers.GlobalAveragePooling1D(), layers.Dense(2)])
    fitted.compile("sgd", "mse")
    fitted.fit(np.ones((8, 20, 3)), np.ones((8, 2)), verbose=0)
    check_sum(fitted, features, contributions(fitted, features))


def test_several_outputs_are_refused():
    inputs = keras.Input((None, 3))
    pooled = layers.GlobalMaxPooling1D()(inputs)
    model = keras.Model(inputs, [layers.Dense(2)(pooled), layers.Dense(3)(pooled)])
    with pytest.raises(ModelError, match=r"has 2 outputs .*keras\.Model\(model\.inputs, model\.outputs\[0\]\)"):
        contributions(model, np.ones((9, 3)))
