"""ConvNeXt over time."""

from typing import Literal

from pydantic import Field

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks.base import STOCHASTIC_DEPTH, Block, Built, Dropout, KeptLength, KernelSize, LayerScope
from seqconv.models.blocks.pieces import make_activation, make_branch_end, make_dropout, make_pointwise
from seqconv.models.nodes import Nodes, Residual
from seqconv.parts import Fraction, PositiveInt, register


@register
class ConvNeXtBlock(Block):
    """Depthwise convolution, layer normalization and an inverted bottleneck, with a shortcut (Liu et al. 2022)."""

    type: Literal["convnext"]
    kernel_size: KernelSize = 7
    expansion: PositiveInt = Field(default=4, description="The bottleneck has expansion * channels units.")
    layer_scale: float | None = Field(default=1e-6, gt=0, description="First scale of the body; null: none.")
    padding: KeptLength = "same"
    dropout: Dropout = 0.0
    stochastic_depth: Fraction = STOCHASTIC_DEPTH
    repeat: PositiveInt = Field(default=1, description="Copies of this block.")

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
                make_pointwise(self.expansion * channels, place, part="wide"),
                *make_activation("gelu", place),
                make_pointwise(channels, place, part="narrow"),
            )
            if self.layer_scale is not None:
                body += (LayerScale(self.layer_scale, **place.options("scale")),)
            body += make_dropout(self.dropout, place) + make_branch_end(None, self.stochastic_depth, place)
            nodes += (Residual(body),)
        return nodes, channels
