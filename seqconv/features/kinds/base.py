"""The base of all kinds of features: what a frame holds. Argument names are those of librosa."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

from seqconv.parts import OneOf, Registry, Section
from seqconv.parts.problems import read_section

Features = npt.NDArray[np.float32]
Array = npt.NDArray[Any]
_DEFAULT = "log_mel"


class FeatureKind(Section):
    """A kind of features with its settings: what a frame is.

    `FeatureKind(kind="mfcc", n_mfcc=13)`, or a mapping of these keys where a section `features` is read, gives an
    object of the class that is registered under the kind, which knows its own keys alone. A kind of your own derives
    from `RecordedKind`, has a field `kind: Literal["..."] = "..."`, and is decorated with `seqconv.register`. Raise
    `version` when the same settings come to give other numbers: stores are then built again.

    >>> FeatureKind(kind="mfcc", n_mfcc=13, delta=2).num_features
    39
    """

    registry: ClassVar[Registry[type["FeatureKind"]]] = Registry("feature kind", tag="kind")
    version: ClassVar[int] = 1
    # Transforms of the section `augment` that mean nothing for this kind, by key, and why.
    meaningless: ClassVar[Mapping[str, str]] = {}
    # What `axis` counts.
    unit: ClassVar[str] = "Hz"
    # Whether the features of a frame are the samples from its time on.
    holds_samples: ClassVar[bool] = False

    kind: str = Field(default=_DEFAULT, description="What a frame holds.")
    normalize: Literal["train", "recording", "none"] = Field(
        default="train",
        description="Mean and variance over the training frames (inside the model), over each recording, or neither.",
    )

    @property
    def num_features(self) -> int | None:
        """Features of a frame, d; None where the files decide."""
        raise NotImplementedError(f"feature kind {type(self).__name__} does not say how many features a frame has")

    @property
    def seconds_per_frame(self) -> float | None:
        """Seconds from one frame to the next: frame t is at the time `t * seconds_per_frame`. None: unknown."""
        return None

    @property
    def delay(self) -> float:
        """Return the seconds from the time of a frame until everything that it is computed from has been recorded."""
        return 0.0

    @property
    def orders(self) -> int:
        """Groups of as many features each: values, their derivatives, and so on. A mask hides the same of each."""
        return 1

    @property
    def axis(self) -> Array | None:
        """Frequency (or other place, in `unit`) of each feature, for pictures; None where they are something else."""
        return None

    def with_gain(self, features: Features, decibels: float) -> Features:
        """Compute the features `(time, d)` that a recording would have at another level."""
        return features * np.float32(10 ** (decibels / 20))

    def to_audio(self, features: Features) -> Features | None:
        """Make samples `(n,)` that have about these features; None where a kind cannot be heard."""
        return None

    def __new__(cls, **values: Any) -> "FeatureKind":
        chosen = cls.registry[str(values.get("kind", _DEFAULT))] if "registry" in vars(cls) else cls
        return super().__new__(chosen)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if "registry" not in vars(cls) or not cls.registry:
            return handler(source)
        choices = OneOf(cls.registry).__get_pydantic_core_schema__(source, handler)
        return core_schema.no_info_before_validator_function(_with_kind, choices)

    @model_validator(mode="before")
    @classmethod
    def _keys_belong_to_kind(cls, values: Any) -> Any:
        """Refuse keys of other kinds; at their default they say nothing, and earlier versions wrote them all down."""
        if not isinstance(values, dict):
            return values
        kept = {}
        for name, value in values.items():
            owners = {kind: section for kind, section in cls.registry.items() if name in section.model_fields}
            if name in cls.model_fields or not owners:
                kept[name] = value
            elif all(value != section.model_fields[name].default for section in owners.values()):
                kind = values.get("kind", cls.model_fields["kind"].default)
                raise ValueError(
                    f"{name}={value!r} has no effect on kind '{kind}': remove it or use kind {' or '.join(owners)}"
                )
        return kept


def _with_kind(values: Any) -> Any:
    return {"kind": _DEFAULT, **values} if isinstance(values, dict) else values


def as_settings(settings: FeatureKind | Mapping[str, Any]) -> FeatureKind:
    """Read feature settings from a mapping such as `{"kind": "mfcc", "n_mfcc": 13}`.

    Raises:
        ConfigError: an unknown key, a wrong type or an impossible combination.

    >>> as_settings({"kind": "mfcc"}).n_mfcc
    20
    """
    return settings if isinstance(settings, FeatureKind) else read_section(FeatureKind, dict(settings), "features")


def num_features(settings: FeatureKind | Mapping[str, Any]) -> int | None:
    """Return the features of a frame, d; None for precomputed features, for which the files decide.

    >>> num_features({"kind": "mfcc", "n_mfcc": 13, "delta": 2})
    39
    """
    return as_settings(settings).num_features
