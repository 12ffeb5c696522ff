"""The contract on models drawn at random from the whole config space, in float64, so that nothing hides in rounding."""

import math
import os

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from seqconv.batching import Batch, make_batch, plan_bucketed, plan_packed, plan_padded
from seqconv.models import SequenceModel, build_model, load_model
from seqconv.training.optimization import make_loss

NUM_FEATURES, NUM_CLASSES = 4, 3
MODELS_IN_CI = 40
ACTIVATIONS = ["relu", "gelu", "tanh", "elu", "linear"]
to_numpy = keras.ops.convert_to_numpy
drawn: list[int] = []


@pytest.fixture(autouse=True)
def double_precision():
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


@st.composite
def conv_blocks(draw, channels):
    strides = draw(st.integers(1, 3))
    groups = draw(st.sampled_from([g for g in (1, 2) if channels % g == 0]))
    return {
        "filters": groups * draw(st.integers(1, 3)),
        "kernel_size": draw(st.integers(1, 6)),
        "strides": strides,
        "dilation_rate": draw(st.integers(1, 4)) if strides == 1 else 1,
        "padding": draw(st.sampled_from(["same", "same", "causal", "valid"])),
        "groups": groups,
        "norm": draw(st.sampled_from(["batch", "none"])),
        "activation": draw(st.sampled_from(ACTIVATIONS)),
        "repeat": draw(st.integers(1, 2)) if groups == 1 else 1,
    }


@st.composite
def model_configs(draw):
    blocks, channels = [], NUM_FEATURES
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["conv", "conv", "conv", "max_pool", "average_pool", "lstm"]))
        if kind == "conv":
            blocks.append(draw(conv_blocks(channels)))
            channels = blocks[-1]["filters"]
        elif kind == "lstm":
            blocks.append({"type": "lstm", "units": 3, "bidirectional": draw(st.booleans())})
            channels = 3 * (1 + blocks[-1]["bidirectional"])
        else:
            blocks.append({"type": kind, "pool_size": draw(st.integers(1, 4)), "strides": draw(st.integers(1, 3))})
    pooling = draw(st.sampled_from([["mean"], ["max"], ["mean", "max"]]))
    return {"blocks": blocks, "pooling": pooling, "dense_units": draw(st.sampled_from([[], [5]]))}


def draw_model(config: dict, seed: int) -> SequenceModel:
    """A model with weights as after training: no zeros, no ones."""
    keras.utils.set_random_seed(seed)
    model = build_model(config, num_features=NUM_FEATURES, num_outputs=NUM_CLASSES)
    rng = np.random.default_rng(seed)
    model.set_weights([w + 0.3 * np.abs(rng.normal(size=w.shape)) for w in model.get_weights()])
    return model


def plans_in_one_step(model: SequenceModel, lengths: list[int]) -> dict:
    """All sequences in a single batch, in every layout that the model supports."""
    options = {"time_geometry": model.time_geometry, "shuffle": False}
    total = 4 * len(lengths) * max(lengths)
    plans = {
        "padded": plan_padded(lengths, batch_size=len(lengths), **options),
        "bucketed": plan_bucketed(lengths, num_buckets=1, frames_per_batch=total, **options),
    }
    if model.packable:
        plans["packed"] = plan_packed(lengths, frames_per_batch=total, **options)
    assert all(len(plan) == 1 for plan in plans.values())
    return plans


def inputs_of(batch: Batch) -> dict:
    return {**batch.as_inputs(), "features": batch.features.astype("float64")}


class RecordingOptimizer(keras.optimizers.SGD):
    """Keeps the gradients that training would apply, and changes nothing."""

    def apply(self, grads, trainable_variables=None):
        self.recorded = [to_numpy(g) for g in grads]


def one_step(model: SequenceModel, batch: Batch) -> tuple:
    """Loss, gradients and moved statistics of one training step, as `fit` would do it; the model stays as it was."""
    before, optimizer = model.get_weights(), RecordingOptimizer()
    model.compile(optimizer=optimizer, loss=make_loss("classification"), run_eagerly=True)
    loss = model.train_on_batch(inputs_of(batch), batch.labels, sample_weight=batch.weights)
    after = model.get_weights()
    model.set_weights(before)
    return float(loss), optimizer.recorded, after


def assert_close(actual, expected, name):
    scale = np.abs(expected).max(initial=0)
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9 * scale + 1e-12, err_msg=name)


def check_logits(model, arrays, plans, tmp_path):
    alone = np.concatenate([to_numpy(model(x[None].astype("float64"))) for x in arrays])
    assert np.isfinite(alone).all()
    for name, plan in plans.items():
        for garbage in (np.nan, 1e6):
            batch = make_batch(plan.epoch(0)[0], arrays, fill=garbage)
            logits = to_numpy(model(inputs_of(batch)))
            assert_close(logits[batch.layout.row, batch.layout.slot], alone[batch.layout.indices], name)
    model.save(tmp_path / "model.keras")
    reloaded = load_model(tmp_path / "model.keras")
    for x, expected in zip(arrays, alone, strict=True):
        np.testing.assert_array_equal(to_numpy(reloaded(x[None].astype("float64")))[0], expected)


def check_training(model, arrays, plans):
    labels = np.eye(NUM_CLASSES, dtype="float32")[np.arange(len(arrays)) % NUM_CLASSES]
    steps = {
        name: one_step(model, make_batch(plan.epoch(0)[0], arrays, labels=labels, fill=np.nan))
        for name, plan in plans.items()
    }
    loss, gradients, statistics = steps.pop("padded")
    assert math.isfinite(loss)
    assert all(np.isfinite(g).all() for g in gradients)
    for name, (other_loss, other_gradients, other_statistics) in steps.items():
        assert other_loss == pytest.approx(loss, rel=1e-9), name
        for ours, theirs in zip([*gradients, *statistics], [*other_gradients, *other_statistics], strict=True):
            assert_close(theirs, ours, name)


def check_contract(config, extra_lengths, seed, tmp_path):
    model = draw_model(config, seed)
    lengths = [model.min_frames, *(model.min_frames + n for n in extra_lengths)]
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(n, NUM_FEATURES)).astype("float32") for n in lengths]
    plans = plans_in_one_step(model, lengths)
    event(f"layouts: {', '.join(plans)}")
    drawn.append(len(plans))
    check_logits(model, arrays, plans, tmp_path)
    check_training(model, arrays, plans)


CASES = {
    "config": model_configs(),
    "extra_lengths": st.lists(st.one_of(st.integers(0, 12), st.integers(0, 200)), min_size=2, max_size=5),
    "seed": st.integers(0, 2**16),
}
OPTIONS = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@settings(max_examples=MODELS_IN_CI, **OPTIONS)
@given(**CASES)
def test_random_models_keep_the_contract(tmp_path, config, extra_lengths, seed):
    check_contract(config, extra_lengths, seed, tmp_path)


def test_enough_models_were_drawn(capsys):
    with capsys.disabled():
        print(f"\ncontract: {len(drawn)} random models, {sum(n == 3 for n in drawn)} of them packed too")
    assert len(drawn) >= MODELS_IN_CI
    assert sum(n == 3 for n in drawn) >= MODELS_IN_CI // 3


@pytest.mark.slow
@settings(max_examples=int(os.environ.get("SEQCONV_CONTRACT_MODELS", "2000")), **OPTIONS)
@given(**CASES)
def test_thousands_of_random_models_keep_the_contract(tmp_path, config, extra_lengths, seed):
    check_contract(config, extra_lengths, seed, tmp_path)
