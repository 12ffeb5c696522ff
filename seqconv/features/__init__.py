"""Features of recordings: `(time, d)` float32 arrays."""

from seqconv.features.extraction import as_settings, extract_features, num_features
from seqconv.features.precomputed import load_features
from seqconv.features.statistics import feature_statistics

__all__ = ["as_settings", "extract_features", "feature_statistics", "load_features", "num_features"]
