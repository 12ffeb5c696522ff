"""Features of recordings: `(time, d)` float32 arrays."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqconv.features.extraction import extract_features, iterate_features, num_features
    from seqconv.features.kinds import FeatureKind, RecordedKind
    from seqconv.features.pieces import FeaturePieces, open_features, pieces_of
    from seqconv.features.precomputed import load_features
    from seqconv.features.settings import as_settings
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


def __getattr__(name: str) -> Any:
    """Import names on first use: settings are read without pandas and SciPy."""
    if name not in __all__:
        raise AttributeError(f"module 'seqconv.features' has no attribute '{name}'")
    if name in ("extract_features", "iterate_features", "num_features"):
        from seqconv.features import extraction

        return getattr(extraction, name)
    if name == "as_settings":
        from seqconv.features import settings

        return settings.as_settings
    if name in ("FeatureKind", "RecordedKind"):
        from seqconv.features import kinds

        return getattr(kinds, name)
    if name in ("FeaturePieces", "open_features", "pieces_of"):
        from seqconv.features import pieces

        return getattr(pieces, name)
    if name == "load_features":
        from seqconv.features import precomputed

        return getattr(precomputed, name)
    from seqconv.features import statistics

    return getattr(statistics, name)
