"""The kinds that come with seqconv, in the order in which messages and the JSON schema name them."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from seqconv.features.kinds.base import Array, FeatureKind, Features
from seqconv.features.kinds.recorded import RecordedKind
from seqconv.features.kinds.spectral import MelKind, SpectralKind
from seqconv.features.mel_scale import mel_edges
from seqconv.features.spectra import power_to_db, raise_level
from seqconv.parts import PositiveInt, register

PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@register
class LogMel(MelKind):
    """Energy in mel bands, in decibels, as librosa computes it."""

    kind: Literal["log_mel"] = "log_mel"

    @property
    def num_features(self) -> int:
        return self.n_mels * self.orders

    @property
    def axis(self) -> Array | None:
        edges = mel_edges(self.n_mels, self.fmin, self.highest_frequency, self.mel_scale)
        return None if self.delta else edges[1:-1]

    def transform(self, frames: Features) -> Features:
        return self.log_mel(frames)

    def with_gain(self, features: Features, decibels: float) -> Features:
        """Add the gain; digital silence stays what it is, and derivatives do.

        >>> import numpy as np
        >>> LogMel(n_mels=2).with_gain(np.array([[-20.0, -100.0]], np.float32), 6.0)
        array([[ -14.     , -100.00001]], dtype=float32)
        """
        changed = features.copy()
        changed[:, : self.n_mels] = raise_level(features[:, : self.n_mels], decibels)
        return changed


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
            raise ValueError(f"n_mfcc={self.n_mfcc} must not exceed n_mels={self.n_mels}, from which they are computed")
        return self


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
        return raise_level(features, decibels)

    def spectrum_of(self, features: Array) -> Array:
        whole = np.zeros((len(features), self.n_fft // 2 + 1))
        whole[:, self.bins] = 10 ** (features / 10)
        return whole


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
        bins = self.bins
        filters = _chroma_filters(self.sample_rate, self.n_fft, self.n_chroma, bins.start, bins.stop)
        chroma = self.band_power(frames, filters)
        strongest = chroma.max(axis=1, keepdims=True)
        audible = strongest > np.finfo(np.float32).tiny
        relative: Features = np.divide(chroma, strongest, out=np.zeros_like(chroma), where=audible)
        return relative


@register
class Waveform(RecordedKind):
    """The samples of a frame as they are."""

    holds_samples: ClassVar[bool] = True
    meaningless: ClassVar[Mapping[str, str]] = {
        "spec_mask": "features.kind 'waveform' has samples where a spectrum has bands. Remove it, or use features.kind "
        "'log_mel'.",
        "time_stretch": "frames between those of features.kind 'waveform' cannot be interpolated. Use "
        "audio_augment.speed, which resamples the recording.",
    }

    kind: Literal["waveform"] = "waveform"

    @property
    def num_features(self) -> int:
        return self.n_fft

    def transform(self, frames: Features) -> Features:
        return frames

    def to_audio(self, features: Features) -> Features:
        """Overlap the frames by the part that is longer than a hop."""
        return features[:, : self.hop_length].ravel()


@register
class Precomputed(FeatureKind):
    """Features that were computed elsewhere and saved in arrays, tables and `.ts` files."""

    kind: Literal["precomputed"] = "precomputed"
    columns: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Columns of precomputed tables; default all numeric ones."
    )
    key: str | None = Field(default=None, description="Name of the array in precomputed .npz files.")
    frame_rate: PositiveNumber | None = Field(
        default=None, description="Frames a second of precomputed features, for labels whose times are in seconds."
    )
    missing: Literal["error", "interpolate", "mask"] = Field(
        default="error",
        description="Empty and NaN values of precomputed features: an error; a line between the values around them; or "
        "that, and a further feature that is 1 in frames with such values.",
    )
    max_gap: PositiveNumber | None = Field(
        default=None, description="Longest gap that is filled: in frames, or with clock in seconds."
    )
    clock: str | None = Field(
        default=None,
        description="Column with the times of rows, in seconds or as dates, which is no feature; for resample.",
    )
    resample: PositiveNumber | None = Field(
        default=None, description="Frames a second that rows at the times of clock become, on lines between them."
    )

    @property
    def num_features(self) -> None:
        return None

    @property
    def seconds_per_frame(self) -> float | None:
        rate = self.resample or self.frame_rate
        return None if rate is None else 1 / rate

    @model_validator(mode="after")
    def _gaps_have_a_limit(self) -> "Precomputed":
        if (self.clock is None) != (self.resample is None):
            raise ValueError("clock names the column of times, and resample the frames a second: give both, or neither")
        if self.resample is not None and self.frame_rate not in (None, self.resample):
            raise ValueError(
                f"frame_rate is {self.frame_rate:g}, but resample makes {self.resample:g}. Remove frame_rate"
            )
        if self.max_gap is None and (self.missing == "interpolate" or self.clock is not None):
            unit, why = ("seconds", "clock") if self.clock is not None else ("frames", "missing 'interpolate'")
            raise ValueError(f"{why} needs max_gap, the longest gap in {unit} that is filled")
        if self.max_gap is not None and self.missing != "interpolate" and self.clock is None:
            raise ValueError(f"max_gap has no effect on missing '{self.missing}'. Set 'interpolate', or remove max_gap")
        return self


@lru_cache(maxsize=8)
def _chroma_filters(sample_rate: int, n_fft: int, n_chroma: int, first_bin: int, stop_bin: int) -> Any:
    import librosa.filters
    import scipy.sparse

    # tuning is fixed: librosa would estimate it from the whole recording.
    filters = librosa.filters.chroma(sr=sample_rate, n_fft=n_fft, n_chroma=n_chroma, tuning=0.0)
    filters[:, :first_bin] = filters[:, stop_bin:] = 0
    return scipy.sparse.csr_array(filters.astype(np.float32, copy=False))
