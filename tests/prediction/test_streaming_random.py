"""Chunks of any size give the answer of the whole, for models drawn at random, in float64 and with NaN outside."""

import os
from collections import Counter

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.random_models import NUM_FEATURES, draw_model, model_configs

from seqconv.prediction.streaming.network import passes_of
from seqconv.prediction.streaming.whole import ChunkRunner

MODELS_IN_CI = 20
# JAX computes in float64 only when the whole process does, and Keras's dense layers under torch in float32.
IS_DOUBLE = keras.backend.backend() == "tensorflow"
TOLERANCE = 1e-9 if IS_DOUBLE else 1e-3
drawn: Counter = Counter()


@pytest.fixture(scope="module", autouse=True)
def double_precision():
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    if IS_DOUBLE:
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


def chunked_logits(model, pieces, chunk_frames):
    runner = ChunkRunner(model, chunk_frames, fill=np.nan)
    if model.predicts_frames:
        return np.concatenate(list(runner.frame_logits(pieces)))
    return runner.answer(pieces).logits


def cut(x, sizes):
    bounds = np.cumsum(np.resize(sizes, len(x)))
    return np.split(x, bounds[bounds < len(x)])


def check_chunks(config, extra_frames, chunk_strides, rest, seed):
    model = draw_model(config, seed)
    assert model.chunkable
    x = np.random.default_rng(seed).normal(size=(model.min_frames + extra_frames, NUM_FEATURES)).astype("float32")
    chunk_frames = chunk_strides * model.total_stride + rest % model.total_stride
    expected = keras.ops.convert_to_numpy(model(x[None].astype(keras.config.floatx())))[0]
    scale = np.abs(expected).max(initial=0)
    logits = chunked_logits(model, cut(x, [1 + seed % 7, 1 + seed % 50]), chunk_frames)
    np.testing.assert_allclose(logits, expected, rtol=TOLERANCE, atol=TOLERANCE * scale + 1e-12)
    is_cut = len(x) > chunk_frames
    drawn.update({"models": 1, "several chunks": is_cut, "several passes": len(passes_of(model)) > 1})


CASES = {
    "config": model_configs(chunkable=True),
    "extra_frames": st.one_of(st.integers(0, 12), st.integers(0, 200)),
    "chunk_strides": st.one_of(st.integers(1, 3), st.integers(1, 60)),
    "rest": st.integers(0, 50),
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
def test_chunks_of_random_models_give_the_answer_of_the_whole(config, extra_frames, chunk_strides, rest, seed):
    check_chunks(config, extra_frames, chunk_strides, rest, seed)


def test_enough_models_were_run_in_chunks(capsys):
    with capsys.disabled():
        print(f"\nstreaming: random models in chunks: {dict(drawn)}")
    assert drawn["models"] >= MODELS_IN_CI
    assert drawn["several chunks"] >= MODELS_IN_CI // 4
    assert drawn["several passes"] >= MODELS_IN_CI // 4


@pytest.mark.slow
@settings(max_examples=int(os.environ.get("SEQCONV_CONTRACT_MODELS", "1000")), **OPTIONS)
@given(**CASES)
def test_chunks_of_many_random_models_give_the_answer_of_the_whole(config, extra_frames, chunk_strides, rest, seed):
    check_chunks(config, extra_frames, chunk_strides, rest, seed)
