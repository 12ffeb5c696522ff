"""The sections `augment` and `audio_augment`: variations of training sequences. Each transform is off unless named."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from seqconv.features import FeatureKind
from seqconv.features.kinds import RecordedKind
from seqconv.parts import LocalPath, OneOf, Registry, Section

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Probability = Annotated[float, Field(gt=0, le=1)]
Part = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=0, le=100)]


def _ascending(values: tuple[float, float]) -> tuple[float, float]:
    if values[0] > values[1]:
        raise ValueError(f"a range is [lowest, highest], and {values[0]:g} is more than {values[1]:g}")
    return values


Finite = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0.25, le=4)]
Range = Annotated[tuple[Finite, Finite], AfterValidator(_ascending)]
AmountRange = Annotated[tuple[NotNegative, NotNegative], AfterValidator(_ascending)]
RateRange = Annotated[tuple[Rate, Rate], AfterValidator(_ascending)]


class SpecMask(Section):
    """Ranges of frames and bands of features replaced by the mean of the training frames (SpecAugment, Park et al.
    2019, arXiv:1904.08779)."""

    probability: Probability = Field(default=1.0, description="Part of the sequences that are masked.")
    time_masks: Count = Field(default=2, description="Stretches of frames in a sequence.")
    time_width: Part = Field(default=0.1, description="Longest stretch, as a part of the sequence's frames.")
    feature_masks: Count = Field(default=2, description="Bands of neighboring features; with delta, in all orders.")
    feature_width: Part = Field(default=0.2, description="Largest band, as a part of the features.")

    @model_validator(mode="after")
    def _masks_something(self) -> "SpecMask":
        if not self.time_masks and not self.feature_masks:
            raise ValueError("time_masks and feature_masks are both 0, which masks nothing; leave spec_mask out")
        return self


class Gain(Section):
    """Louder or softer features: decibels are added to features in decibels, and samples or numbers are multiplied."""

    probability: Probability = Field(default=1.0, description="Part of the sequences that are changed.")
    decibels: Range = Field(default=(-6.0, 6.0), description="Lowest and highest gain in dB.")


class Noise(Section):
    """Normal noise on the features, relative to how much each of them varies over the training frames."""

    probability: Probability = Field(default=1.0, description="Part of the sequences that are changed.")
    deviation: AmountRange = Field(default=(0.0, 0.2), description="Least and most; 1: the feature's in training.")


class TimeShift(Section):
    """A shift in time: the content comes earlier or later; the number of frames stays."""

    probability: Probability = Field(default=1.0, description="Part of the sequences that are shifted.")
    fraction: Part = Field(default=0.1, description="Longest shift either way, as a part of the sequence's frames.")
    fill: Literal["edge", "wrap"] = Field(
        default="edge",
        description="Frames that fill the gap: the first or last frame again, or those that left at the other end.",
    )


class TimeStretch(Section):
    """A stretch in time: the content is faster or slower, in fewer or more frames."""

    probability: Probability = Field(default=1.0, description="Part of the sequences that are stretched.")
    rate: RateRange = Field(default=(0.9, 1.1), description="Slowest and fastest; 2 is half as many frames.")


class Mixup(Section):
    """A mixture with another training sequence, and with its label in the same proportion (Zhang et al. 2018,
    arXiv:1710.09412)."""

    probability: Probability = Field(default=1.0, description="Part of the sequences into which one is mixed.")
    alpha: Annotated[float, Field(gt=0, le=100)] = Field(
        default=0.2, description="Of the beta distribution of the proportion: more mixes more evenly."
    )


TRANSFORMS: "Registry[type[FeatureTransform]]" = Registry("augmentation")


class FeatureTransform(Section):
    """Base of transforms of a user's own: one that is registered can stand in `augment.own`.

    A transform has the fields `type: Literal["its_name"]` and its settings, and defines `apply`. Raise `version` when
    it gives other results for the same settings and random numbers.
    """

    registry: ClassVar = TRANSFORMS
    version: ClassVar[int] = 1

    probability: Probability = Field(default=1.0, description="Part of the sequences that are changed.")

    def apply(self, features: "npt.NDArray[np.float32]", rng: "np.random.Generator") -> "npt.NDArray[np.float32]":
        """Return a varied copy of features `(time, d)`, of the same shape.

        Args:
            features: of one sequence; read only.
            rng: random numbers that depend on seed, epoch and id alone; take all of yours from it.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define apply(features, rng)")


class AugmentConfig(Section):
    """Variations of the features of training sequences, drawn again in each epoch. A transform that is not named is
    off; `{}` switches it on with its defaults."""

    time_stretch: TimeStretch | None = Field(default=None, description="Faster or slower.")
    time_shift: TimeShift | None = Field(default=None, description="Earlier or later.")
    gain: Gain | None = Field(default=None, description="Louder or softer.")
    mixup: Mixup | None = Field(default=None, description="Two sequences and their labels in one.")
    noise: Noise | None = Field(default=None, description="Normal noise on the features.")
    spec_mask: SpecMask | None = Field(default=None, description="Stretches of frames and bands of features masked.")

    own: tuple[Annotated[FeatureTransform, OneOf(TRANSFORMS)], ...] = Field(
        default=(), description="Transforms of your own (see plugins), applied last, in this order."
    )

    @property
    def names(self) -> list[str]:
        """The transforms that are on, in the order in which they are applied."""
        ours = [name for name in type(self).model_fields if name != "own" and getattr(self, name) is not None]
        return [*ours, *(str(getattr(transform, "type", "")) for transform in self.own)]

    def find_problems(self, features: FeatureKind, *, predicts_frames: bool) -> list[str]:
        """Return transforms that make no sense for these features or labels."""
        problems = []
        for key, reason in features.meaningless.items():
            value: Any = self
            for name in key.split("."):
                value = getattr(value, name, None)
            if value:
                problems.append(f"augment.{key}: {reason.format(value=value)}")
        if self.gain is not None and features.normalize == "recording" and "gain" not in features.meaningless:
            problems.append(
                "augment.gain: features.normalize 'recording' takes the level of each recording away, so no gain is "
                "left in it. Remove it, or set features.normalize to 'train'."
            )
        if self.mixup is not None and predicts_frames:
            problems.append(
                "augment.mixup: the labels of frames (model.pooling 'frames') are not mixed. Remove it; "
                "audio_augment.background adds other sounds."
            )
        return problems


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
    folder: LocalPath = Field(
        default=None, description="Recorded impulse responses, also in sub-folders; null: made ones."
    )
    reverberation_time: AmountRange = Field(
        default=(0.1, 0.5), description="Seconds until a made response has fallen by 60 dB."
    )
    direct_to_reverberant: Range = Field(
        default=(0.0, 15.0), description="Energy of the direct sound of a made response over that of its rest, in dB."
    )

    @model_validator(mode="after")
    def _made_or_recorded(self) -> "Room":
        made = {"reverberation_time", "direct_to_reverberant"}
        for name, value in self.model_dump(include=made, exclude_defaults=True).items():
            if self.folder is not None:
                raise ValueError(f"{name}={list(value)} is about responses that are made, but folder has recorded ones")
        return self


class Background(Section):
    """Another sound in the background: a random part of a random recording of a folder, or pink noise."""

    probability: Probability = Field(default=0.5, description="Part of the variants that are changed.")
    folder: LocalPath = Field(default=None, description="Recordings of noise, also in sub-folders; null: pink noise.")
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

    def find_problems(self, features: FeatureKind) -> list[str]:
        """Return transforms of recordings that are set although there are no recordings."""
        if not self.names or isinstance(features, RecordedKind):
            return []
        return [
            f"audio_augment.{self.names[0]}: features.kind '{features.kind}' has no recordings to vary. Use the "
            "section augment, which varies features."
        ]
