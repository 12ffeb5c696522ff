"""Kinds of features, and their settings. A kind of your own derives from `RecordedKind`."""

from seqconv.features.kinds.base import Array, FeatureKind, Features, as_settings, num_features
from seqconv.features.kinds.built_in import Chroma, LogMel, LogSpectrogram, Mfcc, Precomputed, Waveform
from seqconv.features.kinds.recorded import RecordedKind
from seqconv.features.kinds.spectral import MelKind, SpectralKind

__all__ = [
    "Array",
    "Chroma",
    "FeatureKind",
    "Features",
    "LogMel",
    "LogSpectrogram",
    "MelKind",
    "Mfcc",
    "Precomputed",
    "RecordedKind",
    "SpectralKind",
    "Waveform",
    "as_settings",
    "num_features",
]

FeatureKind.model_rebuild(force=True)
