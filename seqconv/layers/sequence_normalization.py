"""Normalization with the statistics of each frame, or of each sequence."""

from typing import Any

import keras
from keras import ops

from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, zero_padding
from seqconv.layers.reduction import SequenceLayer, SequenceReducer, Summary, at_least_single, merge_moments


class _ScaledNormalization(MaskedLayer):
    """The learned scale and offset of each channel, kept in float32 under mixed precision."""

    padding_after = Padding.FINITE

    def __init__(self, *, epsilon: float = 1e-3, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (input_shape[-1],)
        # Float32 even where this layer is called by itself, and Keras would cast what it holds.
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones", autocast=False)
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros", autocast=False)

    def _scale(self, normalized: Tensor) -> Tensor:
        return ops.cast(normalized * self.gamma + self.beta, self.compute_dtype)


class MaskedLayerNormalization(_ScaledNormalization):
    """Normalization of each frame over its channels (Ba et al. 2016); no frame looks at another.

    Args:
        epsilon: added to the variance.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.

    Returns:
        Features of the input's shape; those in padding are finite and meaningless.
    """

    def call(self, inputs: Tensor, segments: Tensor | None = None) -> Tensor:
        features = at_least_single(zero_padding(inputs, segments))
        deviations = features - ops.mean(features, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(deviations), axis=-1, keepdims=True)
        return self._scale(deviations * ops.rsqrt(variance + self.epsilon))


class MaskedGroupNormalization(_ScaledNormalization, SequenceLayer):
    """Normalization over the real frames of each sequence and a group of channels (Wu and He 2018).

    Args:
        groups: of channels; -1 for one a channel, which is instance normalization (Ulyanov et al. 2016).
        epsilon: added to the variance, so that a sequence of one frame has an answer.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences; without it, each row is one sequence.
        summary: statistics of the whole sequences, where `inputs` are a piece of them: what `summarize` returned.

    Returns:
        Features of the input's shape; those in padding are finite and meaningless.
    """

    merge = staticmethod(merge_moments)

    def __init__(self, groups: int = 8, **options: Any) -> None:
        super().__init__(**options)
        if groups < 1 and groups != -1:
            raise ValueError(f"groups must be at least 1, or -1 for one a channel, got {groups}.")
        self.groups = groups

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = int(input_shape[-1] or 0)
        if self.groups > 0 and channels % self.groups:
            raise ValueError(f"{channels} channels cannot be divided into {self.groups} groups.")
        super().build(input_shape)

    def summarize_members(self, members: SequenceReducer) -> Summary:
        return members.moments()

    def change_frames(self, members: SequenceReducer, found: tuple[Tensor, Tensor]) -> Tensor:
        mean, scale = (members.spread(ops.cast(each, members.frames.dtype)) for each in found)
        return self._scale((members.frames - mean) * scale)

    def finish(self, summary: Summary) -> tuple[Tensor, Tensor]:
        """Return mean and inverse deviation of the group of each channel, `(rows[, num_slots], channels)`."""
        count, mean, squares = (ops.convert_to_tensor(summary[name]) for name in ("count", "mean", "squares"))
        variance = squares / ops.maximum(count, 1)
        if self.groups > 0:
            group_mean = self._over_group(mean)
            variance = self._over_group(variance + ops.square(mean - group_mean))
            mean = group_mean
        return mean, ops.rsqrt(variance + self.epsilon)

    def _over_group(self, values: Tensor) -> Tensor:
        """Return the mean over the channels of a group, for each of its channels."""
        shape = ops.shape(values)
        size = values.shape[-1] // self.groups
        means = ops.mean(ops.reshape(values, (*shape[:-1], self.groups, size)), axis=-1)
        return ops.repeat(means, size, axis=-1)


class MaskedSequenceStandardization(SequenceLayer):
    """Standardization of each channel by mean and deviation of its own sequence; nothing is learned.

    Deviations are taken from the first frame, so that a constant channel gives zeros in every layout, not the rounding
    of its mean.

    Args:
        epsilon: added to the variance. Standardized features with a deviation far below its root stay small.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences; without it, each row is one sequence.
        summary: statistics of the whole sequences, where `inputs` are a piece of them: what `summarize` returned.

    Returns:
        Features of the input's shape; those in padding are finite and meaningless.
    """

    padding_after = Padding.FINITE
    merge = staticmethod(merge_moments)

    def __init__(self, *, epsilon: float = 1e-8, **options: Any) -> None:
        super().__init__(**options)
        self.epsilon = epsilon

    def summarize_members(self, members: SequenceReducer) -> Summary:
        # Sums in another order, as other layouts have them, round alike to float32 afterwards. JAX has no float64.
        if keras.backend.backend() != "jax":
            frames = ops.cast(members.frames, "float64")
            members = SequenceReducer(frames, members.segments, members.num_slots, Padding.ZERO)
        first = members.first(members.frames)
        mean = first + members.total(members.frames - members.spread(first)) / ops.maximum(members.count, 1)
        squares = members.total(ops.square(members.frames - members.spread(mean)))
        return {"count": members.count, "mean": mean, "squares": squares}

    def finish(self, summary: Summary) -> tuple[Tensor, Tensor]:
        """Return mean and inverse deviation, `(rows[, num_slots], channels)`."""
        count, mean, squares = (ops.convert_to_tensor(summary[name]) for name in ("count", "mean", "squares"))
        return mean, ops.rsqrt(squares / ops.maximum(count, 1) + self.epsilon)

    def change_frames(self, members: SequenceReducer, found: tuple[Tensor, Tensor]) -> Tensor:
        mean, scale = (members.spread(ops.cast(each, members.frames.dtype)) for each in found)
        return (members.frames - mean) * scale
