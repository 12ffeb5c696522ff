"""Keras layers that take the mask as an argument, and are exact in every layout."""

from seqconv.layers.bands import MaskedBandPooling, SplitBands
from seqconv.layers.base import MaskedLayer
from seqconv.layers.convolution import MaskedConv1D, MaskedDepthwiseConv1D, MaskedSeparableConv1D
from seqconv.layers.convolution_2d import MaskedConv2D, MaskedDepthwiseConv2D
from seqconv.layers.dropout import LayerScale, MaskedSpatialDropout1D, MaskedSpatialDropout2D, StochasticDepth
from seqconv.layers.gated_linear_unit import GatedLinearUnit
from seqconv.layers.global_pooling import (
    GlobalPooling1D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
    MaskedLastFrame1D,
    MaskedStatisticsPooling1D,
)
from seqconv.layers.masking import Padding, frame_mask, segments_from_lengths, zero_padding
from seqconv.layers.normalization import FeatureNormalization, MaskedBatchNormalization
from seqconv.layers.pooling import MaskedAveragePooling1D, MaskedMaxPooling1D
from seqconv.layers.pooling_2d import MaskedAveragePooling2D, MaskedMaxPooling2D
from seqconv.layers.random_convolution import MaskedCompression, MaskedDifference1D, MaskedRandomConvolution1D
from seqconv.layers.relative_attention import MaskedRelativeSelfAttention
from seqconv.layers.sequence import MaskedGRU, MaskedLengthChannel, MaskedLSTM, MaskedSelfAttention, MaskedSqueezeExcite
from seqconv.layers.sequence_normalization import (
    MaskedGroupNormalization,
    MaskedLayerNormalization,
    MaskedSequenceStandardization,
)
from seqconv.layers.soft_global_pooling import (
    MaskedAttentiveStatisticsPooling1D,
    MaskedGeneralizedMeanPooling1D,
    MaskedLogSumExpPooling1D,
)
from seqconv.layers.threshold_pooling import MaskedThresholdPooling1D

__all__ = [
    "FeatureNormalization",
    "GatedLinearUnit",
    "GlobalPooling1D",
    "LayerScale",
    "MaskedAttentiveStatisticsPooling1D",
    "MaskedAveragePooling1D",
    "MaskedAveragePooling2D",
    "MaskedBandPooling",
    "MaskedBatchNormalization",
    "MaskedCompression",
    "MaskedConv1D",
    "MaskedConv2D",
    "MaskedDepthwiseConv1D",
    "MaskedDepthwiseConv2D",
    "MaskedDifference1D",
    "MaskedGRU",
    "MaskedGeneralizedMeanPooling1D",
    "MaskedGlobalAveragePooling1D",
    "MaskedGlobalMaxPooling1D",
    "MaskedGroupNormalization",
    "MaskedLSTM",
    "MaskedLastFrame1D",
    "MaskedLayer",
    "MaskedLayerNormalization",
    "MaskedLengthChannel",
    "MaskedLogSumExpPooling1D",
    "MaskedMaxPooling1D",
    "MaskedMaxPooling2D",
    "MaskedRandomConvolution1D",
    "MaskedRelativeSelfAttention",
    "MaskedSelfAttention",
    "MaskedSeparableConv1D",
    "MaskedSequenceStandardization",
    "MaskedSpatialDropout1D",
    "MaskedSpatialDropout2D",
    "MaskedSqueezeExcite",
    "MaskedStatisticsPooling1D",
    "MaskedThresholdPooling1D",
    "Padding",
    "SplitBands",
    "StochasticDepth",
    "frame_mask",
    "segments_from_lengths",
    "zero_padding",
]
