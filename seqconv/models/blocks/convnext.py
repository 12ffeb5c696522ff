"""ConvNeXt over time."""

from typing import Literal

from pydantic import Field

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Block, Built, LayerScope
from seqconv.models.nodes import Nodes, Residual
from seqconv.parts import PositiveInt, register


@register
class ConvNeXtBlock(Block):
    """Depthwise convolution, layer normalization and an inverted bottleneck, with a shortcut (Liu et al. 2022)."""

    type: Literal["convnext"]
    kernel_size: keys.KernelSize = 7
    expansion: PositiveInt = Field(default=4, description="The bottleneck has expansion * channels units.")
    layer_scale: float | None = Field(default=1e-6, gt=0, description="First scale of the body; null: none.")
    padding: keys.KeptLength = "same"
    dropout: keys.Dropout = 0.0
    stochastic_depth: keys.StochasticDepth = 0.0
    repeat: keys.Repeat = 1

    @property
    def time_layers(self) -> TimeGeometry:
        return (TimeLayer(self.kernel_size, padding=self.padding), TimeLayer(1), TimeLayer(1)) * self.repeat

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import LayerScale, MaskedDepthwiseConv1D, MaskedLayerNormalization

        nodes: Nodes = ()
        for place in scope.copies(self.repeat):
            body: Nodes = (
                MaskedDepthwiseConv1D(self.kernel_size, padding=self.padding, **place.options("conv")),
                MaskedLayerNormalization(epsilon=1e-6, **place.options("norm")),
                place.make_pointwise(self.expansion * channels, part="wide"),
                *place.make_activation("gelu"),
                place.make_pointwise(channels, part="narrow"),
            )
            if self.layer_scale is not None:
                body += (LayerScale(self.layer_scale, **place.options("scale")),)
            body += place.make_dropout(self.dropout) + place.make_stochastic_depth(self.stochastic_depth)
            nodes += (Residual(body),)
        return nodes, channels
