"""The Conformer block: attention and convolution between two halves of a feed-forward layer."""

from typing import ClassVar, Literal

from pydantic import Field

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import MOMENTUM, Built, LayerScope, RepeatedBlock
from seqconv.models.nodes import Nodes, Residual
from seqconv.parts import PositiveInt, register


@register
class ConformerBlock(RepeatedBlock):
    """Half a feed-forward layer, self-attention with relative positions, a convolution module, and the other half, each
    inside a residual connection; then a layer normalization (Gulati et al. 2020)."""

    type: Literal["conformer"]
    num_heads: PositiveInt = Field(default=4, description="Attention heads, which share the channels.")
    kernel_size: keys.KernelSize = 15
    expansion: PositiveInt = Field(default=4, description="The feed-forward layers have expansion * channels units.")
    padding: keys.KeptLength = "same"
    dropout: keys.Dropout = 0.0
    repeat: keys.Repeat = 1
    sees_all: ClassVar[bool] = True

    def layers_of_copy(self, copy: int) -> TimeGeometry:
        return (*(TimeLayer(1),) * 3, TimeLayer(self.kernel_size, padding=self.padding), *(TimeLayer(1),) * 3)

    def build_copy(self, copy: int, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedLayerNormalization, MaskedRelativeSelfAttention

        if channels % self.num_heads:
            shared = f"{self.num_heads} heads cannot share {channels} channels evenly"
            raise scope.refuse("num_heads", f"{shared}. Choose a divisor of {channels}.")
        place = scope.inside("attention")
        attention: Nodes = (
            MaskedLayerNormalization(**place.options("norm")),
            MaskedRelativeSelfAttention(self.num_heads, dropout=self.dropout, **place.options("heads")),
            *place.make_dropout(self.dropout),
        )
        nodes: Nodes = (
            Residual(self._half(channels, scope.inside("first_half"))),
            Residual(attention),
            Residual(self._convolution(channels, scope.inside("convolution"))),
            Residual(self._half(channels, scope.inside("second_half"))),
            MaskedLayerNormalization(**scope.options("norm")),
        )
        return nodes, channels

    def _half(self, channels: int, scope: LayerScope) -> Nodes:
        """Build a feed-forward layer that counts half."""
        import keras

        from seqconv.layers import MaskedLayerNormalization

        return (
            MaskedLayerNormalization(**scope.options("norm")),
            scope.make_pointwise(self.expansion * channels, part="wide"),
            *scope.make_activation("silu"),
            *scope.make_dropout(self.dropout),
            scope.make_pointwise(channels, part="narrow"),
            keras.layers.Rescaling(0.5, **scope.options("half")),
        )

    def _convolution(self, channels: int, scope: LayerScope) -> Nodes:
        """Build a gate, a depthwise convolution over time, and a pointwise one."""
        from seqconv.layers import (
            GatedLinearUnit,
            MaskedBatchNormalization,
            MaskedDepthwiseConv1D,
            MaskedLayerNormalization,
        )

        return (
            MaskedLayerNormalization(**scope.options("norm")),
            scope.make_pointwise(2 * channels, part="wide"),
            GatedLinearUnit(**scope.options("gate")),
            MaskedDepthwiseConv1D(self.kernel_size, padding=self.padding, use_bias=False, **scope.options("conv")),
            MaskedBatchNormalization(momentum=MOMENTUM, **scope.options("batch_norm")),
            *scope.make_activation("silu"),
            scope.make_pointwise(channels, part="narrow"),
            *scope.make_dropout(self.dropout),
        )
