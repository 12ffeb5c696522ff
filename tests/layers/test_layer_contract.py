"""Every layer keeps the contract: outputs and gradients, with NaN in the padding and with single frames."""

import keras
import pytest
from support.rows import LENGTHS, every_layer

from seqconv import layers
from seqconv.errors import ModelError
from seqconv.testing import check_layer

DOUBLE = {"dtype": "float64"}
EVERY = [
    layers.FeatureNormalization(**DOUBLE),
    layers.LayerScale(0.5, **DOUBLE),
    layers.MaskedAttentiveStatisticsPooling1D(3, **DOUBLE),
    layers.MaskedAttentiveStatisticsPooling1D(3, per_channel=True, context=True, **DOUBLE),
    layers.MaskedAveragePooling1D(3, strides=2, **DOUBLE),
    layers.MaskedAveragePooling2D((3, 2), strides=(2, 1), band_padding="same", **DOUBLE),
    layers.MaskedBatchNormalization(**DOUBLE),
    layers.MaskedBandPooling("max", **DOUBLE),
    layers.MaskedBandPooling("flatten", **DOUBLE),
    layers.MaskedBandPooling("mean", keepdims=True, **DOUBLE),
    layers.MaskedCompression(0.25, 3, **DOUBLE),
    layers.MaskedConv1D(6, 3, strides=2, **DOUBLE),
    layers.MaskedConv1D(6, 3, dilation_rate=2, padding="causal", groups=2, **DOUBLE),
    layers.MaskedConv1D(6, 1, padding="valid", **DOUBLE),
    layers.MaskedConv2D(3, 3, **DOUBLE),
    layers.MaskedConv2D(4, (3, 2), strides=(2, 1), groups=2, **DOUBLE),
    layers.MaskedConv2D(4, (3, 2), dilation_rate=(2, 1), padding="causal", band_padding="valid", **DOUBLE),
    layers.MaskedConv2D(4, (3, 3), strides=(1, 2), padding="valid", **DOUBLE),
    layers.MaskedDepthwiseConv1D(5, depth_multiplier=2, **DOUBLE),
    layers.MaskedDepthwiseConv2D((5, 3), strides=(2, 1), depth_multiplier=2, **DOUBLE),
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
    layers.MaskedMaxPooling2D((3, 2), strides=(2, 1), padding="causal", **DOUBLE),
    layers.MaskedRandomConvolution1D([1, 3], most_features=2, **DOUBLE),
    layers.MaskedRandomConvolution1D([1, 2], smoothed=True, **DOUBLE),
    layers.GatedLinearUnit(**DOUBLE),
    layers.MaskedRelativeSelfAttention(2, **DOUBLE),
    layers.MaskedRelativeSelfAttention(3, key_dim=1, **DOUBLE),
    layers.MaskedSelfAttention(2, **DOUBLE),
    layers.MaskedSeparableConv1D(3, 3, **DOUBLE),
    layers.MaskedSequenceStandardization(**DOUBLE),
    layers.MaskedSpatialDropout1D(0.0, **DOUBLE),
    layers.MaskedSpatialDropout2D(0.0, **DOUBLE),
    layers.MaskedSqueezeExcite(2, **DOUBLE),
    layers.MaskedStatisticsPooling1D(**DOUBLE),
    layers.MaskedThresholdPooling1D(2, **DOUBLE),
    layers.MaskedThresholdPooling1D(1, ["proportion"], **DOUBLE),
    layers.MaskedThresholdPooling1D(2, ["mean", "mean_index", "spread", "longest", "stretches"], **DOUBLE),
    layers.SplitBands(2, **DOUBLE),
    layers.StochasticDepth(0.0, **DOUBLE),
]
# Layers over frames that frames with bands may take as well.
ALSO_OVER_BANDS = [
    layers.LayerScale(0.5, **DOUBLE),
    layers.MaskedBatchNormalization(**DOUBLE),
    layers.MaskedGlobalAveragePooling1D(**DOUBLE),
    layers.MaskedGroupNormalization(2, **DOUBLE),
    layers.MaskedLayerNormalization(**DOUBLE),
    layers.MaskedSqueezeExcite(2, **DOUBLE),
    layers.StochasticDepth(0.5, seed=1, **DOUBLE),
]
NOISY = [
    layers.MaskedSpatialDropout1D(0.5, seed=1, **DOUBLE),
    layers.MaskedSpatialDropout2D(0.5, seed=1, **DOUBLE),
    layers.StochasticDepth(0.5, seed=1, **DOUBLE),
    layers.MaskedRelativeSelfAttention(2, dropout=0.5, **DOUBLE),
    layers.MaskedSelfAttention(2, dropout=0.5, **DOUBLE),
]


@pytest.mark.parametrize("layer", [*EVERY, *NOISY], ids=lambda layer: layer.name)
def test_layer_keeps_the_contract(layer):
    is_slow = isinstance(layer, layers.MaskedLSTM | layers.MaskedGRU)
    check_layer(layer, lengths=(1, 7, 4) if is_slow else LENGTHS)


@pytest.mark.parametrize("layer", EVERY, ids=lambda layer: layer.name)
def test_layer_keeps_the_contract_for_a_single_frame(layer):
    check_layer(layer, lengths=[])


@pytest.mark.parametrize("layer", ALSO_OVER_BANDS, ids=lambda layer: layer.name)
def test_layer_keeps_the_contract_over_bands(layer):
    check_layer(layer, num_bands=5)


def test_the_check_bites_over_bands():
    with pytest.raises(ModelError, match=r"'stock' \(Conv2D\), padded: channel 0 of frame 0 of the sequence of 1"):
        check_layer(keras.layers.Conv2D(3, 3, padding="same", name="stock"), num_bands=5)


def test_every_layer_is_tried():
    assert {type(layer) for layer in EVERY} == set(every_layer())
