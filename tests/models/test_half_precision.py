"""Half precision keeps what it sums over time in float32: no sequence is too long for it."""

import keras
import numpy as np
import pytest

from seqconv.layers import (
    MaskedAttentiveStatisticsPooling1D,
    MaskedGeneralizedMeanPooling1D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
    MaskedGroupNormalization,
    MaskedLastFrame1D,
    MaskedLengthChannel,
    MaskedLogSumExpPooling1D,
    MaskedSqueezeExcite,
    MaskedStatisticsPooling1D,
)

to_numpy = keras.ops.convert_to_numpy
# More frames than float16 can count (65,504), of values whose sum it cannot hold either.
NUM_FRAMES = 80_000
LAYERS = {
    "mean": MaskedGlobalAveragePooling1D,
    "max": MaskedGlobalMaxPooling1D,
    "last": MaskedLastFrame1D,
    "statistics": MaskedStatisticsPooling1D,
    "log_sum_exp": MaskedLogSumExpPooling1D,
    "generalized_mean": MaskedGeneralizedMeanPooling1D,
    "attentive": lambda dtype: MaskedAttentiveStatisticsPooling1D(4, context=True, dtype=dtype),
    "group": lambda dtype: MaskedGroupNormalization(2, dtype=dtype),
    "squeeze_excite": lambda dtype: MaskedSqueezeExcite(2, dtype=dtype),
    "length": lambda dtype: MaskedLengthChannel(1000.0, dtype=dtype),
}


@pytest.fixture(scope="module")
def frames():
    return np.random.default_rng(0).uniform(1, 4, (1, NUM_FRAMES, 4)).astype("float32")


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", LAYERS)
def test_sums_over_many_frames_are_those_of_single_precision(name, policy, frames):
    exact, half = LAYERS[name](dtype="float32"), LAYERS[name](dtype=policy)
    expected = to_numpy(exact(frames))
    half.build(frames.shape)
    half.set_weights(exact.get_weights())
    features = keras.ops.cast(frames, half.compute_dtype)
    for segments, num_slots in (
        (None, None),
        (np.ones((1, NUM_FRAMES), bool), None),
        (np.zeros((1, NUM_FRAMES), "int32"), 1),
    ):
        out = half(features, segments, num_slots=num_slots)
        assert keras.backend.standardize_dtype(out.dtype) == half.compute_dtype
        out = to_numpy(keras.ops.cast(out, "float32")).reshape(expected.shape)
        # A bfloat16 has 8 significant bits.
        np.testing.assert_allclose(out, expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", ["group", "squeeze_excite", "length"])
def test_a_given_summary_counts_as_many(name, frames):
    layer = LAYERS[name](dtype="mixed_float16")
    whole = to_numpy(keras.ops.cast(layer(frames), "float32"))
    summary = layer.summarize(frames)
    given = to_numpy(keras.ops.cast(layer(frames[:, :100], summary=summary), "float32"))
    np.testing.assert_allclose(given, whole[:, :100], rtol=2e-3, atol=2e-3)
