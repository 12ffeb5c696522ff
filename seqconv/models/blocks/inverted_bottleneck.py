"""Inverted bottlenecks, as in MobileNetV2."""

from typing import Literal

from pydantic import Field

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks.base import (
    REPEAT,
    STOCHASTIC_DEPTH,
    Built,
    Filters,
    FinishedBlock,
    KeptLength,
    KernelSize,
    LayerScope,
    Strides,
)
from seqconv.models.blocks.pieces import (
    initializer_for,
    make_activation,
    make_branch_end,
    make_finish,
    make_norm,
    make_pointwise,
    reading,
)
from seqconv.models.nodes import Nodes, Residual
from seqconv.parts import Fraction, PositiveInt, register


@register
class InvertedBottleneckBlock(FinishedBlock):
    """Expansion, depthwise convolution and squeeze, with a shortcut if channels and frames stay (Sandler et al.
    2018)."""

    type: Literal["inverted_bottleneck"]
    filters: Filters
    kernel_size: KernelSize = 3
    strides: Strides = 1
    expansion: PositiveInt = Field(default=4, description="The bottleneck has expansion * channels units.")
    padding: KeptLength = "same"
    squeeze_excite: PositiveInt | None = Field(default=None, description="Reduction of a squeeze-and-excite layer.")
    stochastic_depth: Fraction = STOCHASTIC_DEPTH
    repeat: PositiveInt = REPEAT

    @property
    def time_layers(self) -> TimeGeometry:
        return tuple(layer for depthwise in self._depthwise for layer in (TimeLayer(1), depthwise, TimeLayer(1)))

    @property
    def _depthwise(self) -> TimeGeometry:
        first, other = (TimeLayer(self.kernel_size, strides, padding=self.padding) for strides in (self.strides, 1))
        return (first, *[other] * (self.repeat - 1))

    def build(self, channels: int, scope: LayerScope) -> Built:
        nodes: Nodes = ()
        for layer, place in zip(self._depthwise, scope.copies(self.repeat), strict=True):
            nodes += self._build_copy(channels, layer, place)
            channels = self.filters
        return nodes, channels

    def _build_copy(self, channels: int, layer: TimeLayer, scope: LayerScope) -> Nodes:
        from seqconv.layers import MaskedDepthwiseConv1D

        wide, initializer = self.expansion * channels, initializer_for(self.activation)
        has_bias = self.norm == "none"
        expand, reduce = scope.inside("expand"), scope.inside("reduce")
        body: Nodes = (
            make_pointwise(wide, expand, use_bias=has_bias, kernel_initializer=initializer),
            *make_norm(self, wide, expand),
            *make_activation(self.activation, expand),
            MaskedDepthwiseConv1D(
                **reading(layer), use_bias=has_bias, depthwise_initializer=initializer, **scope.options("conv")
            ),
            *make_finish(self, wide, scope),
            *make_branch_end(self.squeeze_excite, 0.0, scope),
            make_pointwise(self.filters, reduce, use_bias=has_bias),
            *make_norm(self, self.filters, reduce),
        )
        if layer.stride > 1 or channels != self.filters:
            return body
        return (Residual(body + make_branch_end(None, self.stochastic_depth, scope)),)
