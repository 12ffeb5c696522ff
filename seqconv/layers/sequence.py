"""Layers in which each frame sees its whole sequence: gates of the channels, the length, attention, recurrence."""

from typing import Any

import keras
from keras import ops

from seqconv.layers.base import MaskedLayer
from seqconv.layers.global_pooling import MaskedGlobalAveragePooling1D
from seqconv.layers.masking import Padding, Tensor, frame_mask, lowest_value, zero_padding
from seqconv.layers.reduction import SequenceLayer, SequenceReducer, Summary, at_least_single, merge_sums


class MaskedLengthChannel(SequenceLayer):
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
    merge = staticmethod(merge_sums)

    def __init__(self, reference: float = 100.0, **options: Any) -> None:
        super().__init__(**options)
        if reference <= 0:
            raise ValueError(f"reference must be above 0, got {reference}.")
        self.reference = reference

    def summarize_members(self, members: SequenceReducer) -> Summary:
        return {"count": members.count}

    def change_frames(self, members: SequenceReducer, found: Tensor) -> Tensor:
        frames = members.frames
        channel = members.spread(ops.cast(found, frames.dtype)) * ops.ones_like(frames[..., :1])
        channel = zero_padding(channel, members.segments, known=Padding.FINITE)
        return ops.concatenate([frames, channel], axis=-1)

    def finish(self, summary: Summary) -> Tensor:
        """Return the values of the channel, `(rows[, num_slots], 1)`."""
        count = ops.convert_to_tensor(summary["count"])
        return ops.log(ops.maximum(count, 1) / self.reference)

    def output_channels(self, channels: int) -> int:
        return channels + 1


class MaskedSqueezeExcite(SequenceLayer):
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
    merge = staticmethod(merge_sums)

    def __init__(self, reduction: int = 4, **options: Any) -> None:
        super().__init__(**options)
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

    def summarize_members(self, members: SequenceReducer) -> Summary:
        return self.squeeze.summarize_members(members)

    def change_frames(self, members: SequenceReducer, found: Tensor) -> Tensor:
        return members.frames * members.spread(ops.cast(found, members.frames.dtype))

    def finish(self, summary: Summary) -> Tensor:
        """Return the gates, `(rows[, num_slots], channels)`."""
        return self.gates(self.hidden(self.squeeze.finish(summary)))


class MaskedSelfAttention(MaskedLayer):
    """Multi-head self-attention (Vaswani et al. 2017) in which a frame sees the real frames of its own sequence.

    It does not use `keras.layers.MultiHeadAttention`, which (Keras 3.15 with TensorFlow) adds the wrong bias where
    heads of size 1 meet a sequence of as many frames as heads, and computes in float32 even for float64.

    It has no notion of order but the one that layers before it put into the features. Time and memory grow with the
    square of the row's width.

    Args:
        num_heads: attention heads.
        key_dim: size of a head; default: channels / num_heads.
        dropout: of the attention weights, in training.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        training: whether to drop.

    Returns:
        Features of the input's shape; 0 in padding.
    """

    chunkable = False
    padding_after = Padding.ZERO

    def __init__(self, num_heads: int = 4, *, key_dim: int | None = None, dropout: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.num_heads, self.key_dim, self.dropout = num_heads, key_dim, dropout

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = int(input_shape[-1] or 0)
        size = self.num_heads * (self.key_dim or max(1, channels // self.num_heads))
        self.query, self.key, self.value = (
            keras.layers.Dense(size, dtype=self.dtype_policy, name=name) for name in ("query", "key", "value")
        )
        self.output_projection = keras.layers.Dense(channels, dtype=self.dtype_policy, name="output")
        self.attention_dropout = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy, name="dropout")
        for layer in (self.query, self.key, self.value):
            layer.build(input_shape)
        self.output_projection.build((None, None, size))

    def call(self, inputs: Tensor, segments: Any = None, training: bool | None = None) -> Tensor:
        features = zero_padding(inputs, segments)
        query, key, value = (self._heads(layer(features)) for layer in (self.query, self.key, self.value))
        scores = at_least_single(ops.matmul(query / query.shape[-1] ** 0.5, ops.swapaxes(key, 2, 3)))
        if segments is not None:
            # Frames of padding see each other, so that no softmax is over nothing; nothing looks at them.
            sees = ops.equal(ops.expand_dims(segments, 2), ops.expand_dims(segments, 1))
            scores = ops.where(ops.expand_dims(sees, 1), scores, lowest_value(scores.dtype))
        # Keras's softmax warns about a sequence of one frame.
        weights = ops.exp(scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True)))
        weights = ops.cast(weights / ops.sum(weights, axis=-1, keepdims=True), self.compute_dtype)
        mixed = ops.swapaxes(ops.matmul(self.attention_dropout(weights, training=training), value), 1, 2)
        shape = ops.shape(mixed)
        joined = ops.reshape(mixed, (shape[0], shape[1], self.num_heads * value.shape[-1]))
        return zero_padding(self.output_projection(joined), segments)

    def _heads(self, features: Tensor) -> Tensor:
        """Return `(batch, time, heads * size)` as `(batch, heads, time, size)`."""
        shape, size = ops.shape(features), features.shape[-1] // self.num_heads
        return ops.swapaxes(ops.reshape(features, (shape[0], shape[1], self.num_heads, size)), 1, 2)


class _MaskedRecurrent(MaskedLayer):
    """A Keras recurrent layer, in one direction or both, that returns a sequence."""

    packable = False
    chunkable = False
    padding_after = Padding.ZERO
    recurrent_layer: type[keras.layers.Layer]

    def __init__(self, units: int, *, bidirectional: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.bidirectional = bidirectional
        layer = self.recurrent_layer(units, return_sequences=True, dtype=self.dtype_policy)
        self.recurrent = (
            keras.layers.Bidirectional(layer, dtype=self.dtype_policy, name="both") if bidirectional else layer
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.recurrent.build(input_shape)

    def call(self, inputs: Tensor, segments: Tensor | None = None, training: bool | None = None) -> Tensor:
        mask = None if segments is None else frame_mask(segments)
        outputs = self.recurrent(zero_padding(inputs, segments), mask=mask, training=training)
        # A new tensor: Keras attaches the mask to the tensor that its layer returns, and no hidden mask may leave.
        return zero_padding(outputs, segments)

    def output_channels(self, channels: int) -> int:
        return self.units * (2 if self.bidirectional else 1)


class MaskedLSTM(_MaskedRecurrent):
    """A (bidirectional) LSTM that returns a sequence and stops at each sequence's own end.

    Hochreiter and Schmidhuber 1997.

    Args:
        units: size of the state in each direction.
        bidirectional: also read from the end; the two outputs are concatenated.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`, one sequence a row.

    Returns:
        Features `(batch, time, units)`, or `2 * units` when bidirectional; 0 in padding.
    """

    recurrent_layer = keras.layers.LSTM


class MaskedGRU(_MaskedRecurrent):
    """A (bidirectional) GRU that returns a sequence and stops at each sequence's own end.

    Cho et al. 2014.

    Args:
        units: size of the state in each direction.
        bidirectional: also read from the end; the two outputs are concatenated.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`, one sequence a row.

    Returns:
        Features `(batch, time, units)`, or `2 * units` when bidirectional; 0 in padding.
    """

    recurrent_layer = keras.layers.GRU
