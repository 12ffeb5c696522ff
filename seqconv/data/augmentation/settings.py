"""The sections `augment` and `audio_augment`: variations of training sequences. Each transform is off unless named."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from seqconv.features import FeatureKind
from seqconv.parts import OneOf, Registry, Section

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
    deviation: AmountRange = Field(
        default=(0.0, 0.2), description="Least and most noise, 1 being the deviation of the training frames."
    )


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


def augment_problems(augment: AugmentConfig, features: FeatureKind, *, predicts_frames: bool) -> list[str]:
    """Return transforms that make no sense for these features or labels."""
    problems = []
    for key, reason in features.meaningless.items():
        value: Any = augment
        for name in key.split("."):
            value = getattr(value, name, None)
        if value:
            problems.append(f"augment.{key}: {reason.format(value=value)}")
    if augment.gain is not None and features.normalize == "recording" and "gain" not in features.meaningless:
        problems.append(
            "augment.gain: features.normalize 'recording' takes the level of each recording away, so no gain is left "
            "in it. Remove it, or set features.normalize to 'train'."
        )
    if augment.mixup is not None and predicts_frames:
        problems.append(
            "augment.mixup: the labels of frames (model.pooling 'frames') are not mixed. Remove it; "
            "audio_augment.background adds other sounds."
        )
    return problems
