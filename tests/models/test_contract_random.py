"""The contract on models drawn at random from the whole config space.

In float64, so that nothing hides in rounding, and some in float32.
"""

import contextlib
import os
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.contract_checks import (
    BACKEND,
    SINGLE,
    Tolerance,
    check_logits,
    check_training,
)
from support.double_precision import double_precision
from support.random_models import NUM_FEATURES, OF_BANDS, OF_TIME, draw_model, model_configs

from seqconv.testing.layouts import plans_in_one_step

MODELS = int(os.environ.get("SEQCONV_CONTRACT_MODELS", "200"))
drawn: Counter = Counter()


DOUBLE = Tolerance("float64", logits=(1e-9, 1e-9), gradients=(1e-9, 1e-9))


def check_contract(config, extra_lengths, seed, tmp_path, tolerance=DOUBLE):
    with double_precision() if tolerance is DOUBLE else contextlib.nullcontext():
        model = draw_model(config, seed)
        # What is planned without building the model is what the model is.
        assert model.time_geometry == model.config.time_geometry
        # TensorFlow runs a recurrent layer frame by frame here, which took a third of the time of this test.
        most = 40 if any(block.type in ("lstm", "gru") for block in model.config.blocks) else 200
        lengths = [model.min_frames, *(model.min_frames + min(n, most) for n in extra_lengths)]
        rng = np.random.default_rng(seed)
        arrays = [rng.normal(size=(n, NUM_FEATURES)).astype("float32") for n in lengths]
        plans = plans_in_one_step(lengths, model.time_geometry, packable=model.packable)
        assert all(len(plan) == 1 for plan in plans.values())
        check_logits(model, arrays, plans, tolerance.logits, tmp_path)
        task = check_training(model, arrays, plans, tolerance.gradients, rng)
    drawn[f"models in {tolerance.dtype}"] += 1
    if tolerance is DOUBLE:
        drawn.update(["tokens"] if task == "tokens" else [])
        drawn.update(["packed"] if model.packable else [])
        drawn.update({block.type for block in model.config.blocks} | {pooling.type for pooling in model.config.pooling})


# What other backends must keep are the layers; how layers follow each other is the same arithmetic on all of them, and
# compiling is what takes time there, for each block and each length.
MOST_BLOCKS, MOST_LENGTHS = (4, 4) if BACKEND == "tensorflow" else (2, 2)
CASES = {
    "config": model_configs(most_blocks=MOST_BLOCKS),
    "extra_lengths": st.lists(st.one_of(st.integers(0, 12), st.integers(0, 200)), min_size=2, max_size=MOST_LENGTHS),
    "seed": st.integers(0, 2**16),
}
OPTIONS = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    # Making a failing model smaller takes minutes: `SEQCONV_SHRINK=1` asks for it.
    "phases": [Phase.generate, *([Phase.shrink] if os.environ.get("SEQCONV_SHRINK") else [])],
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
}


@settings(max_examples=MODELS, **OPTIONS)
@given(**CASES)
def test_random_models_keep_the_contract(tmp_path, config, extra_lengths, seed):
    check_contract(config, extra_lengths, seed, tmp_path)


@settings(max_examples=max(1, MODELS // 8), **OPTIONS)
@given(**CASES)
def test_random_models_keep_the_contract_in_single_precision(tmp_path, config, extra_lengths, seed):
    check_contract(config, extra_lengths, seed, tmp_path, SINGLE)


def test_every_type_of_block_is_in_some_models(tmp_path):
    """What chance draws depends on what else is loaded in the process: a type that it left out is drawn here."""

    def check(config, extra_lengths, seed):
        check_contract(config, extra_lengths, seed, tmp_path)

    for type_ in (*OF_TIME, *OF_BANDS) if MODELS >= 200 else ():
        if (missing := 3 - drawn[type_]) > 0:
            cases = {**CASES, "config": model_configs(most_blocks=MOST_BLOCKS, type_=type_)}
            settings(max_examples=missing, **OPTIONS)(given(**cases)(check))()


def test_enough_models_of_every_kind_were_drawn(capsys):
    double, single = drawn["models in float64"], drawn["models in float32"]
    with capsys.disabled():
        print(
            f"\ncontract on {BACKEND}: {double} random models in float64, {drawn['packed']} of them packed too, ",
            end="",
        )
        print(f"{single} in float32;")
        kinds = sorted(name for name in drawn if name != "packed" and not name.startswith("models"))
        print("  " + ", ".join(f"{kind} {drawn[kind]}" for kind in kinds))
    assert double >= MODELS
    assert single >= MODELS // 8
    assert drawn["packed"] >= MODELS // 3
    if MODELS >= 200:
        # Blocks, heads, and the task of tokens beside the one of classes.
        assert len(kinds) == 25 + 9 + 1
        assert min(drawn[kind] for kind in kinds) >= 3


@pytest.mark.slow
@settings(max_examples=int(os.environ.get("SEQCONV_CONTRACT_MODELS", "2000")), **(OPTIONS | {"derandomize": False}))
@given(**CASES)
def test_thousands_of_random_models_keep_the_contract(tmp_path, config, extra_lengths, seed):
    check_contract(config, extra_lengths, seed, tmp_path)
