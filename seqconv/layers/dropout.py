"""Dropout of whole channels, or of whole branches, for each sequence."""

from typing import Any

import keras
from keras import ops

from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, zero_padding
from seqconv.layers.reduction import SequenceReducer


class _SequenceDropout(MaskedLayer):
    """Noise that is drawn once a sequence, and is the same at each of its frames."""

    takes_slots = True
    # Whether each channel is drawn by itself, or one number for all of them.
    draws_channels: bool

    def __init__(self, rate: float, *, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        if not 0 <= rate < 1:
            raise ValueError(f"rate must be at least 0 and below 1, got {rate}.")
        self.rate, self.seed = rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(
        self, inputs: Tensor, segments: Tensor | None = None, num_slots: Any = None, training: bool | None = None
    ) -> Tensor:
        if not training or not self.rate:
            return inputs
        members = SequenceReducer(inputs, segments, num_slots)
        slots = () if num_slots is None else (num_slots,)
        channels = inputs.shape[-1] if self.draws_channels else 1
        kept = ops.ones((ops.shape(inputs)[0], *slots, channels), dtype=members.frames.dtype)
        kept = keras.random.dropout(kept, self.rate, seed=self.seed_generator)
        return ops.cast(members.frames * members.spread(kept), self.compute_dtype)


class MaskedSpatialDropout1D(_SequenceDropout):
    """Dropout of whole channels of a sequence in training (Tompson et al. 2015), separately for each sequence of a row.

    Args:
        rate: part of the channels to drop; the others are scaled by `1 / (1 - rate)`.
        seed: of the noise.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences; without it, each row is one sequence.
        training: whether to drop.
    """

    draws_channels = True


class MaskedSpatialDropout2D(MaskedSpatialDropout1D):
    """Dropout of whole channels of a sequence, in all its frames and bands, as `MaskedSpatialDropout1D` drops them.

    Args:
        rate: part of the channels to drop; the others are scaled by `1 / (1 - rate)`.
        seed: of the noise.

    Call arguments:
        inputs: `(batch, time, bands, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences; without it, each row is one sequence.
        training: whether to drop.
    """

    takes_bands = True


class StochasticDepth(_SequenceDropout):
    """Dropout of a residual branch for a part of the sequences in training (Huang et al. 2016).

    Args:
        rate: part of the sequences; for the others the branch is scaled by `1 / (1 - rate)`.
        seed: of the noise.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences; without it, each row is one sequence.
        training: whether to drop.
    """

    draws_channels = False


class LayerScale(MaskedLayer):
    """A learned factor for each channel of a residual branch (Touvron et al. 2021).

    Args:
        initial: its first value.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
    """

    padding_after = Padding.ZERO

    def __init__(self, initial: float = 1e-6, **options: Any) -> None:
        super().__init__(**options)
        self.initial = initial

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        initializer = keras.initializers.Constant(self.initial)
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer=initializer)

    def call(self, inputs: Tensor, segments: Tensor | None = None) -> Tensor:
        # The gradient of the factors sums over frames, where 0 * NaN of padding is NaN.
        return zero_padding(inputs, segments) * self.gamma
