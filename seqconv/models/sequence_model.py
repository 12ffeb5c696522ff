"""`SequenceModel`: a Keras model over `(batch, time, num_features)` that answers alike in every layout."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from seqconv.errors import ModelError, ShapeError
from seqconv.geometry import TimeGeometry, halo, min_frames, receptive_field, total_stride
from seqconv.layers.base import contract_of
from seqconv.layers.masking import Tensor, frame_mask, segments_from_lengths
from seqconv.models.card import ModelCard
from seqconv.models.settings import ModelConfig, find_own_parts, find_part_problems
from seqconv.models.stack import Stack, apply_head, apply_trunk, build_stack, geometry_of, walk
from seqconv.parts.problems import read_section


@keras.saving.register_keras_serializable(package="seqconv")
class SequenceModel(keras.Model):  # type: ignore[misc]
    """A stack of blocks over time, pooled into one vector per sequence. Made by `build_model`.

    Call it, or `predict`, with
        an array `(batch, time, num_features)` whose frames are all real -> logits `(batch, num_outputs)`;
        a pair `(array, lengths)`, frames beyond each length ignored -> logits `(batch, num_outputs)`;
        a dict of a batch's `features`, `segments` and `lengths` -> logits `(rows, num_slots, num_outputs)`.
    A model that predicts frames returns logits `(batch, ceil(time / total_stride), num_outputs)` instead, 0 in padding.

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
    def packable(self) -> bool:
        """Whether several sequences may share a row."""
        return not self.unpackable_layers

    @property
    def chunkable(self) -> bool:
        """Whether a long sequence may be fed piece by piece, in several passes if a layer looks at all of it."""
        return not self.unchunkable_layers

    @property
    def unchunkable_layers(self) -> list[str]:
        """Names of the layers that need a whole sequence at once."""
        return self.stack.unable("chunkable")

    @property
    def feature_normalization(self) -> keras.layers.Layer:
        """The first layer: `feature_normalization.adapt(mean, variance)` sets its statistics."""
        return self.stack.trunk[0]

    def call(self, inputs: Any, training: bool | None = None) -> Tensor:
        features, segments, num_slots = _unpack_inputs(inputs)
        return apply_head(self.stack, apply_trunk(self.stack, features, segments, num_slots, training=training))

    def __call__(self, inputs: Any, *args: Any, **options: Any) -> Tensor:
        check_inputs(inputs, self.num_features)
        return super().__call__(inputs, *args, **options)

    def predict(self, x: Any, *args: Any, **options: Any) -> Any:
        check_inputs(x, self.num_features)
        if isinstance(x, tuple | list) and len(x) == 2:
            x = (x[0], np.asarray(x[1], "int32"))
        return super().predict(x, *args, **options)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        return keras.layers.Layer.compute_output_spec(self, inputs, training=training)

    @property
    def input_spec(self) -> None:
        """None: the three input forms have different structures, and `check_inputs` says what is wrong with them."""
        return

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        """Ignore the spec that Keras assigns while it builds the graph."""

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


def check_inputs(inputs: Any, num_features: int) -> None:
    """Refuse an array whose axes cannot be `(batch, time, num_features)`.

    Raises:
        ShapeError: saying which axis is missing or wrong, and how to add or mend it.
    """
    features = inputs
    if isinstance(inputs, Mapping):
        missing = [name for name in ("features", "segments", "lengths") if name not in inputs]
        if missing:
            raise ShapeError(f"a batch dict needs features, segments and lengths, but {', '.join(missing)} is missing.")
        features = inputs["features"]
        _check_slots(features, inputs["segments"], inputs["lengths"])
    elif isinstance(inputs, tuple | list):
        if len(inputs) != 2:
            raise ShapeError(
                f"expected an array (batch, time, {num_features}) or a pair (array, lengths), but received "
                f"{len(inputs)} values. For a list of sequences of different lengths use "
                "seqconv.prediction.predict(model, arrays)."
            )
        features = inputs[0]
    shape = tuple(getattr(features, "shape", None) or ())
    if shape:
        _check_shape(shape, num_features)


def _check_shape(shape: tuple[int | None, ...], num_features: int) -> None:
    remedy = ""
    if len(shape) == 1:
        problem, remedy = "lacks the batch and feature axes", " Pass x[None, :, None]."
    elif len(shape) == 2:
        problem, remedy = "is missing the batch axis", " Pass x[None]."
    elif len(shape) > 3:
        problem = f"has {len(shape) - 3} axis too many"
    elif shape[2] in (None, num_features):
        return
    else:
        problem = f"has {shape[2]} features on its last axis, but the model was built for {num_features}"
        if shape[1] == num_features:
            remedy = " Time and features look swapped: pass x.transpose(0, 2, 1)."
    raise ShapeError(f"an array of shape {shape} {problem}: expected (batch, time, {num_features}).{remedy}")


def _check_slots(features: Any, segments: Any, lengths: Any) -> None:
    """Refuse a batch whose segments are not what its lengths say; of arrays that are not NumPy's, ranks are checked."""
    shapes = [tuple(each.shape) for each in (features, segments, lengths)]
    if [len(shape) for shape in shapes[1:]] != [2, 2]:
        raise ShapeError(
            f"a batch has segments of shape {shapes[1]} and lengths of shape {shapes[2]}: expected (rows, width), the "
            "slot of each frame, and (rows, num_slots), the frames in each slot."
        )
    if not all(isinstance(each, np.ndarray) for each in (features, segments, lengths)):
        return
    if shapes[1] != shapes[0][:2] or len(lengths) != len(segments) or segments.dtype.kind != "i":
        raise ShapeError(
            f"a batch has features of shape {shapes[0]}, segments of shape {shapes[1]} ({segments.dtype}) and lengths "
            f"of shape {shapes[2]}: expected (rows, width, num_features), (rows, width) of int32 and (rows, num_slots)."
        )
    for row, (slots, expected) in enumerate(zip(segments, lengths, strict=True)):
        found = np.bincount(slots[slots >= 0], minlength=len(expected))
        if len(found) > len(expected):
            raise ShapeError(
                f"row {row} of a batch has frames of slot {len(found) - 1}, but its lengths are those of "
                f"{len(expected)} slots, counted from 0."
            )
        if (found != expected).any():
            slot = int(np.flatnonzero(found != expected)[0])
            raise ShapeError(
                f"row {row} of a batch has {found[slot]} frames of slot {slot} in segments, but lengths[{row}, {slot}] "
                f"is {expected[slot]}."
            )


def _unpack_inputs(inputs: Any) -> tuple[Tensor, Tensor | None, Any]:
    """Return features, segments and number of slots; the plain and the lengths form have no slots."""
    if isinstance(inputs, Mapping):
        lengths = ops.convert_to_tensor(inputs["lengths"])
        num_slots = lengths.shape[1] or ops.shape(lengths)[1]
        return ops.convert_to_tensor(inputs["features"]), ops.convert_to_tensor(inputs["segments"]), num_slots
    if isinstance(inputs, tuple | list):
        features = ops.convert_to_tensor(inputs[0])
        segments = segments_from_lengths(ops.convert_to_tensor(inputs[1]), ops.shape(features)[1])
        return features, frame_mask(segments), None
    return ops.convert_to_tensor(inputs), None, None
