"""The length of the sequence as an input for the layers that follow."""

from typing import Any

import keras
from keras import ops

from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, zero_padding
from seqconv.layers.reduction import SequenceReducer, Summary, as_double


@keras.saving.register_keras_serializable(package="seqconv")
class MaskedLengthChannel(MaskedLayer):
    """An additional channel with `log(frames / reference)`, the same at all frames of a sequence.

    Convolutions and poolings over time cannot tell how long a sequence is: a mean divides by the frames.

    Args:
        reference: frames for which the channel is 0; about as many as the sequences have.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences; without it, each row is one sequence.
        summary: statistics of the whole sequences, where `inputs` are a piece of them: what `summarize` returned.

    Returns:
        `(batch, time, channels + 1)`; 0 in padding.
    """

    padding_after = Padding.ZERO
    per_sequence = True
    takes_slots = True

    def __init__(self, reference: float = 100.0, **options: Any) -> None:
        # A given summary must not be cast to half precision, which cannot count beyond 65,504 frames.
        super().__init__(autocast=False, **options)
        if reference <= 0:
            raise ValueError(f"reference must be above 0, got {reference}.")
        self.reference = reference

    def call(
        self,
        inputs: Tensor,
        segments: Tensor | None = None,
        num_slots: Any = None,
        summary: Summary | None = None,
    ) -> Tensor:
        members = SequenceReducer(inputs, segments, num_slots)
        frames = members.frames
        values = ops.cast(self.finish(summary or {"count": members.count}), frames.dtype)
        channel = members.spread(values) * ops.ones_like(frames[..., :1])
        channel = zero_padding(channel, members.segments, known=Padding.FINITE)
        return ops.cast(ops.concatenate([frames, channel], axis=-1), self.compute_dtype)

    def summarize(self, inputs: Tensor, segments: Tensor | None = None, num_slots: Any = None) -> Summary:
        """Count the frames of each row, or of each slot."""
        return {"count": SequenceReducer(inputs, segments, num_slots).count}

    @staticmethod
    def merge(first: Summary, second: Summary) -> Summary:
        """Add the frames of two pieces."""
        return {"count": as_double(first["count"]) + as_double(second["count"])}

    def finish(self, summary: Summary) -> Tensor:
        """Return the values of the channel, `(rows[, num_slots], 1)`."""
        count = ops.convert_to_tensor(summary["count"])
        return ops.log(ops.maximum(count, 1) / self.reference)

    def output_channels(self, channels: int) -> int:
        return channels + 1
