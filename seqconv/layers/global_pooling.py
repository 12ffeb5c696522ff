"""Global pooling: from any number of frames to one vector per sequence.

Each pooling is three steps: `summarize` the frames into statistics, `merge` the statistics of pieces, `finish` them
into a vector. A batch is summarized whole; a recording of hours is summarized piece by piece, with the same answer.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from seqconv.errors import ModelError
from seqconv.layers import shares as sharing
from seqconv.layers.masking import Padding, Tensor, is_mask
from seqconv.layers.reduction import SequenceReducer, SummarizingLayer, Summary, as_double, merge_moments, merge_sums
from seqconv.layers.shares import EPSILON, Array, Mask, Shares


class GlobalPooling1D(SummarizingLayer):
    """Base of the global poolings: one vector a row, or one a slot if rows have several sequences."""

    takes_known = True
    values_per_channel = 1
    # Whether what comes in can be learned by what goes out.
    has_gradient = True

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Summarized in a pass of its own, if frames are scored by the whole sequence. No attribute of the class: on
        # PyTorch that would hide the layer.
        self.context: GlobalPooling1D | None = None

    @property
    def is_adapted(self) -> bool:
        """Whether the layer has what it takes from the training frames; most take nothing."""
        return True

    def adapt(self, frames: np.ndarray) -> None:
        """Take numbers from frames `(n, channels)` of the training sequences, before the first step."""

    def call(
        self, inputs: Tensor, segments: Tensor | None = None, num_slots: Any = None, known: Padding = Padding.ANY
    ) -> Tensor:
        return self.finish(self.summarize_members(SequenceReducer(inputs, segments, num_slots, known)))

    def finish(self, summary: Summary) -> Tensor:
        """Return the pooled vectors, `(rows, channels)` or `(rows, num_slots, channels)`."""
        summary = {name: ops.convert_to_tensor(value) for name, value in summary.items()}
        pooled = ops.where(summary["count"] > 0, self.pool(summary), 0)
        return ops.cast(pooled, self.compute_dtype)

    def pool(self, summary: Summary) -> Tensor:
        raise NotImplementedError

    def shares(self, frames: Array, is_real: Mask) -> Shares:
        """Say how much of the pooled vector of one sequence each frame `(time, channels)` brought.

        Raises:
            ModelError: the pooling does not say it.
        """
        raise ModelError(
            f"'{self.name}' is a {type(self).__name__}, of which nobody has said what a frame contributes."
        )

    def compute_output_spec(
        self, inputs: Tensor, segments: Tensor | None = None, num_slots: Any = None, **_: Any
    ) -> Tensor:
        if num_slots is not None and (segments is None or is_mask(segments)):
            SequenceReducer(inputs, segments, num_slots)
        slots = () if num_slots is None else (num_slots if isinstance(num_slots, int) else None,)
        channels = inputs.shape[-1] * self.values_per_channel
        return keras.KerasTensor((inputs.shape[0], *slots, channels), dtype=self.compute_dtype)


class MaskedGlobalAveragePooling1D(GlobalPooling1D):
    """The mean over the real frames of each sequence.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(batch, channels)`, or `(batch, num_slots, channels)` when `num_slots` is given; 0 for an empty slot.
    """

    merge = staticmethod(merge_sums)

    def summarize_members(self, members: SequenceReducer) -> Summary:
        return {"count": members.count, "total": members.total(members.frames)}

    def pool(self, summary: Summary) -> Tensor:
        return summary["total"] / ops.maximum(summary["count"], 1)

    def shares(self, frames: Array, is_real: Mask) -> Shares:
        return sharing.shares_in_mean(frames, is_real)


class MaskedGlobalMaxPooling1D(GlobalPooling1D):
    """The largest value over the real frames of each sequence.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(batch, channels)`, or `(batch, num_slots, channels)` when `num_slots` is given; 0 for an empty slot.
    """

    def summarize_members(self, members: SequenceReducer) -> Summary:
        return {"count": members.count, "largest": members.largest(members.frames)}

    @staticmethod
    def merge(first: Summary, second: Summary) -> Summary:
        largest = np.maximum(as_double(first["largest"]), as_double(second["largest"]))
        return {**merge_sums(first, second), "largest": largest}

    def pool(self, summary: Summary) -> Tensor:
        return summary["largest"]

    def shares(self, frames: Array, is_real: Mask) -> Shares:
        return sharing.shares_in_maximum(frames)


class MaskedLastFrame1D(GlobalPooling1D):
    """The last real frame of each sequence.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(batch, channels)`, or `(batch, num_slots, channels)` when `num_slots` is given; 0 for an empty slot.
    """

    def summarize_members(self, members: SequenceReducer) -> Summary:
        frames = members.frames
        # Frames are numbered from 1, so that an empty sequence, whose frames are all 0 here, has no last one.
        numbers = ops.cumsum(ops.ones_like(frames[..., :1]), axis=1)
        last = members.spread(ops.maximum(members.largest(numbers), 0))
        return {"count": members.count, "last": members.total(ops.where(ops.equal(numbers, last), frames, 0))}

    @staticmethod
    def merge(first: Summary, second: Summary) -> Summary:
        last = np.where(as_double(second["count"]) > 0, as_double(second["last"]), as_double(first["last"]))
        return {**merge_sums(first, second), "last": last}

    def pool(self, summary: Summary) -> Tensor:
        return summary["last"]

    def shares(self, frames: Array, is_real: Mask) -> Shares:
        return sharing.shares_in_sum(np.where(np.arange(len(frames))[:, None] == len(frames) - 1, frames, 0))


class MaskedStatisticsPooling1D(GlobalPooling1D):
    """Mean and standard deviation over the real frames of each sequence, as in x-vectors (Snyder et al. 2018).

    The deviation is `sqrt(variance + 1e-5)`, which has a gradient for a single frame too.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(batch, 2 * channels)`, or `(batch, num_slots, 2 * channels)` when `num_slots` is given; 0 for an empty slot.
    """

    values_per_channel = 2
    merge = staticmethod(merge_moments)

    def summarize_members(self, members: SequenceReducer) -> Summary:
        return members.moments()

    def pool(self, summary: Summary) -> Tensor:
        variance = summary["squares"] / ops.maximum(summary["count"], 1)
        return ops.concatenate([summary["mean"], ops.sqrt(variance + EPSILON)], axis=-1)

    def shares(self, frames: Array, is_real: Mask) -> Shares:
        return sharing.shares_in_moments(frames, np.full((len(frames), 1), 1 / len(frames)))
