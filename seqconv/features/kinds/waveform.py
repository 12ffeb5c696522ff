"""Samples as they are."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from seqconv.features.kinds.base import Features
from seqconv.features.kinds.recorded import RecordedKind
from seqconv.parts import register


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
