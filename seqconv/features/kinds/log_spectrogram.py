"""Log power spectrograms."""

from typing import Literal

import numpy as np

from seqconv.features.kinds.base import Array, Features
from seqconv.features.kinds.spectral import SpectralKind
from seqconv.features.spectra import power_to_db, raise_level
from seqconv.parts import register


@register
class LogSpectrogram(SpectralKind):
    """Power of each frequency from fmin to fmax, in decibels."""

    kind: Literal["log_spectrogram"] = "log_spectrogram"

    @property
    def num_features(self) -> int:
        return len(range(*self.bins.indices(self.n_fft)))

    @property
    def axis(self) -> Array:
        frequencies: Array = np.fft.rfftfreq(self.n_fft, 1 / self.sample_rate)[self.bins]
        return frequencies

    def transform(self, frames: Features) -> Features:
        return power_to_db(self.power(frames)[:, self.bins])

    def with_gain(self, features: Features, decibels: float) -> Features:
        """Add the gain; digital silence stays what it is."""
        changed = features.copy()
        raise_level(changed, decibels)
        return changed

    def spectrum_of(self, features: Array) -> Array:
        whole = np.zeros((len(features), self.n_fft // 2 + 1))
        whole[:, self.bins] = 10 ** (features / 10)
        return whole
