"""Self-attention within each sequence of a row."""

from typing import Any

import keras
from keras import ops

from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, lowest_value, zero_padding
from seqconv.layers.reduction import at_least_single


@keras.saving.register_keras_serializable(package="seqconv")
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
