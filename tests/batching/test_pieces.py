"""A sequence summarized in pieces gives the answer of the whole: wherever it is cut, and pieces without frames too."""

import itertools
from functools import reduce

import numpy as np
import pytest
from keras import ops
from support.rows import assert_close, packed, sequences, shake, to_numpy

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

DOUBLE = {"dtype": "float64"}
HEADS = [
    MaskedGlobalAveragePooling1D(**DOUBLE),
    MaskedGlobalMaxPooling1D(**DOUBLE),
    MaskedLastFrame1D(**DOUBLE),
    MaskedStatisticsPooling1D(**DOUBLE),
    MaskedLogSumExpPooling1D(0.5, **DOUBLE),
    MaskedLogSumExpPooling1D(20.0, **DOUBLE),
    shake(MaskedGeneralizedMeanPooling1D(2.0, **DOUBLE)),
    shake(MaskedAttentiveStatisticsPooling1D(3, **DOUBLE)),
    shake(MaskedAttentiveStatisticsPooling1D(3, per_channel=True, context=True, **DOUBLE)),
]
BY_SEQUENCE = [
    shake(MaskedGroupNormalization(2, **DOUBLE)),
    shake(MaskedGroupNormalization(-1, **DOUBLE)),
    shake(MaskedSqueezeExcite(2, **DOUBLE)),
    MaskedLengthChannel(20.0, **DOUBLE),
]
NUM_FRAMES = 23
CUTS = [
    [],
    *([cut] for cut in range(NUM_FRAMES + 1)),
    *([first, second] for first, second in itertools.combinations_with_replacement((0, 1, 7, 22, 23), 2)),
    list(range(1, NUM_FRAMES)),
]


def name_of(layer):
    return layer.name


def pieces(x, cuts):
    """Parts of a sequence as rows `(1, frames + 2, channels)` with NaN at their end, and their masks."""
    for part in np.split(x, cuts):
        row = np.concatenate([part, np.full((2, x.shape[1]), np.nan)])[None]
        yield row, (np.arange(row.shape[1]) < len(part))[None]


def merged(layer, summaries):
    return reduce(layer.merge, summaries)


def context_of(layer, parts):
    """Return what attention with context needs to know of the whole before it scores a piece."""
    context = getattr(layer, "context", None)
    if context is None:
        return {}
    return {"context_summary": merged(context, [context.summarize(*part) for part in parts])}


@pytest.mark.parametrize("layer", HEADS, ids=name_of)
@pytest.mark.parametrize("offset", [0.0, -1000.0])
def test_a_head_pools_pieces_as_it_pools_the_whole(layer, offset):
    x = sequences([NUM_FRAMES])[0] + offset
    whole = to_numpy(layer(x[None]))
    for cuts in CUTS:
        parts = list(pieces(x, cuts))
        options = context_of(layer, parts)
        summary = merged(layer, [layer.summarize(*part, **options) for part in parts])
        assert_close(to_numpy(layer.finish(summary)), whole, f"cut at {cuts}")


@pytest.mark.parametrize("layer", BY_SEQUENCE, ids=name_of)
@pytest.mark.parametrize("offset", [0.0, -1000.0])
def test_a_layer_that_looks_at_sequences_takes_their_summary_for_each_piece(layer, offset):
    x = sequences([NUM_FRAMES])[0] + offset
    whole = to_numpy(layer(x[None]))[0]
    for cuts in CUTS:
        parts = list(pieces(x, cuts))
        summary = merged(layer, [layer.summarize(*part) for part in parts])
        found = [to_numpy(layer(features, mask, summary=summary))[mask] for features, mask in parts]
        assert_close(np.concatenate(found), whole, f"cut at {cuts}")


@pytest.mark.parametrize("layer", [*HEADS, *BY_SEQUENCE], ids=name_of)
def test_summaries_of_slots_are_those_of_their_sequences(layer):
    arrays = sequences()
    features, segments = packed(arrays, rows=2)
    slots = layer.summarize(ops.convert_to_tensor(features), ops.convert_to_tensor(segments), 4)
    for index, x in enumerate(arrays):
        for name, expected in layer.summarize(ops.convert_to_tensor(x[None])).items():
            assert_close(to_numpy(slots[name])[index % 2, index // 2], to_numpy(expected)[0], name)


@pytest.mark.parametrize("layer", HEADS, ids=name_of)
def test_merging_is_in_float64_and_exact_over_many_pieces(layer):
    """Sums of float32 pieces that are merged in float32 would drift over a recording of hours."""
    x = sequences([4000], seed=3)[0] + 100
    parts = list(pieces(x, range(10, 4000, 10)))
    options = context_of(layer, parts)
    summary = merged(layer, [layer.summarize(*part, **options) for part in parts])
    assert {np.asarray(value).dtype for value in summary.values()} == {np.dtype("float64")}
    assert_close(to_numpy(layer.finish(summary)), to_numpy(layer(x[None])))


@pytest.mark.parametrize("layer", HEADS, ids=name_of)
def test_a_sequence_without_frames_is_zero_and_finite(layer):
    summary = layer.summarize(np.full((1, 3, 4), np.nan), np.zeros((1, 3), bool))
    np.testing.assert_array_equal(to_numpy(layer.finish(layer.merge(summary, summary))), 0)
