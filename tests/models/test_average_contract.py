"""The contract of averages of models drawn at random: one sequence has one answer in every layout and in chunks."""

import contextlib
import os
from collections import Counter

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.contract_checks import BACKEND, SINGLE, Tolerance, answer, assert_close, check_logits
from support.double_precision import double_precision
from support.random_models import NUM_FEATURES, draw_model, model_configs

from seqconv.models import AverageModel, build_model
from seqconv.prediction.forward import forward
from seqconv.prediction.streaming.whole import ChunkRunner
from seqconv.sources import ArraySource
from seqconv.testing.layouts import plans_in_one_step

AVERAGES = int(os.environ.get("SEQCONV_CONTRACT_AVERAGES", "20"))
DOUBLE = Tolerance("float64", logits=(1e-9, 1e-9), gradients=(1e-9, 1e-9))
drawn: Counter = Counter()


@st.composite
def averages(draw, chunkable=False):
    """Configs of two or three members that have predictions for the same: sequences, or the same frames."""
    most = 3 if BACKEND == "tensorflow" else 1
    first = draw(model_configs(chunkable=chunkable, most_blocks=most))
    count = draw(st.integers(2, 3 if BACKEND == "tensorflow" else 2))
    if first["pooling"] == "frames":
        ways = {"kernel_size": draw(st.integers(1, 9)), "padding": draw(st.sampled_from(["same", "causal"]))}
        found = [first, *({**first, "blocks": [*first["blocks"], {"filters": 3, **ways}]} for _ in range(count - 1))]
    else:
        others = model_configs(chunkable=chunkable, most_blocks=most).filter(lambda each: each["pooling"] != "frames")
        found = [first, *(draw(others) for _ in range(count - 1))]
    before = [{"type": "standardize", "keep_inputs": draw(st.booleans())}]
    if found[-1]["blocks"][0].get("type") == "to_bands":
        # Bands are made of the features as they are.
        before = []
    return [*found[:-1], {**found[-1], "blocks": [*before, *found[-1]["blocks"]]}]


CASES = {
    "extra_lengths": st.lists(st.one_of(st.integers(0, 12), st.integers(0, 90)), min_size=2, max_size=3),
    "shares": st.lists(st.floats(0.1, 3), min_size=3, max_size=3),
    "seed": st.integers(0, 2**16),
}
OPTIONS = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "phases": [Phase.generate],
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
}


def draw_average(configs, shares, seed) -> AverageModel:
    members = [draw_model(config, seed + number) for number, config in enumerate(configs)]
    average = AverageModel(members, shares[: len(members)])
    x = np.random.default_rng(seed).normal(size=(2, average.min_frames + 7, NUM_FEATURES))
    # The definition, by the models that went in.
    expected = sum(share * np.asarray(answer(each, x)) for share, each in zip(shares, members, strict=False))
    assert_close(answer(average, x), expected, SINGLE.logits, "mean of the members")
    return average


def sequences(model, extra_lengths, seed):
    rng = np.random.default_rng(seed)
    lengths = [model.min_frames, *(model.min_frames + extra for extra in extra_lengths)]
    return [rng.normal(size=(n, NUM_FEATURES)).astype("float32") for n in lengths]


def check_average(configs, extra_lengths, shares, seed, tmp_path, tolerance):
    with double_precision() if tolerance is DOUBLE else contextlib.nullcontext():
        model = draw_average(configs, shares, seed)
        arrays = sequences(model, extra_lengths, seed)
        plans = plans_in_one_step(list(map(len, arrays)), model.time_geometry, packable=model.packable)
        check_logits(model, arrays, plans, tolerance.logits, tmp_path)
        strides = {member.total_stride for member in model.members}
    drawn.update({"averages": 1, "packed": model.packable, "of several strides": len(strides) > 1})
    drawn.update(
        {"of frames": model.predicts_frames, "standardized": configs[-1]["blocks"][0]["type"] == "standardize"}
    )


@settings(max_examples=AVERAGES, **OPTIONS)
@given(configs=averages(), **CASES)
def test_random_averages_keep_the_contract(tmp_path, configs, extra_lengths, shares, seed):
    check_average(configs, extra_lengths, shares, seed, tmp_path, DOUBLE)


@settings(max_examples=max(1, AVERAGES // 4), **OPTIONS)
@given(configs=averages(), **CASES)
def test_random_averages_keep_the_contract_in_single_precision(tmp_path, configs, extra_lengths, shares, seed):
    check_average(configs, extra_lengths, shares, seed, tmp_path, SINGLE)


@settings(max_examples=max(1, AVERAGES // 2), **OPTIONS)
@given(configs=averages(chunkable=True), chunk_strides=st.integers(1, 30), **CASES)
def test_chunks_of_random_averages_give_the_answer_of_the_whole(configs, extra_lengths, chunk_strides, shares, seed):
    model = draw_average(configs, shares, seed)
    chunk_frames = chunk_strides * model.total_stride
    runner = ChunkRunner(model, chunk_frames, fill=np.nan)
    for x in sequences(model, extra_lengths, seed):
        pieces = np.split(x, [len(x) // 3])
        found = (
            np.concatenate(list(runner.frame_logits(pieces))) if model.predicts_frames else runner.answer(pieces).logits
        )
        assert_close(found, answer(model, x[None])[0], (1e-3, 1e-4), "chunks")
        drawn.update({"several chunks": len(x) > chunk_frames})


@settings(max_examples=max(1, AVERAGES // 4), **OPTIONS)
@given(configs=averages(), **CASES)
def test_members_in_layouts_of_their_own_give_the_answer_of_the_whole(configs, extra_lengths, shares, seed):
    model = draw_average(configs, shares, seed)
    arrays = sequences(model, extra_lengths, seed)
    for strategy in ("auto", "bucketed", "single"):
        found = forward(model, ArraySource(arrays, list("abcd"[: len(arrays)])), strategy=strategy)
        for logits, x in zip(found, arrays, strict=True):
            assert_close(logits, answer(model, x[None])[0], (1e-3, 1e-4), strategy)


def test_enough_averages_of_every_kind_were_drawn(capsys):
    with capsys.disabled():
        print(f"\ncontract on {BACKEND}: {dict(drawn)}")
    assert drawn["averages"] >= AVERAGES
    if AVERAGES >= 20:
        assert (
            min(drawn[kind] for kind in ("packed", "of several strides", "of frames", "standardized", "several chunks"))
            >= 3
        )


@pytest.mark.slow
@settings(max_examples=200, **(OPTIONS | {"derandomize": False}))
@given(configs=averages(), **CASES)
def test_hundreds_of_random_averages_keep_the_contract(tmp_path, configs, extra_lengths, shares, seed):
    check_average(configs, extra_lengths, shares, seed, tmp_path, DOUBLE)


@pytest.mark.parametrize("pooling", ["mean", "frames"])
@pytest.mark.parametrize("form", ["array", "pair", "batch"])
def test_a_model_in_a_graph_has_the_shape_of_its_answer(pooling, form):
    model = build_model({"blocks": [{"filters": 3, "strides": 2}], "pooling": pooling}, num_features=4, num_outputs=3)
    for each in (model, AverageModel([model, model])):
        frames, lengths = keras.Input((9, 4)), keras.Input((), dtype="int32")
        segments, slots = keras.Input((9,), dtype="int32"), keras.Input((2,), dtype="int32")
        batch = {"features": frames, "segments": segments, "lengths": slots}
        shape = each({"array": frames, "pair": (frames, lengths), "batch": batch}[form]).shape
        slots_shape = (None, 2, 3) if form == "batch" else (None, 3)
        assert shape == ((None, 5, 3) if pooling == "frames" else slots_shape)
