"""Dropout that is drawn once a sequence: constant over its frames, independent of its neighbors in the row."""

import keras
import numpy as np
import pytest

from seqconv.layers import LayerScale, MaskedSpatialDropout1D, StochasticDepth

to_numpy = keras.ops.convert_to_numpy
CHANNELS, NUM_SLOTS = 200, 4


@pytest.fixture
def packed():
    """Three rows of up to three sequences and an unused slot, ones in frames, NaN between."""
    segments = np.full((3, 40), -1, "int32")
    for row in range(3):
        for slot, (start, end) in enumerate([(0, 9), (11, 12), (14, 35)]):
            segments[row, start:end] = slot
    segments[2, 14:] = -1
    features = np.where((segments >= 0)[..., None], 1.0, np.nan) * np.ones(CHANNELS)
    return features.astype("float32"), segments


@pytest.mark.parametrize("make", [MaskedSpatialDropout1D, StochasticDepth])
def test_nothing_is_dropped_outside_training_or_at_rate_0(make, packed):
    features, segments = packed
    is_real = segments >= 0
    for rate, training in ((0.5, False), (0.0, True)):
        out = to_numpy(make(rate)(features, segments, num_slots=NUM_SLOTS, training=training))
        np.testing.assert_array_equal(out[is_real], features[is_real])


def test_whole_channels_of_a_sequence_are_dropped_and_each_sequence_has_its_own(packed):
    features, segments = packed
    out = to_numpy(MaskedSpatialDropout1D(0.25, seed=3)(features, segments, num_slots=NUM_SLOTS, training=True))
    kept = []
    for row in range(3):
        for slot in set(segments[row].tolist()) - {-1}:
            frames = out[row][segments[row] == slot]
            assert (frames == frames[0]).all()
            np.testing.assert_allclose(np.unique(frames), [0, 1 / 0.75], rtol=1e-6)
            kept.append(frames[0] > 0)
    assert len({tuple(channels.tolist()) for channels in kept}) == len(kept) == 8
    # Eight times 200 draws: five standard deviations are 0.054.
    assert abs(np.mean(kept) - 0.75) < 0.054


def test_stochastic_depth_drops_all_of_a_sequence_or_nothing():
    segments = np.tile(np.repeat(np.arange(50, dtype="int32"), 3), (20, 1))
    out = to_numpy(
        StochasticDepth(0.4, seed=1)(np.ones((20, 150, 2), "float32"), segments, num_slots=50, training=True)
    )
    by_sequence = out.reshape(1000, -1)
    assert (by_sequence == by_sequence[:, :1]).all()
    np.testing.assert_allclose(np.unique(by_sequence), [0, 1 / 0.6], rtol=1e-6)
    # Five standard deviations of 1,000 draws.
    assert abs((by_sequence[:, 0] > 0).mean() - 0.6) < 0.08


def test_a_row_is_one_sequence_without_slots():
    out = to_numpy(MaskedSpatialDropout1D(0.5, seed=0)(np.ones((6, 9, 30), "float32"), training=True))
    assert (out == out[:, :1]).all()
    assert len({tuple(row[0].tolist()) for row in out}) == 6


@pytest.mark.parametrize("make", [MaskedSpatialDropout1D, StochasticDepth])
@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_rate_that_cannot_be_is_refused(make, rate):
    with pytest.raises(ValueError, match=rf"rate must be at least 0 and below 1, got {rate}"):
        make(rate)


def test_layer_scale_starts_at_its_initial_value():
    out = to_numpy(LayerScale(0.25)(np.full((1, 2, 3), 4, "float32")))
    np.testing.assert_array_equal(out, np.ones((1, 2, 3)))
