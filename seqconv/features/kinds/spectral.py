"""Bases of the kinds of spectra: window, range of frequencies, mel bands, derivatives."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, model_validator

from seqconv.errors import ConfigError
from seqconv.features import spectra
from seqconv.features.kinds.base import Array, Features
from seqconv.features.kinds.recorded import RecordedKind
from seqconv.features.mel_scale import MelScale, mel_filters
from seqconv.parts import PositiveInt


class SpectralKind(RecordedKind):
    """Features of the power spectrum of each frame."""

    is_centered: ClassVar[bool] = True
    # 2: spectra are computed in float64, and bands are added up bin by bin.
    base_version: ClassVar[int] = 2

    win_length: PositiveInt | None = Field(default=None, description="Samples under the window; default n_fft.")
    fmin: Annotated[float, Field(ge=0)] = Field(default=0.0, description="Lowest frequency in Hz.")
    fmax: Annotated[float, Field(gt=0)] | None = Field(default=None, description="Highest; default half the rate.")

    @property
    def highest_frequency(self) -> float:
        """`fmax`, or half the sample rate, in Hz."""
        return self.sample_rate / 2 if self.fmax is None else self.fmax

    @property
    def bins(self) -> slice:
        """Return the bins of the spectrum from fmin to fmax, both included."""
        frequencies = np.fft.rfftfreq(self.n_fft, 1 / self.sample_rate)
        first = int(np.searchsorted(frequencies, self.fmin, side="left"))
        stop = int(np.searchsorted(frequencies, self.highest_frequency, side="right"))
        if stop <= first:
            raise ConfigError(
                f"features: no bin of the spectrum is between fmin={self.fmin:g} Hz and "
                f"fmax={self.highest_frequency:g} Hz; bins are {frequencies[1]:g} Hz apart. "
                "Raise n_fft or widen the range"
            )
        return slice(first, stop)

    def power(self, frames: Features) -> Features:
        """Compute the power of the windowed frames, `(time, n_fft // 2 + 1)`."""
        return spectra.power_spectrum(frames, self.win_length or self.n_fft)

    def band_power(self, frames: Features, filters: Any) -> Features:
        """Compute the power of the windowed frames in bands, `(time, bands)`, by a sparse matrix `(bands, bins)`."""
        return spectra.band_power(frames, self.win_length or self.n_fft, filters)

    def spectrum_of(self, features: Array) -> Array | None:
        """Find the power spectrum `(time, n_fft // 2 + 1)` that has these features, as far as they determine it."""
        return None

    def to_audio(self, features: Features) -> Features | None:
        """Make samples `(n,)` that have about these features, as a network gets them; phases are estimated.

        >>> RecordedKind.registry["log_mel"]().to_audio(np.full((11, 64), -20, np.float32)).shape
        (1600,)
        """
        power = self.spectrum_of(features.astype(np.float64))
        if power is None:
            return None
        return spectra.invert_power(power, self.n_fft, self.win_length or self.n_fft, self.hop_length)

    @model_validator(mode="after")
    def _window_and_range_fit(self) -> "SpectralKind":
        if self.win_length is not None and self.win_length > self.n_fft:
            raise ValueError(
                f"win_length={self.win_length} must not exceed n_fft={self.n_fft}: raise n_fft or lower win_length"
            )
        if self.n_fft < 2:
            raise ValueError(f"n_fft={self.n_fft} is too short for {self.kind}: a spectrum needs at least 2 samples")
        if self.fmax is not None and self.fmax > self.sample_rate / 2:
            raise ValueError(
                f"fmax={self.fmax:g} Hz must not exceed half of sample_rate={self.sample_rate} Hz, "
                f"which is {self.sample_rate / 2:g} Hz"
            )
        if self.fmin >= self.highest_frequency:
            source = "fmax" if self.fmax is not None else "half of sample_rate"
            raise ValueError(f"fmin={self.fmin:g} Hz must be lower than {source}, {self.highest_frequency:g} Hz")
        return self


class MelKind(SpectralKind):
    """Features of the energy in mel bands, with derivatives over time."""

    n_mels: PositiveInt = Field(default=64, description="Mel bands, of log_mel and under mfcc.")
    mel_scale: MelScale = Field(
        default="slaney", description="Scale of the mel bands: Slaney's, as in librosa, or that of HTK and Kaldi."
    )
    delta: Annotated[int, Field(ge=0, le=2)] = Field(default=0, description="Orders of derivatives that are appended.")

    @property
    def delay(self) -> float:
        later = spectra.DELTA_REACH if self.delta else 0
        return (self.n_fft // 2 + later * self.hop_length) / self.sample_rate

    @property
    def orders(self) -> int:
        return 1 + self.delta

    def log_mel(self, frames: Features) -> Features:
        """Compute the energy in each mel band in decibels, `(time, n_mels)`."""
        return spectra.power_to_db(self.band_power(frames, _mel_filters(*self._bands)))

    def iterate(self, blocks: Iterable[Features], piece_frames: int | None = None) -> Iterator[Features]:
        return spectra.append_deltas_to_pieces(super().iterate(blocks, piece_frames), self.delta)

    def spectrum_of(self, features: Array) -> Array:
        """Mel bands are inverted by least squares."""
        filters = mel_filters(*self._bands).astype(np.float64)
        spectrum: Array = np.maximum(10 ** (features[:, : self.n_mels] / 10) @ np.linalg.pinv(filters).T, 0)
        return spectrum

    @property
    def _bands(self) -> tuple[Any, ...]:
        return self.sample_rate, self.n_fft, self.n_mels, self.fmin, self.highest_frequency, self.mel_scale


@lru_cache(maxsize=8)
def _mel_filters(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float, mel_scale: MelScale) -> Any:
    import scipy.sparse

    filters = mel_filters(sample_rate, n_fft, n_mels, fmin, fmax, mel_scale)
    empty = int(np.count_nonzero(filters.max(axis=1) == 0))
    if empty:
        raise ConfigError(
            f"features: {empty} of n_mels={n_mels} mel bands hold no bin of the spectrum and would be "
            f"constant. Lower n_mels or raise n_fft={n_fft}"
        )
    return scipy.sparse.csr_array(filters)
