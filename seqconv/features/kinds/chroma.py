"""Energy of pitch classes."""

from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from seqconv.features.kinds.base import Features
from seqconv.features.kinds.spectral import SpectralKind
from seqconv.parts import PositiveInt, register


@register
class Chroma(SpectralKind):
    """Return the energy of each pitch class over the strongest one of the same frame; zero in a silent frame."""

    meaningless: ClassVar[Mapping[str, str]] = {
        "gain": "features.kind 'chroma' is relative to the loudest pitch class, so no gain is left in it. Remove it."
    }

    kind: Literal["chroma"] = "chroma"
    n_chroma: PositiveInt = Field(default=12, description="Pitch classes of chroma.")

    @property
    def num_features(self) -> int:
        return self.n_chroma

    def transform(self, frames: Features) -> Features:
        filters = _chroma_filters(self.sample_rate, self.n_fft, self.n_chroma)
        chroma = self.power(frames)[:, self.bins] @ filters[self.bins]
        strongest = chroma.max(axis=1, keepdims=True)
        audible = strongest > np.finfo(np.float32).tiny
        relative: Features = np.divide(chroma, strongest, out=np.zeros_like(chroma), where=audible)
        return relative


@lru_cache(maxsize=8)
def _chroma_filters(sample_rate: int, n_fft: int, n_chroma: int) -> Features:
    import librosa.filters

    # tuning is fixed: librosa would estimate it from the whole recording.
    filters = librosa.filters.chroma(sr=sample_rate, n_fft=n_fft, n_chroma=n_chroma, tuning=0.0)
    return np.ascontiguousarray(filters.T, dtype=np.float32)
