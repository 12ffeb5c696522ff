"""Normalization with the statistics of each frame, or of each sequence."""

from typing import Any

import keras
from keras import ops

from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, zero_padding
from seqconv.layers.reduction import SequenceReducer, Summary, at_least_single, merge_moments, moments


class _ScaledNormalization(MaskedLayer):
    """The learned scale and offset of each channel, kept in float32 under mixed precision."""

    padding_after = Padding.FINITE

    def __init__(self, *, epsilon: float, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (input_shape[-1],)
        # Float32 even where this layer is called by itself, and Keras would cast what it holds.
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones", autocast=False)
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros", autocast=False)

    def _scale(self, normalized: Tensor) -> Tensor:
        return ops.cast(normalized * self.gamma + self.beta, self.compute_dtype)


@keras.saving.register_keras_serializable(package="seqconv")
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

    def __init__(self, *, epsilon: float = 1e-3, **options: Any) -> None:
        super().__init__(epsilon=epsilon, **options)

    def call(self, inputs: Tensor, segments: Tensor | None = None) -> Tensor:
        features = at_least_single(zero_padding(inputs, segments))
        deviations = features - ops.mean(features, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(deviations), axis=-1, keepdims=True)
        return self._scale(deviations * ops.rsqrt(variance + self.epsilon))


@keras.saving.register_keras_serializable(package="seqconv")
class MaskedGroupNormalization(_ScaledNormalization):
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

    per_sequence = True
    takes_slots = True

    def __init__(self, groups: int = 8, *, epsilon: float = 1e-3, **options: Any) -> None:
        super().__init__(epsilon=epsilon, **options)
        if groups < 1 and groups != -1:
            raise ValueError(f"groups must be at least 1, or -1 for one a channel, got {groups}.")
        self.groups = groups

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = int(input_shape[-1] or 0)
        if self.groups > 0 and channels % self.groups:
            raise ValueError(f"{channels} channels cannot be divided into {self.groups} groups.")
        super().build(input_shape)

    def call(
        self,
        inputs: Tensor,
        segments: Tensor | None = None,
        num_slots: Any = None,
        summary: Summary | None = None,
    ) -> Tensor:
        members = SequenceReducer(inputs, segments, num_slots)
        summary = summary or self._summarize(members)
        mean, scale = (ops.cast(each, members.frames.dtype) for each in self.finish(summary))
        return self._scale((members.frames - members.spread(mean)) * members.spread(scale))

    def summarize(self, inputs: Tensor, segments: Tensor | None = None, num_slots: Any = None) -> Summary:
        """Return moments of each channel over the frames of each row, or of each slot."""
        return self._summarize(SequenceReducer(inputs, segments, num_slots))

    def _summarize(self, members: SequenceReducer) -> Summary:
        return moments(members, members.frames)

    @staticmethod
    def merge(first: Summary, second: Summary) -> Summary:
        """Merge moments of one piece with those of the next, in float64."""
        return merge_moments(first, second)

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
