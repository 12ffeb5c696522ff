"""Self-attention within each sequence of a row."""

from typing import Any

import keras
from keras import ops

from seqconv.layers.masking import Tensor, zero_padding


@keras.saving.register_keras_serializable(package="seqconv")
class MaskedSelfAttention(keras.layers.Layer):  # type: ignore[misc]
    """Multi-head self-attention (Vaswani et al. 2017) in which a frame sees the real frames of its own sequence.

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

    packable = True
    chunkable = False

    def __init__(self, num_heads: int = 4, *, key_dim: int | None = None, dropout: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.num_heads, self.key_dim, self.dropout = num_heads, key_dim, dropout

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = int(input_shape[-1] or 0)
        self.attention = keras.layers.MultiHeadAttention(
            self.num_heads,
            self.key_dim or max(1, channels // self.num_heads),
            dropout=self.dropout,
            dtype=self.dtype_policy,
            name="attention",
        )
        self.attention.build(input_shape, input_shape)
        self.built = True

    def call(self, inputs: Tensor, segments: Tensor | None = None, training: bool | None = None) -> Tensor:
        features = zero_padding(inputs, segments)
        mask = None
        if segments is not None:
            first, second = ops.expand_dims(segments, 2), ops.expand_dims(segments, 1)
            # Frames of padding see each other, so that no softmax is over nothing; nothing looks at them.
            mask = ops.equal(first, second)
        outputs = self.attention(features, features, attention_mask=mask, training=training)
        return zero_padding(outputs, segments)

    def compute_output_spec(
        self, inputs: Tensor, segments: Tensor | None = None, training: bool | None = None
    ) -> Tensor:
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "dropout": self.dropout,
        }
