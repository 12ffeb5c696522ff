"""Kinds of features: a file for each. Those of a user's own derive from `RecordedKind`."""

# ruff: isort: skip_file
# In this order messages and the JSON schema name them.
from seqconv.features.kinds.base import FeatureKind
from seqconv.features.kinds.recorded import RecordedKind
from seqconv.features.kinds.spectral import MelKind, SpectralKind
from seqconv.features.kinds.log_mel import LogMel
from seqconv.features.kinds.mfcc import Mfcc
from seqconv.features.kinds.log_spectrogram import LogSpectrogram
from seqconv.features.kinds.chroma import Chroma
from seqconv.features.kinds.waveform import Waveform
from seqconv.features.kinds.precomputed import Precomputed

__all__ = [
    "Chroma",
    "FeatureKind",
    "LogMel",
    "LogSpectrogram",
    "MelKind",
    "Mfcc",
    "Precomputed",
    "RecordedKind",
    "SpectralKind",
    "Waveform",
]

FeatureKind.model_rebuild(force=True)
