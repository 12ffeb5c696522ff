"""Features of recordings: `(time, d)` float32 arrays."""

from seqconv.features.extraction import as_settings, extract_features, iterate_features, num_features
from seqconv.features.pieces import FeaturePieces, open_features, pieces_of
from seqconv.features.precomputed import load_features
from seqconv.features.statistics import feature_statistics

__all__ = [
    "FeaturePieces",
    "as_settings",
    "extract_features",
    "feature_statistics",
    "iterate_features",
    "load_features",
    "num_features",
    "open_features",
    "pieces_of",
]
