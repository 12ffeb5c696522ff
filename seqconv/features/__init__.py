"""Features of recordings: `(time, d)` float32 arrays."""

from seqconv.features.extraction import FeaturePieces, extract_features, iterate_features, open_features, pieces_of
from seqconv.features.kinds import FeatureKind, RecordedKind, as_settings, num_features
from seqconv.features.precomputed import load_features
from seqconv.features.statistics import feature_statistics

__all__ = [
    "FeatureKind",
    "FeaturePieces",
    "RecordedKind",
    "as_settings",
    "extract_features",
    "feature_statistics",
    "iterate_features",
    "load_features",
    "num_features",
    "open_features",
    "pieces_of",
]
