"""Inverted bottlenecks, as in MobileNetV2."""

from typing import Literal

from pydantic import Field

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Built, FinishedBlock, LayerScope, reading
from seqconv.models.nodes import Nodes, Residual
from seqconv.parts import PositiveInt, register


@register
class InvertedBottleneckBlock(FinishedBlock):
    """Expansion, depthwise convolution and squeeze, with a shortcut if channels and frames stay (Sandler et al.
    2018)."""

    type: Literal["inverted_bottleneck"]
    filters: keys.Filters
    kernel_size: keys.KernelSize = 3
    strides: keys.Strides = 1
    expansion: PositiveInt = Field(default=4, description="The bottleneck has expansion * channels units.")
    padding: keys.KeptLength = "same"
    squeeze_excite: keys.SqueezeExcite = None
    stochastic_depth: keys.StochasticDepth = 0.0
    repeat: keys.StridedRepeat = 1

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

        wide, initializer, has_bias = self.expansion * channels, self.initializer, self.has_bias
        expand, reduce = scope.inside("expand"), scope.inside("reduce")
        body: Nodes = (
            expand.make_pointwise(wide, use_bias=has_bias, kernel_initializer=initializer),
            *self.make_norm(wide, expand),
            *self.make_activation(expand),
            MaskedDepthwiseConv1D(
                **reading(layer), use_bias=has_bias, depthwise_initializer=initializer, **scope.options("conv")
            ),
            *self.make_finish(wide, scope),
            *scope.make_squeeze_excite(self.squeeze_excite),
            reduce.make_pointwise(self.filters, use_bias=has_bias),
            *self.make_norm(self.filters, reduce),
        )
        if layer.stride > 1 or channels != self.filters:
            return body
        return (Residual(body + scope.make_stochastic_depth(self.stochastic_depth)),)
