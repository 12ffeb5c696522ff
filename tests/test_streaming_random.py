"""Chunks of any size give the answer of the whole, for models drawn at random, in float64."""

import os

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_contract_random import NUM_FEATURES, double_precision, draw_model, model_configs

from seqconv.errors import ConfigError
from seqconv.streaming.network import passes_of
from seqconv.streaming.whole import ChunkRunner

__all__ = ["double_precision"]
MODELS_IN_CI = 40
drawn: list[int] = []


def whole_logits(model, x):
    return keras.ops.convert_to_numpy(model(x[None].astype("float64")))[0]


def chunked_logits(model, pieces, chunk_frames):
    runner = ChunkRunner(model, chunk_frames, fill=np.nan)
    if model.predicts_frames:
        return np.concatenate(list(runner.frame_logits(pieces)))
    return runner.answer(pieces).logits


def cut(x, sizes):
    bounds = np.cumsum(np.resize(sizes, len(x)))
    return np.split(x, bounds[bounds < len(x)])


def assert_close(actual, expected):
    scale = np.abs(expected).max(initial=0)
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9 * scale + 1e-12)


def check_chunks(config, extra_frames, chunk_strides, rest, seed):
    model = draw_model(config, seed)
    x = np.random.default_rng(seed).normal(size=(model.min_frames + extra_frames, NUM_FEATURES)).astype("float32")
    pieces = cut(x, [1 + seed % 7, 1 + seed % 50])
    chunk_frames = chunk_strides * model.total_stride + rest % model.total_stride
    if not model.chunkable:
        with pytest.raises(ConfigError, match="cannot run over a sequence in chunks: '"):
            ChunkRunner(model, chunk_frames)
        return
    drawn.append(len(passes_of(model)))
    assert_close(chunked_logits(model, pieces, chunk_frames), whole_logits(model, x))


CASES = {
    "config": model_configs(),
    "extra_frames": st.one_of(st.integers(0, 12), st.integers(0, 300)),
    "chunk_strides": st.one_of(st.integers(1, 3), st.integers(1, 100)),
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
        print(
            f"\nstreaming: {len(drawn)} random models in chunks, {sum(n > 1 for n in drawn)} of them in several passes"
        )
    assert len(drawn) >= MODELS_IN_CI // 3


@pytest.mark.slow
@settings(max_examples=int(os.environ.get("SEQCONV_CONTRACT_MODELS", "1000")), **OPTIONS)
@given(**CASES)
def test_chunks_of_many_random_models_give_the_answer_of_the_whole(config, extra_frames, chunk_strides, rest, seed):
    check_chunks(config, extra_frames, chunk_strides, rest, seed)
