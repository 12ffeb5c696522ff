"""Self-attention."""

from typing import ClassVar, Literal

from pydantic import Field

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Block, Built, LayerScope, initializer_for
from seqconv.models.nodes import Nodes, Residual
from seqconv.parts import PositiveInt, register


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
