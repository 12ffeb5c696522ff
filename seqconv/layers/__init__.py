"""Keras layers that take the mask as an argument, and are exact in every layout."""

from seqconv.layers.convolution import MaskedConv1D
from seqconv.layers.heads import MaskedGlobalAveragePooling1D, MaskedGlobalMaxPooling1D
from seqconv.layers.masking import frame_mask, segments_from_lengths, zero_padding
from seqconv.layers.normalization import FeatureNormalization, MaskedBatchNormalization
from seqconv.layers.pooling import MaskedAveragePooling1D, MaskedMaxPooling1D
from seqconv.layers.recurrent import MaskedLSTM

__all__ = [
    "FeatureNormalization",
    "MaskedAveragePooling1D",
    "MaskedBatchNormalization",
    "MaskedConv1D",
    "MaskedGlobalAveragePooling1D",
    "MaskedGlobalMaxPooling1D",
    "MaskedLSTM",
    "MaskedMaxPooling1D",
    "frame_mask",
    "segments_from_lengths",
    "zero_padding",
]
