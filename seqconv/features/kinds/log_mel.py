"""Log mel spectrograms."""

from typing import Literal

from seqconv.features.kinds.base import Array, Features
from seqconv.features.kinds.spectral import MelKind
from seqconv.features.spectra import raise_level
from seqconv.parts import register


@register
class LogMel(MelKind):
    """Energy in mel bands, in decibels, as librosa computes it."""

    kind: Literal["log_mel"] = "log_mel"

    @property
    def num_features(self) -> int:
        return self.n_mels * self.orders

    @property
    def axis(self) -> Array | None:
        return None if self.delta else self.band_frequencies

    def transform(self, frames: Features) -> Features:
        return self.log_mel(frames)

    def with_gain(self, features: Features, decibels: float) -> Features:
        """Add the gain; digital silence stays what it is, and derivatives do.

        >>> import numpy as np
        >>> LogMel(n_mels=2).with_gain(np.array([[-20.0, -100.0]], np.float32), 6.0)
        array([[ -14.     , -100.00001]], dtype=float32)
        """
        changed = features.copy()
        raise_level(changed[:, : self.n_mels], decibels)
        return changed
