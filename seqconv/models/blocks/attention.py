"""Self-attention."""

from typing import Literal

from pydantic import Field

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks.base import Activation, Block, Built, Dropout, LayerScope
from seqconv.models.blocks.pieces import initializer_for, make_activation, make_dropout, make_pointwise
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
    activation: Activation = Field(default="gelu", description="Function inside the feed-forward layer.")
    dropout: Dropout = 0.0

    @property
    def sees_all(self) -> bool:
        return True

    @property
    def time_layers(self) -> TimeGeometry:
        return (TimeLayer(1), TimeLayer(1)) if self.feed_forward else ()

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedLayerNormalization, MaskedSelfAttention

        if self.key_dim is None and channels % self.num_heads:
            raise scope.refuse(
                "num_heads",
                f"{self.num_heads} heads cannot share {channels} channels evenly. Choose a divisor of {channels}, or "
                "set key_dim.",
            )
        attention = MaskedSelfAttention(
            self.num_heads, key_dim=self.key_dim, dropout=self.dropout, **scope.options("attention")
        )
        norm = MaskedLayerNormalization(**scope.options("norm"))
        nodes: Nodes = (Residual((norm, attention, *make_dropout(self.dropout, scope))),)
        if self.feed_forward:
            place = scope.inside("feed_forward")
            initializer = initializer_for(self.activation)
            body: Nodes = (
                MaskedLayerNormalization(**place.options("norm")),
                make_pointwise(self.feed_forward, place, part="wide", kernel_initializer=initializer),
                *make_activation(self.activation, place),
                make_pointwise(channels, place, part="narrow"),
                *make_dropout(self.dropout, place),
            )
            nodes += (Residual(body),)
        return nodes, channels
