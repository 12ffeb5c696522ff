"""Every layer keeps the contract: outputs and gradients, with NaN in the padding and with single frames."""

import pytest
from support.rows import LENGTHS, every_layer

from seqconv import layers
from seqconv.testing import check_layer

DOUBLE = {"dtype": "float64"}
EVERY = [
    layers.FeatureNormalization(**DOUBLE),
    layers.LayerScale(0.5, **DOUBLE),
    layers.MaskedAttentiveStatisticsPooling1D(3, **DOUBLE),
    layers.MaskedAttentiveStatisticsPooling1D(3, per_channel=True, context=True, **DOUBLE),
    layers.MaskedAveragePooling1D(3, strides=2, **DOUBLE),
    layers.MaskedBatchNormalization(**DOUBLE),
    layers.MaskedCompression(0.25, 3, **DOUBLE),
    layers.MaskedConv1D(6, 3, strides=2, **DOUBLE),
    layers.MaskedConv1D(6, 3, dilation_rate=2, padding="causal", groups=2, **DOUBLE),
    layers.MaskedConv1D(6, 1, padding="valid", **DOUBLE),
    layers.MaskedDepthwiseConv1D(5, depth_multiplier=2, **DOUBLE),
    layers.MaskedDifference1D(**DOUBLE),
    layers.MaskedGRU(3, **DOUBLE),
    layers.MaskedGRU(3, bidirectional=True, **DOUBLE),
    layers.MaskedGeneralizedMeanPooling1D(3.0, **DOUBLE),
    layers.MaskedGlobalAveragePooling1D(**DOUBLE),
    layers.MaskedGlobalMaxPooling1D(**DOUBLE),
    layers.MaskedGroupNormalization(2, **DOUBLE),
    layers.MaskedGroupNormalization(-1, **DOUBLE),
    layers.MaskedLSTM(3, **DOUBLE),
    layers.MaskedLSTM(3, bidirectional=True, **DOUBLE),
    layers.MaskedLastFrame1D(**DOUBLE),
    layers.MaskedLayerNormalization(**DOUBLE),
    layers.MaskedLengthChannel(20.0, **DOUBLE),
    layers.MaskedLogSumExpPooling1D(5.0, **DOUBLE),
    layers.MaskedMaxPooling1D(3, strides=2, **DOUBLE),
    layers.MaskedRandomConvolution1D([1, 3], most_features=2, **DOUBLE),
    layers.MaskedRandomConvolution1D([1, 2], smoothed=True, **DOUBLE),
    layers.MaskedSelfAttention(2, **DOUBLE),
    layers.MaskedSeparableConv1D(3, 3, **DOUBLE),
    layers.MaskedSequenceStandardization(**DOUBLE),
    layers.MaskedSpatialDropout1D(0.0, **DOUBLE),
    layers.MaskedSqueezeExcite(2, **DOUBLE),
    layers.MaskedStatisticsPooling1D(**DOUBLE),
    layers.MaskedThresholdPooling1D(2, **DOUBLE),
    layers.MaskedThresholdPooling1D(1, ["proportion"], **DOUBLE),
    layers.MaskedThresholdPooling1D(2, ["mean", "mean_index", "spread", "longest", "stretches"], **DOUBLE),
    layers.StochasticDepth(0.0, **DOUBLE),
]
NOISY = [
    layers.MaskedSpatialDropout1D(0.5, seed=1, **DOUBLE),
    layers.StochasticDepth(0.5, seed=1, **DOUBLE),
    layers.MaskedSelfAttention(2, dropout=0.5, **DOUBLE),
]


@pytest.mark.parametrize("layer", [*EVERY, *NOISY], ids=lambda layer: layer.name)
def test_layer_keeps_the_contract(layer):
    is_slow = isinstance(layer, layers.MaskedLSTM | layers.MaskedGRU)
    check_layer(layer, lengths=(1, 7, 4) if is_slow else LENGTHS)


@pytest.mark.parametrize("layer", EVERY, ids=lambda layer: layer.name)
def test_layer_keeps_the_contract_for_a_single_frame(layer):
    check_layer(layer, lengths=[])


def test_every_layer_is_tried():
    assert {type(layer) for layer in EVERY} == set(every_layer())
