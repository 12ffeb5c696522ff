"""Blocks in which each frame sees its whole sequence: standardization, gates, length, recurrence and attention."""

from typing import ClassVar, Literal

from pydantic import Field

from seqconv.features.statistics import SMALLEST_DEVIATION
from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Block, Built, LayerScope, initializer_for
from seqconv.models.nodes import Nodes, Parallel, Residual
from seqconv.parts import PositiveInt, register


@register
class SqueezeExciteBlock(Block):
    """Weights of the channels from the content of the whole sequence (Hu et al. 2018)."""

    type: Literal["squeeze_excite"]
    reduction: PositiveInt = Field(default=4, description="The bottleneck has channels / reduction units.")
    sees_all: ClassVar[bool] = True

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedSqueezeExcite

        return (MaskedSqueezeExcite(self.reduction, **scope.options("squeeze_excite")),), channels


@register
class StandardizeBlock(Block):
    """Each sequence standardized by its own mean and deviation, channel by channel; put it first.

    It does for one model what `features.normalize: recording` does for a whole run. Windows and events are sequences of
    their own.
    """

    type: Literal["standardize"]
    keep_inputs: bool = Field(
        default=False, description="Also pass on the frames as they are: their level and scale stay known."
    )
    sees_all: ClassVar[bool] = True

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedSequenceStandardization

        options = {"epsilon": 0.0, "smallest_variance": SMALLEST_DEVIATION**2, **scope.options("standardization")}
        layer = MaskedSequenceStandardization(**options)
        return ((Parallel(((), (layer,))),), 2 * channels) if self.keep_inputs else ((layer,), channels)


@register
class LengthBlock(Block):
    """An additional channel with `log(frames / reference)`, as convolutions and poolings cannot see the length."""

    type: Literal["length"]
    reference: float = Field(
        default=100.0, gt=0, description="Frames for which the channel is 0; about as many as sequences have."
    )
    sees_all: ClassVar[bool] = True

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedLengthChannel

        return (MaskedLengthChannel(self.reference, **scope.options("length")),), channels + 1


@register
class RecurrentBlock(Block):
    """A recurrent layer that returns a sequence. It cannot be packed: use `batching.strategy: bucketed`."""

    type: Literal["lstm", "gru"]
    units: PositiveInt = Field(description="Size of the state in each direction.")
    bidirectional: bool = Field(default=False, description="Also read from the end; twice as many channels come out.")
    dropout: keys.Dropout = 0.0
    packable: ClassVar[bool] = False
    sees_all: ClassVar[bool] = True

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedGRU, MaskedLSTM

        layer = MaskedLSTM if self.type == "lstm" else MaskedGRU
        recurrent = layer(self.units, bidirectional=self.bidirectional, **scope.options(self.type))
        return (recurrent, *scope.make_dropout(self.dropout)), self.units * (2 if self.bidirectional else 1)


@register
class AttentionBlock(Block):
    """Self-attention within each sequence, after a layer normalization and inside a residual connection."""

    type: Literal["attention"]
    num_heads: PositiveInt = Field(default=4, description="Attention heads, which share the channels.")
    key_dim: PositiveInt | None = Field(default=None, description="Size of a head; default: channels / num_heads.")
    feed_forward: PositiveInt | None = Field(
        default=None, description="Units of a residual feed-forward layer after the attention; default: none."
    )
    activation: keys.Activation = Field(default="gelu", description="Function inside the feed-forward layer.")
    dropout: keys.Dropout = 0.0
    sees_all: ClassVar[bool] = True

    @property
    def time_layers(self) -> TimeGeometry:
        return (TimeLayer(1), TimeLayer(1)) if self.feed_forward else ()

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedLayerNormalization, MaskedSelfAttention

        if self.key_dim is None and channels % self.num_heads:
            shared = f"{self.num_heads} heads cannot share {channels} channels evenly"
            raise scope.refuse("num_heads", f"{shared}. Choose a divisor of {channels}, or set key_dim.")
        attention = MaskedSelfAttention(
            self.num_heads, key_dim=self.key_dim, dropout=self.dropout, **scope.options("attention")
        )
        norm = MaskedLayerNormalization(**scope.options("norm"))
        nodes: Nodes = (Residual((norm, attention, *scope.make_dropout(self.dropout))),)
        if self.feed_forward:
            place = scope.inside("feed_forward")
            initializer = initializer_for(self.activation)
            body: Nodes = (
                MaskedLayerNormalization(**place.options("norm")),
                place.make_pointwise(self.feed_forward, part="wide", kernel_initializer=initializer),
                *place.make_activation(self.activation),
                place.make_pointwise(channels, part="narrow"),
                *place.make_dropout(self.dropout),
            )
            nodes += (Residual(body),)
        return nodes, channels
