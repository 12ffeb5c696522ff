"""`SequenceModel`: a Keras model over `(batch, time, num_features)` that answers alike in every layout."""

from collections.abc import Mapping
from typing import Any

import keras

from seqconv.errors import ModelError
from seqconv.geometry import TimeGeometry, halo, min_frames, receptive_field, total_stride
from seqconv.layers.base import contract_of
from seqconv.layers.masking import Tensor
from seqconv.models.card import ModelCard
from seqconv.models.layout_model import LayoutModel, unpack_inputs
from seqconv.models.settings import ModelConfig, find_own_parts, find_part_problems
from seqconv.models.stack import Stack, apply_head, apply_trunk, build_stack, geometry_of, walk
from seqconv.parts.problems import read_section


@keras.saving.register_keras_serializable(package="seqconv")
class SequenceModel(LayoutModel):
    """A stack of blocks over time, pooled into one vector per sequence. Made by `build_model`.

    How it is called: see `LayoutModel`.

    Attributes:
        card: what evaluation and prediction need besides the weights.
        time_geometry: how each layer reads time; receptive field, gaps and lengths derive from it.
    """

    def __init__(
        self,
        model: ModelConfig | Mapping[str, Any],
        num_features: int,
        num_outputs: int,
        card: ModelCard | Mapping[str, Any] | None = None,
        dtype: Any = None,
        **options: Any,
    ) -> None:
        config = read_section(ModelConfig, model, "model")
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        stack = build_stack(config, num_features, num_outputs, policy)
        inputs = keras.Input((None, num_features), name="frames")
        outputs = apply_head(stack, apply_trunk(stack, inputs, None))
        super().__init__(inputs=inputs, outputs=outputs, **options)
        self._policy = policy
        self._stack_of_layers = stack
        self.config = config
        self.num_features = num_features
        self.num_outputs = num_outputs
        self.card = card if isinstance(card, ModelCard) else ModelCard.from_dict(card or {})

    @property
    def stack(self) -> Stack:
        """The layers, in the order in which they are called."""
        return self._stack_of_layers

    @property
    def time_geometry(self) -> TimeGeometry:
        """The way in which each layer reads time."""
        return geometry_of(self.stack.trunk)

    @property
    def receptive_field(self) -> int | None:
        """Input frames that one output frame sees; None if a layer sees the whole sequence."""
        sees_all = any(contract_of(layer).sees_all for layer in walk(self.stack.trunk))
        return None if sees_all else receptive_field(self.time_geometry)

    @property
    def halo(self) -> tuple[int, int]:
        """Input frames before and after its own that an output frame reads through the layers of `time_geometry`."""
        return halo(self.time_geometry)

    @property
    def predicts_frames(self) -> bool:
        """Whether there is one prediction per frame instead of one per sequence."""
        return self.config.predicts_frames

    @property
    def total_stride(self) -> int:
        """Input frames from one output frame to the next."""
        return total_stride(self.time_geometry)

    @property
    def min_frames(self) -> int:
        """The shortest sequence that the model can take."""
        return min_frames(self.time_geometry)

    @property
    def unpackable_layers(self) -> list[str]:
        """Names of the layers for which a row must hold a single sequence."""
        return self.stack.unable("packable")

    @property
    def unchunkable_layers(self) -> list[str]:
        """Names of the layers that need a whole sequence at once."""
        return self.stack.unable("chunkable")

    @property
    def feature_normalization(self) -> keras.layers.Layer:
        """The first layer: `feature_normalization.adapt(mean, variance)` sets its statistics."""
        return self.stack.trunk[0]

    def call(self, inputs: Any, training: bool | None = None) -> Tensor:
        features, segments, num_slots = unpack_inputs(inputs)
        return apply_head(self.stack, apply_trunk(self.stack, features, segments, num_slots, training=training))

    def get_config(self) -> dict[str, Any]:
        return {
            "model": self.config.model_dump(mode="json"),
            "num_features": self.num_features,
            "num_outputs": self.num_outputs,
            "card": self.card.to_dict(),
            **({"parts": own} if (own := find_own_parts(self.config, self.card.features)) else {}),
            "dtype": keras.dtype_policies.serialize(self._policy),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "SequenceModel":
        try:
            problems = find_part_problems(config.get("parts", ()))
        except (KeyError, TypeError, AttributeError):
            problems = [f"config.parts is {config['parts']!r:.40}, not a list of parts"]
        if problems:
            raise ModelError("; ".join(problems))
        arguments = {name: value for name, value in config.items() if name != "parts"}
        return cls(**{**arguments, "dtype": keras.dtype_policies.get(config["dtype"])})
