"""`AverageModel`: the mean of what several models say, as one model."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from seqconv.errors import ModelError, list_some
from seqconv.geometry import TimeGeometry, jointly
from seqconv.layers.masking import Tensor
from seqconv.models.card import ModelCard
from seqconv.models.layout_model import LayoutModel
from seqconv.models.sequence_model import SequenceModel


@keras.saving.register_keras_serializable(package="seqconv")
class AverageModel(LayoutModel):
    """The weighted mean of the logits of several models: of probabilities the geometric mean, of values the mean.

    It is called, saved, loaded and run like a `SequenceModel`, and as exact in every layout. It has one card; its
    members are copies, whose own cards say nothing more. What needs all of them, they have together: it can be packed,
    or run in chunks, if each of them can, and takes no sequence that is too short for one.

    Args:
        members: the models, or what their `get_config` returns.
        weights: what the logits of each are multiplied by; default: 1 / number of members. The share of a member
            divided by its temperature makes all equally sure of themselves.
        card: as for a `SequenceModel`.

    Raises:
        ModelError: the members cannot be averaged, because they take or return something else.

    >>> import numpy as np
    >>> from seqconv.models import build_model
    >>> one, two = (build_model({"blocks": [{"filters": n}]}, num_features=2, num_outputs=3) for n in (4, 8))
    >>> x = np.ones((1, 9, 2), "float32")
    >>> np.allclose(AverageModel([one, two])(x), (one(x) + two(x)) / 2, atol=1e-6)
    True
    """

    def __init__(
        self,
        members: Sequence[SequenceModel | Mapping[str, Any]],
        weights: Sequence[float] | None = None,
        card: ModelCard | Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        own = [_copy(member, f"member{index}") for index, member in enumerate(members)]
        _check_alike(own)
        shares = _shares(len(own), weights)
        inputs = keras.Input((None, own[0].num_features), name="frames")
        outputs = _weighted_sum([member(inputs) for member in own], shares)
        super().__init__(inputs=inputs, outputs=outputs, **options)
        self._own, self.member_weights = tuple(own), tuple(shares)
        self.num_features, self.num_outputs = own[0].num_features, own[0].num_outputs
        self.card = card if isinstance(card, ModelCard) else ModelCard.from_dict(card or {})

    @property
    def members(self) -> tuple[SequenceModel, ...]:
        """The models whose answers are combined."""
        return self._own

    def list_members(self) -> tuple[SequenceModel, ...]:
        return self.members

    def combine(self, answers: Sequence[Any]) -> Any:
        return _weighted_sum(answers, self.member_weights)

    @property
    def time_geometry(self) -> TimeGeometry:
        """Gaps, starts and strides that every member can be run with."""
        return jointly([member.time_geometry for member in self.members])

    @property
    def receptive_field(self) -> int | None:
        """Input frames that one output frame sees; None if a member sees the whole sequence."""
        fields = [member.receptive_field for member in self.members]
        return None if None in fields else sum(self.halo) + 1

    @property
    def halo(self) -> tuple[int, int]:
        """The most input frames before and after its own that an output frame of a member reads."""
        before, after = zip(*(member.halo for member in self.members), strict=True)
        return max(before), max(after)

    @property
    def predicts_frames(self) -> bool:
        """Whether there is one prediction per frame instead of one per sequence."""
        return self.members[0].predicts_frames

    @property
    def total_stride(self) -> int:
        """Input frames from one output frame to the next; of pooled members with different strides, the largest."""
        return max(member.total_stride for member in self.members)

    @property
    def min_frames(self) -> int:
        """The shortest sequence that every member can take."""
        return max(member.min_frames for member in self.members)

    @property
    def unpackable_layers(self) -> list[str]:
        """Names of the layers for which a row must hold a single sequence, with those of their members."""
        return self._named([member.unpackable_layers for member in self.members])

    @property
    def unchunkable_layers(self) -> list[str]:
        """Names of the layers that need a whole sequence at once, with those of their members."""
        return self._named([member.unchunkable_layers for member in self.members])

    def call(self, inputs: Any, training: bool | None = None) -> Tensor:
        return self.combine([member.call(inputs, training=training) for member in self.members])

    def get_config(self) -> dict[str, Any]:
        return {
            "members": [member.get_config() for member in self.members],
            "weights": list(self.member_weights),
            "card": self.card.to_dict(),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "AverageModel":
        return cls(**config)

    def _named(self, layers: Sequence[Sequence[str]]) -> list[str]:
        pairs = zip(self.members, layers, strict=True)
        return [f"{member.name}/{layer}" for member, names in pairs for layer in names]


def _copy(member: SequenceModel | Mapping[str, Any], name: str) -> SequenceModel:
    if isinstance(member, Mapping):
        return SequenceModel.from_config({**member, "name": name})
    if not isinstance(member, SequenceModel):
        raise ModelError(
            f"'{getattr(member, 'name', member)}' ({type(member).__name__}) cannot be a member of an average. Average "
            "models that build_model returns, or those in the folders of runs."
        )
    copy = SequenceModel.from_config({**member.get_config(), "name": name, "card": {}})
    copy.set_weights(member.get_weights())
    return copy


def _check_alike(members: Sequence[SequenceModel]) -> None:
    """Check that members take and return the same kind of arrays."""
    if not members:
        raise ModelError("an average needs members.")
    found: dict[str, list[Any]] = {
        "features in a frame": [member.num_features for member in members],
        "outputs": [member.num_outputs for member in members],
        "predictions per": ["frame" if member.predicts_frames else "sequence" for member in members],
    }
    if members[0].predicts_frames:
        found["input frames from one prediction to the next"] = [member.total_stride for member in members]
    problems = [
        f"{what}: {list_some(str(value) for value in values)}" for what, values in found.items() if len(set(values)) > 1
    ]
    if problems:
        raise ModelError(f"these members cannot be averaged, one after the other: {'; '.join(problems)}.")


def _shares(count: int, weights: Sequence[float] | None) -> list[float]:
    shares = [1 / count] * count if weights is None else [float(weight) for weight in weights]
    if len(shares) != count:
        raise ModelError(f"{count} members have {len(shares)} weights. Give one for each, or none.")
    if not all(map(math.isfinite, shares)):
        raise ModelError(f"the weights of members are {shares}. Give finite numbers, or none for equal ones.")
    return shares


def _weighted_sum(answers: Sequence[Any], weights: Sequence[float]) -> Any:
    """Return the sum of arrays or tensors, each times its weight."""
    first, *others = (answer * weight for answer, weight in zip(answers, weights, strict=True))
    return sum(others, start=first)
