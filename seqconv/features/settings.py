"""The `features` section: what a frame is, and how a recording becomes `(time, d)`. Argument names are librosa's."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from seqconv.parts import PositiveInt, Section

FeatureKind = Literal["log_mel", "mfcc", "log_spectrogram", "chroma", "waveform", "precomputed"]
SPECTRAL_KINDS: tuple[FeatureKind, ...] = ("log_mel", "mfcc", "log_spectrogram", "chroma")


class FeatureSettings(Section):
    """Kind of features and its parameters.

    A parameter named after one kind (`n_mfcc`, `n_chroma`, `n_mels`) says nothing about the others. What would change
    the meaning of a kind that does not know it (`delta`, `fmin`, `fmax`, `columns`, `key`, `frame_rate`) is refused
    there.
    """

    kind: FeatureKind = Field(default="log_mel", description="Kind of features in a frame.")
    sample_rate: PositiveInt = Field(default=16000, description="Hz; recordings of another rate are resampled.")
    n_fft: PositiveInt = Field(default=512, description="Samples in a window; for waveform, in a frame.")
    win_length: PositiveInt | None = Field(default=None, description="Samples under the window; default n_fft.")
    hop_length: PositiveInt = Field(default=160, description="Samples from one frame to the next.")
    n_mels: PositiveInt = Field(default=64, description="Mel bands, of log_mel and under mfcc.")
    n_mfcc: PositiveInt = Field(default=20, description="Cepstrum coefficients of mfcc.")
    delta: Annotated[int, Field(ge=0, le=2)] = Field(default=0, description="Orders of derivatives that are appended.")
    n_chroma: PositiveInt = Field(default=12, description="Pitch classes of chroma.")
    fmin: Annotated[float, Field(ge=0)] = Field(default=0.0, description="Lowest frequency in Hz.")
    fmax: Annotated[float, Field(gt=0)] | None = Field(default=None, description="Highest; default half the rate.")
    columns: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Columns of precomputed tables; default all numeric ones."
    )
    key: str | None = Field(default=None, description="Name of the array in precomputed .npz files.")
    frame_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="Frames a second of precomputed features, for labels whose times are in seconds."
    )
    normalize: Literal["train", "recording", "none"] = Field(
        default="train",
        description="Mean and variance over the training frames (inside the model), over each recording, or neither.",
    )

    @property
    def highest_frequency(self) -> float:
        """`fmax`, or half the sample rate, in Hz."""
        return self.sample_rate / 2 if self.fmax is None else self.fmax

    @property
    def seconds_per_frame(self) -> float | None:
        """Seconds from one frame to the next: frame t stands for the time `t * seconds_per_frame`. None: unknown.

        >>> FeatureSettings(sample_rate=8000, hop_length=80).seconds_per_frame
        0.01
        """
        if self.kind == "precomputed":
            return None if self.frame_rate is None else 1 / self.frame_rate
        return self.hop_length / self.sample_rate

    @model_validator(mode="after")
    def _window_fits(self) -> "FeatureSettings":
        if self.win_length is not None and self.win_length > self.n_fft:
            raise ValueError(
                f"win_length={self.win_length} must not exceed n_fft={self.n_fft}: raise n_fft or lower win_length"
            )
        if self.kind in SPECTRAL_KINDS and self.n_fft < 2:
            raise ValueError(f"n_fft={self.n_fft} is too short for {self.kind}: a spectrum needs at least 2 samples")
        return self

    @model_validator(mode="after")
    def _frequencies_fit(self) -> "FeatureSettings":
        if self.fmax is not None and self.fmax > self.sample_rate / 2:
            raise ValueError(
                f"fmax={self.fmax:g} Hz must not exceed half of sample_rate={self.sample_rate} Hz, "
                f"which is {self.sample_rate / 2:g} Hz"
            )
        if self.kind in SPECTRAL_KINDS and self.fmin >= self.highest_frequency:
            source = "fmax" if self.fmax is not None else "half of sample_rate"
            raise ValueError(f"fmin={self.fmin:g} Hz must be lower than {source}, {self.highest_frequency:g} Hz")
        return self

    @model_validator(mode="after")
    def _parameters_belong_to_kind(self) -> "FeatureSettings":
        owners: dict[str, tuple[FeatureKind, ...]] = {
            "win_length": SPECTRAL_KINDS,
            "delta": ("log_mel", "mfcc"),
            "fmin": SPECTRAL_KINDS,
            "fmax": SPECTRAL_KINDS,
            "columns": ("precomputed",),
            "key": ("precomputed",),
            "frame_rate": ("precomputed",),
        }
        for name, kinds in owners.items():
            value = getattr(self, name)
            if self.kind not in kinds and value != type(self).model_fields[name].default:
                raise ValueError(
                    f"{name}={value!r} has no effect on kind '{self.kind}': remove it or use kind {' or '.join(kinds)}"
                )
        if self.kind == "mfcc" and self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc={self.n_mfcc} must not exceed n_mels={self.n_mels}, of which they are computed")
        return self
