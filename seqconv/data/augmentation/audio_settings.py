"""The section `audio_augment`: variations of training recordings before their features are extracted."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from seqconv.data.augmentation.settings import AmountRange, Probability, Range, RateRange
from seqconv.features.kinds import RecordedKind
from seqconv.features.settings import FeatureSettings
from seqconv.parts import FilePath, Section


class Speed(Section):
    """Faster or slower playback, which also changes the pitch (Ko et al. 2015, "Audio augmentation for speech
    recognition")."""

    probability: Probability = Field(default=1.0, description="Part of the variants that are changed.")
    rate: RateRange = Field(default=(0.9, 1.1), description="Slowest and fastest; 2 is half as long.")


class Pitch(Section):
    """Higher or lower pitch at the same speed; needs `pip install 'seqconv[augment]'` (audiomentations)."""

    probability: Probability = Field(default=0.5, description="Part of the variants that are changed.")
    semitones: Range = Field(default=(-2.0, 2.0), description="Lowest and highest shift; 12 are an octave.")

    @field_validator("semitones")
    @classmethod
    def _within_two_octaves(cls, value: tuple[float, float]) -> tuple[float, float]:
        if max(map(abs, value)) > 24:
            raise ValueError("a shift by more than two octaves (24 semitones) leaves nothing of a sound")
        return value


class Room(Section):
    """The sound of a room: convolution with a recorded impulse response, or with one that is made of decaying noise."""

    probability: Probability = Field(default=0.5, description="Part of the variants that are changed.")
    folder: FilePath = Field(default=None, description="Recorded impulse responses, also in sub-folders; null: made.")
    reverberation_time: AmountRange = Field(
        default=(0.1, 0.5), description="Seconds until a made response has fallen by 60 dB."
    )
    direct_to_reverberant: Range = Field(
        default=(0.0, 15.0), description="Energy of the direct sound of a made response over that of its rest, in dB."
    )

    @model_validator(mode="after")
    def _made_or_recorded(self) -> "Room":
        if self.folder is None:
            return self
        for name in ("reverberation_time", "direct_to_reverberant"):
            value = getattr(self, name)
            if value != type(self).model_fields[name].default:
                raise ValueError(f"{name}={list(value)} is about responses that are made, but folder has recorded ones")
        return self


class Background(Section):
    """Another sound in the background: a random part of a random recording of a folder, or pink noise."""

    probability: Probability = Field(default=0.5, description="Part of the variants that are changed.")
    folder: FilePath = Field(default=None, description="Recordings of noise, also in sub-folders; null: pink noise.")
    snr: Range = Field(default=(5.0, 30.0), description="Lowest and highest signal-to-noise ratio, in dB.")


class AudioAugmentConfig(Section):
    """Variations of training recordings. The features of some variants of each are stored in the feature store; an
    epoch takes one of these, or the recording itself. A transform that is not named is off; `{}` switches it on."""

    variants: Annotated[int, Field(ge=1, le=100)] = Field(
        default=4,
        description="Variants of each recording, in addition to itself. Each takes as much space as the features do.",
    )
    speed: Speed | None = Field(default=None, description="Faster or slower, and higher or lower with it.")
    pitch: Pitch | None = Field(default=None, description="Higher or lower.")
    room: Room | None = Field(default=None, description="In a room.")
    background: Background | None = Field(default=None, description="With another sound in the background.")
    others: tuple[dict[str, Any], ...] = Field(
        default=(),
        description="Further transforms of audiomentations, each a mapping with its type (such as Clip) and arguments.",
    )

    @property
    def names(self) -> list[str]:
        """The transforms that are on, in the order in which they are applied."""
        own = [name for name in ("speed", "pitch", "room", "background") if getattr(self, name) is not None]
        return own + [str(other["type"]) for other in self.others]

    @field_validator("others")
    @classmethod
    def _each_has_a_type(cls, others: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        for number, other in enumerate(others):
            if not isinstance(other.get("type"), str):
                raise ValueError(f"number {number} names no type; expected for example {{type: Clip, a_max: 0.5}}")
        return others

    @model_validator(mode="after")
    def _varies_something(self) -> "AudioAugmentConfig":
        if not self.names and self.variants != type(self).model_fields["variants"].default:
            raise ValueError(
                f"variants={self.variants}, but no transform is on: name speed, pitch, room, background or others"
            )
        return self


def audio_augment_problems(augment: AudioAugmentConfig, features: FeatureSettings) -> list[str]:
    """Return transforms of recordings that are set although there are no recordings."""
    if not augment.names or isinstance(features, RecordedKind):
        return []
    return [
        f"audio_augment.{augment.names[0]}: features.kind '{features.kind}' has no recordings to vary. Use the section "
        "augment, which varies features."
    ]
