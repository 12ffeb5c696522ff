"""Masked recurrent layers. Their state runs along the row, so a row can have one sequence only."""

from typing import Any

import keras

from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, frame_mask, zero_padding


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
        # A new tensor: Keras hangs the mask on the one that its layer returns, and no hidden mask may leave.
        return zero_padding(outputs, segments)

    def output_channels(self, channels: int) -> int:
        return self.units * (2 if self.bidirectional else 1)


@keras.saving.register_keras_serializable(package="seqconv")
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


@keras.saving.register_keras_serializable(package="seqconv")
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
