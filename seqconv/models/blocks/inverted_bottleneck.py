"""Inverted bottlenecks, as in ConvNeXt and in MobileNetV2."""

from typing import Literal

from pydantic import Field

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Built, FinishedBlock, LayerScope, RepeatedBlock, reading
from seqconv.models.nodes import Nodes, Residual
from seqconv.parts import PositiveInt, register


@register
class ConvNeXtBlock(RepeatedBlock):
    """Depthwise convolution, layer normalization and an inverted bottleneck, with a shortcut (Liu et al. 2022)."""

    type: Literal["convnext"]
    kernel_size: keys.KernelSize = 7
    expansion: PositiveInt = Field(default=4, description="The bottleneck has expansion * channels units.")
    layer_scale: float | None = Field(default=1e-6, gt=0, description="First scale of the body; null: none.")
    padding: keys.KeptLength = "same"
    dropout: keys.Dropout = 0.0
    stochastic_depth: keys.StochasticDepth = 0.0
    repeat: keys.Repeat = 1

    def layers_of_copy(self, copy: int) -> TimeGeometry:
        return (TimeLayer(self.kernel_size, padding=self.padding), TimeLayer(1), TimeLayer(1))

    def build_copy(self, copy: int, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import LayerScale, MaskedDepthwiseConv1D, MaskedLayerNormalization

        body: Nodes = (
            MaskedDepthwiseConv1D(self.kernel_size, padding=self.padding, **scope.options("conv")),
            MaskedLayerNormalization(epsilon=1e-6, **scope.options("norm")),
            scope.make_pointwise(self.expansion * channels, part="wide"),
            *scope.make_activation("gelu"),
            scope.make_pointwise(channels, part="narrow"),
        )
        if self.layer_scale is not None:
            body += (LayerScale(self.layer_scale, **scope.options("scale")),)
        body += scope.make_dropout(self.dropout) + scope.make_stochastic_depth(self.stochastic_depth)
        return (Residual(body),), channels


@register
class InvertedBottleneckBlock(FinishedBlock, RepeatedBlock):
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

    def layers_of_copy(self, copy: int) -> TimeGeometry:
        strides = self.strides if copy == 0 else 1
        return (TimeLayer(1), TimeLayer(self.kernel_size, strides, padding=self.padding), TimeLayer(1))

    def build_copy(self, copy: int, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedDepthwiseConv1D

        _, layer, _ = self.layers_of_copy(copy)
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
            return body, self.filters
        return (Residual(body + scope.make_stochastic_depth(self.stochastic_depth)),), self.filters
