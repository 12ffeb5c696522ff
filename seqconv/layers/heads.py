"""Global pooling: from any number of frames to one vector per sequence."""

from typing import Any

import keras
from keras import ops

from seqconv.layers.masking import Tensor, frame_mask, is_mask, lowest_value, zero_padding


class _MaskedGlobalPooling1D(keras.layers.Layer):  # type: ignore[misc]
    """What the global poolings share: one vector a row, or one a slot where rows hold several sequences."""

    packable = True
    chunkable = True

    def call(self, inputs: Tensor, segments: Tensor | None = None, num_slots: Any = None) -> Tensor:
        if num_slots is None:
            return self._pool_rows(inputs, segments)
        if segments is None or is_mask(segments):
            given = "no segments" if segments is None else "a mask"
            raise ValueError(
                f"{self.name} was given num_slots={num_slots} and {given}; "
                "which frame belongs to which slot is said by int32 segments (batch, time), -1 for padding."
            )
        return self._pool_slots(zero_padding(inputs, segments), segments, num_slots)

    def _pool_rows(self, inputs: Tensor, segments: Tensor | None) -> Tensor:
        raise NotImplementedError

    def _pool_slots(self, inputs: Tensor, segments: Tensor, num_slots: Any) -> Tensor:
        raise NotImplementedError

    def compute_output_spec(self, inputs: Tensor, segments: Tensor | None = None, num_slots: Any = None) -> Tensor:
        batch, _, channels = inputs.shape
        slots = () if num_slots is None else (num_slots if isinstance(num_slots, int) else None,)
        return keras.KerasTensor((batch, *slots, channels), dtype=self.compute_dtype)


@keras.saving.register_keras_serializable(package="seqconv")
class MaskedGlobalAveragePooling1D(_MaskedGlobalPooling1D):
    """The mean over the real frames of each sequence.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences.

    Returns:
        `(batch, channels)`, or `(batch, num_slots, channels)` when `num_slots` is given; 0 for an empty slot.
    """

    def _pool_rows(self, inputs: Tensor, segments: Tensor | None) -> Tensor:
        if segments is None:
            return ops.mean(inputs, axis=1)
        count = ops.sum(ops.cast(frame_mask(segments), inputs.dtype), axis=1, keepdims=True)
        return ops.sum(zero_padding(inputs, segments), axis=1) / ops.maximum(count, 1)

    def _pool_slots(self, inputs: Tensor, segments: Tensor, num_slots: Any) -> Tensor:
        slots = ops.arange(num_slots, dtype="int32")
        is_member = ops.cast(segments[:, None, :] == slots[None, :, None], inputs.dtype)
        count = ops.sum(is_member, axis=2, keepdims=True)
        return ops.matmul(is_member, inputs) / ops.maximum(count, 1)


@keras.saving.register_keras_serializable(package="seqconv")
class MaskedGlobalMaxPooling1D(_MaskedGlobalPooling1D):
    """The largest value over the real frames of each sequence.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences.

    Returns:
        `(batch, channels)`, or `(batch, num_slots, channels)` when `num_slots` is given; 0 for an empty slot.
    """

    def _pool_rows(self, inputs: Tensor, segments: Tensor | None) -> Tensor:
        if segments is None:
            return ops.max(inputs, axis=1)
        is_used = ops.any(frame_mask(segments), axis=1, keepdims=True)
        features = zero_padding(inputs, segments, lowest_value(inputs.dtype))
        return ops.where(is_used, ops.max(features, axis=1), 0)

    def _pool_slots(self, inputs: Tensor, segments: Tensor, num_slots: Any) -> Tensor:
        rows, channels = ops.shape(inputs)[0], inputs.shape[-1]
        # Padding goes to one extra segment behind all slots of all rows.
        spare = rows * num_slots
        flat = ops.where(segments >= 0, segments + ops.arange(rows, dtype="int32")[:, None] * num_slots, spare)
        flat = ops.reshape(flat, (-1,))
        frames = ops.reshape(inputs, (-1, channels))
        largest = ops.segment_max(frames, flat, num_segments=spare + 1)[:-1]
        count = ops.segment_sum(ops.ones_like(flat), flat, num_segments=spare + 1)[:-1]
        largest = ops.where(count[:, None] > 0, largest, 0)
        return ops.reshape(largest, (rows, num_slots, channels))
