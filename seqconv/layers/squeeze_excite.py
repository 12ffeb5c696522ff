"""Squeeze-and-excite: channels weighted by the content of the whole sequence."""

from typing import Any

import keras
from keras import ops

from seqconv.layers.base import MaskedLayer
from seqconv.layers.global_pooling import MaskedGlobalAveragePooling1D
from seqconv.layers.masking import Padding, Tensor
from seqconv.layers.reduction import SequenceReducer, Summary


@keras.saving.register_keras_serializable(package="seqconv")
class MaskedSqueezeExcite(MaskedLayer):
    """A gate between 0 and 1 on each channel, computed by a small network from the means over the real frames of the
    sequence (Hu et al. 2018).

    Args:
        reduction: the hidden layer has `channels / reduction` units, at least one.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences; without it, each row is one sequence.
        summary: statistics of the whole sequences, where `inputs` are a piece of them: what `summarize` returned.

    Returns:
        Features of the input's shape; 0 in padding.
    """

    padding_after = Padding.ZERO
    per_sequence = True
    takes_slots = True

    def __init__(self, reduction: int = 4, **options: Any) -> None:
        # A given summary must not be cast to half precision, which cannot count beyond 65,504 frames.
        super().__init__(autocast=False, **options)
        if reduction < 1:
            raise ValueError(f"reduction must be at least 1, got {reduction}.")
        self.reduction = reduction
        self.squeeze = MaskedGlobalAveragePooling1D(dtype=self.dtype_policy, name="squeeze")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = int(input_shape[-1] or 0)
        units = max(1, channels // self.reduction)
        self.hidden = keras.layers.Dense(units, activation="relu", dtype=self.dtype_policy, name="hidden")
        self.hidden.build((None, channels))
        self.gates = keras.layers.Dense(channels, activation="sigmoid", dtype=self.dtype_policy, name="gates")
        self.gates.build((None, units))
        self.squeeze.build(input_shape)

    def call(
        self,
        inputs: Tensor,
        segments: Tensor | None = None,
        num_slots: Any = None,
        summary: Summary | None = None,
    ) -> Tensor:
        members = SequenceReducer(inputs, segments, num_slots)
        gates = self.finish(summary or self.squeeze.summarize_members(members))
        gated = members.frames * members.spread(ops.cast(gates, members.frames.dtype))
        return ops.cast(gated, self.compute_dtype)

    def summarize(self, inputs: Tensor, segments: Tensor | None = None, num_slots: Any = None) -> Summary:
        """Sum over the frames of each row, or of each slot."""
        return self.squeeze.summarize(inputs, segments, num_slots)

    @staticmethod
    def merge(first: Summary, second: Summary) -> Summary:
        """Merge sums of one piece with those of the next, in float64."""
        return MaskedGlobalAveragePooling1D.merge(first, second)

    def finish(self, summary: Summary) -> Tensor:
        """Return the gates, `(rows[, num_slots], channels)`."""
        return self.gates(self.hidden(self.squeeze.finish(summary)))
