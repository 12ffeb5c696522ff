"""Mel-frequency cepstrum coefficients."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from seqconv.features.kinds.base import Array, Features
from seqconv.features.kinds.spectral import MelKind
from seqconv.parts import PositiveInt, register


@register
class Mfcc(MelKind):
    """Mel-frequency cepstrum coefficients: the cosine transform of a log mel spectrum, as librosa computes it."""

    meaningless: ClassVar[Mapping[str, str]] = {
        "spec_mask.feature_masks": "{value} bands of neighbors, but each of the coefficients of features.kind 'mfcc' "
        "describes all frequencies. Set it to 0, or use 'log_mel'."
    }

    kind: Literal["mfcc"] = "mfcc"
    n_mfcc: PositiveInt = Field(default=20, description="Cepstrum coefficients of mfcc.")

    @property
    def num_features(self) -> int:
        return self.n_mfcc * self.orders

    def transform(self, frames: Features) -> Features:
        import scipy.fft

        cepstrum = scipy.fft.dct(self.log_mel(frames), axis=1, type=2, norm="ortho")
        return np.ascontiguousarray(cepstrum[:, : self.n_mfcc], dtype=np.float32)

    def with_gain(self, features: Features, decibels: float) -> Features:
        """Add to the first coefficient, which is `sqrt(n_mels)` times the mean level."""
        changed = features.copy()
        changed[:, 0] += np.float32(decibels * self.n_mels**0.5)
        return changed

    def spectrum_of(self, features: Array) -> Array:
        import scipy.fft

        return super().spectrum_of(scipy.fft.idct(features[:, : self.n_mfcc], n=self.n_mels, axis=1, norm="ortho"))

    @model_validator(mode="after")
    def _bands_are_enough(self) -> "Mfcc":
        if self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc={self.n_mfcc} must not exceed n_mels={self.n_mels}, of which they are computed")
        return self
