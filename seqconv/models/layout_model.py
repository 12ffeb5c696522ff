"""`LayoutModel`: what all models of ours are to their callers, and the three forms of what they take."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from seqconv.errors import ShapeError
from seqconv.layers.masking import Tensor, frame_mask, segments_from_lengths
from seqconv.models.card import ModelCard


class LayoutModel(keras.Model):  # type: ignore[misc]
    """A model over `(batch, time, num_features)` that answers alike in every layout.

    Call it, or `predict`, with
        an array `(batch, time, num_features)` whose frames are all real -> logits `(batch, num_outputs)`;
        a pair `(array, lengths)`, frames beyond each length ignored -> logits `(batch, num_outputs)`;
        a dict of a batch's `features`, `segments` and `lengths` -> logits `(rows, num_slots, num_outputs)`.
    A model that predicts frames returns logits `(batch, ceil(time / total_stride), num_outputs)` instead, 0 in padding.

    To run a model over many sequences, run each of `list_members()` in the layout that suits it, and let `combine` make
    one answer of theirs. What else is said here holds for all members together.

    Attributes:
        card: what evaluation and prediction need besides the weights.
        num_features, num_outputs: of a frame, and of an answer.
        time_geometry: gaps, lengths and strides that every member can be run with.
        min_frames: the shortest sequence that it can take.
        total_stride: input frames from one output frame to the next.
        halo: input frames before and after its own that an output frame reads.
        receptive_field: input frames that one output frame sees; None if a layer sees the whole sequence.
        predicts_frames: whether there is one prediction per frame instead of one per sequence.
        unpackable_layers: names of the layers for which a row must hold a single sequence.
        unchunkable_layers: names of the layers that need a whole sequence at once.
    """

    card: ModelCard
    num_features: int
    num_outputs: int

    @property
    def packable(self) -> bool:
        """Whether several sequences may share a row."""
        return not self.unpackable_layers

    @property
    def chunkable(self) -> bool:
        """Whether a long sequence may be fed piece by piece, in several passes if a layer looks at all of it."""
        return not self.unchunkable_layers

    # No property: Keras follows those of a model that it loads, and would never end.
    def list_members(self) -> tuple[Any, ...]:
        """Return the `SequenceModel`s whose answers are combined: of most models, the model itself."""
        return (self,)

    def combine(self, answers: Sequence[Any]) -> Any:
        """Return the logits of the model, from those of its members: arrays of one shape."""
        return answers[0]

    def __call__(self, inputs: Any, *args: Any, **options: Any) -> Tensor:
        check_inputs(inputs, self.num_features)
        return super().__call__(inputs, *args, **options)

    def predict(self, x: Any, *args: Any, **options: Any) -> Any:
        check_inputs(x, self.num_features)
        if isinstance(x, tuple | list) and len(x) == 2:
            x = (x[0], np.asarray(x[1], "int32"))
        return super().predict(x, *args, **options)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        # Without a call: JAX cannot tell that lengths after different layers are the same.
        features = inputs["features"] if isinstance(inputs, Mapping) else keras.tree.flatten(inputs)[0]
        batch, num_frames, _ = features.shape
        outputs = self.outputs[0]
        if self.predicts_frames:
            shape = (batch, None if num_frames is None else -(-num_frames // self.total_stride))
        else:
            shape = tuple(inputs["lengths"].shape) if isinstance(inputs, Mapping) else (batch,)
        return keras.KerasTensor((*shape, outputs.shape[-1]), dtype=outputs.dtype)

    @property
    def input_spec(self) -> None:
        """None: the three input forms have different structures, and `check_inputs` says what is wrong with them."""
        return

    @input_spec.setter
    def input_spec(self, value: Any) -> None:
        """Ignore the spec that Keras assigns while it builds the graph."""


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


def unpack_inputs(inputs: Any) -> tuple[Tensor, Tensor | None, Any]:
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
