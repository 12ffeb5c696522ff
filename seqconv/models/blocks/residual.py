"""Convolutions with a shortcut around them: residual blocks and temporal convolutional networks."""

from typing import Any, Literal

from pydantic import Field

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Built, FinishedBlock, LayerScope, RepeatedBlock, reading
from seqconv.models.nodes import Node, Nodes, Residual
from seqconv.parts import PositiveInt, register


@register
class ResidualBlock(FinishedBlock, RepeatedBlock):
    """Convolutions with a shortcut around them (He et al. 2016).

    With `separable: true` and `shortcut: conv` it is the block of QuartzNet and MatchboxNet (Majumdar and Ginsburg
    2020).
    """

    type: Literal["residual"]
    filters: keys.Filters
    kernel_sizes: keys.KernelSizes = Field(default=(3, 3), description="One convolution in the body for each.")
    strides: keys.Strides = 1
    dilation_rate: keys.Dilation = 1
    padding: keys.KeptLength = "same"
    separable: bool = Field(default=False, description="Separable convolutions in the body.")
    pre_activation: bool = Field(default=False, description="Normalize and activate before each convolution.")
    shortcut: Literal["auto", "conv"] = Field(
        default="auto", description="auto: a pointwise convolution only where channels or frames change."
    )
    squeeze_excite: keys.SqueezeExcite = None
    stochastic_depth: keys.StochasticDepth = 0.0
    repeat: keys.StridedRepeat = 1

    def layers_of_copy(self, copy: int) -> TimeGeometry:
        return tuple(
            TimeLayer(kernel_size, self.strides if copy == index == 0 else 1, self.dilation_rate, self.padding)
            for index, kernel_size in enumerate(self.kernel_sizes)
        )

    def build_copy(self, copy: int, channels: int, scope: LayerScope) -> Built:
        layers, inputs = self.layers_of_copy(copy), channels
        body: Nodes = ()
        for index, layer in enumerate(layers):
            place = scope.inside(f"body{index}")
            convolution = self._convolve(layer, place)
            if self.pre_activation:
                body += (*self.make_norm(inputs, place), *self.make_activation(place), convolution)
                body += self.make_dropouts(place)
            elif index < len(layers) - 1:
                body += (convolution, *self.make_finish(self.filters, place))
            else:
                body += (convolution, *self.make_norm(self.filters, place))
            inputs = self.filters
        body += scope.make_squeeze_excite(self.squeeze_excite)
        body += scope.make_stochastic_depth(self.stochastic_depth)
        nodes: Nodes = (Residual(body, self._build_shortcut(channels, layers[0].stride, scope.inside("shortcut"))),)
        if not self.pre_activation:
            nodes += self.make_activation(scope) + self.make_dropouts(scope)
        return nodes, self.filters

    def _convolve(self, layer: TimeLayer, scope: LayerScope) -> Node:
        from seqconv.layers import MaskedSeparableConv1D

        # Normalized afterwards, where the offset of the normalization takes its place.
        use_bias, initializer = self.has_bias or self.pre_activation, self.initializer
        if not self.separable:
            return scope.make_convolution(self.filters, layer, use_bias=use_bias, kernel_initializer=initializer)
        options = {**reading(layer), "use_bias": use_bias, **scope.options("conv")}
        options |= {"depthwise_initializer": initializer, "pointwise_initializer": initializer}
        return MaskedSeparableConv1D(self.filters, **options)

    def _build_shortcut(self, channels: int, strides: int, scope: LayerScope) -> Nodes:
        if channels == self.filters and strides == 1 and self.shortcut == "auto":
            return ()
        use_bias = self.pre_activation or self.has_bias
        convolution = scope.make_pointwise(self.filters, strides=strides, use_bias=use_bias)
        return (convolution,) if self.pre_activation else (convolution, *self.make_norm(self.filters, scope))


@register
class TCNBlock(FinishedBlock):
    """A temporal convolutional network: residual pairs of dilated convolutions (Bai et al. 2018), here normalized as
    `norm` says instead of by their weights."""

    type: Literal["tcn"]
    filters: keys.Filters
    kernel_size: keys.KernelSize = 3
    dilations: tuple[PositiveInt, ...] = Field(
        default=(1, 2, 4, 8), min_length=1, description="One residual pair of convolutions for each."
    )
    padding: keys.KeptLength = Field(default="causal", description="causal: no output looks ahead.")
    stochastic_depth: keys.StochasticDepth = 0.0

    @property
    def time_layers(self) -> TimeGeometry:
        return tuple(layer for dilation in self.dilations for layer in self._pair(dilation))

    def build(self, channels: int, scope: LayerScope) -> Built:
        nodes: Nodes = ()
        for index, dilation in enumerate(self.dilations):
            place = scope.inside(str(index))
            body: Nodes = ()
            for half, layer in enumerate(self._pair(dilation)):
                inner = place.inside(f"body{half}")
                options: dict[str, Any] = {"use_bias": self.has_bias, "kernel_initializer": self.initializer}
                convolution = inner.make_convolution(self.filters, layer, **options)
                body += (convolution, *self.make_finish(self.filters, inner))
            keeps = channels == self.filters
            shortcut = () if keeps else (place.inside("shortcut").make_pointwise(self.filters),)
            body += place.make_stochastic_depth(self.stochastic_depth)
            nodes += (Residual(body, shortcut), *self.make_activation(place))
            channels = self.filters
        return nodes, channels

    def _pair(self, dilation: int) -> TimeGeometry:
        return (TimeLayer(self.kernel_size, 1, dilation, self.padding),) * 2
