"""A gate on half of the channels, from the other half."""

from keras import ops

from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, zero_padding


class GatedLinearUnit(MaskedLayer):
    """Half of the channels, each times a gate between 0 and 1 from the other half (Dauphin et al. 2017).

    Call arguments:
        inputs: `(batch, time, 2 * channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.

    Returns:
        `(batch, time, channels)`; 0 in padding.
    """

    padding_after = Padding.ZERO

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if int(input_shape[-1] or 0) % 2:
            raise ValueError(f"{input_shape[-1]} channels have no two halves.")

    def call(self, inputs: Tensor, segments: Tensor | None = None) -> Tensor:
        values, gates = ops.split(zero_padding(inputs, segments), 2, axis=-1)
        return values * ops.sigmoid(gates)

    def output_channels(self, channels: int) -> int:
        return channels // 2
