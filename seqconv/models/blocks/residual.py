"""Convolutions with a shortcut around them: residual blocks and temporal convolutional networks."""

from typing import Any, Literal

from pydantic import Field, model_validator

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks.base import (
    REPEAT,
    STOCHASTIC_DEPTH,
    Built,
    Dilation,
    Filters,
    FinishedBlock,
    KeptLength,
    KernelSize,
    KernelSizes,
    LayerScope,
    Strides,
    refuse_strided_dilation,
)
from seqconv.models.blocks.pieces import (
    initializer_for,
    make_activation,
    make_branch_end,
    make_convolution,
    make_dropouts,
    make_finish,
    make_norm,
    make_pointwise,
    reading,
)
from seqconv.models.nodes import Node, Nodes, Residual
from seqconv.parts import Fraction, PositiveInt, register


@register
class ResidualBlock(FinishedBlock):
    """Convolutions with a shortcut around them (He et al. 2016).

    With `separable: true` and `shortcut: conv` it is the block of QuartzNet and MatchboxNet (Majumdar and Ginsburg
    2020).
    """

    type: Literal["residual"]
    filters: Filters
    kernel_sizes: KernelSizes = Field(default=(3, 3), description="One convolution in the body for each.")
    strides: Strides = 1
    dilation_rate: Dilation = 1
    padding: KeptLength = "same"
    separable: bool = Field(default=False, description="Separable convolutions in the body.")
    pre_activation: bool = Field(default=False, description="Normalize and activate before each convolution.")
    shortcut: Literal["auto", "conv"] = Field(
        default="auto", description="auto: a pointwise convolution only where channels or frames change."
    )
    squeeze_excite: PositiveInt | None = Field(default=None, description="Reduction of a squeeze-and-excite layer.")
    stochastic_depth: Fraction = STOCHASTIC_DEPTH
    repeat: PositiveInt = REPEAT

    @property
    def time_layers(self) -> TimeGeometry:
        return tuple(layer for copy in range(self.repeat) for layer in self._body_layers(copy))

    @model_validator(mode="after")
    def _arguments_agree(self) -> "ResidualBlock":
        refuse_strided_dilation(self.strides, self.dilation_rate)
        return self

    def build(self, channels: int, scope: LayerScope) -> Built:
        nodes: Nodes = ()
        for copy, place in enumerate(scope.copies(self.repeat)):
            nodes += self._build_copy(channels, self._body_layers(copy), place)
            channels = self.filters
        return nodes, channels

    def _body_layers(self, copy: int) -> TimeGeometry:
        return tuple(
            TimeLayer(kernel_size, self.strides if copy == index == 0 else 1, self.dilation_rate, self.padding)
            for index, kernel_size in enumerate(self.kernel_sizes)
        )

    def _build_copy(self, channels: int, layers: TimeGeometry, scope: LayerScope) -> Nodes:
        body: Nodes = ()
        inputs = channels
        for index, layer in enumerate(layers):
            place = scope.inside(f"body{index}")
            convolution = self._convolve(layer, place)
            if self.pre_activation:
                body += (*make_norm(self, inputs, place), *make_activation(self.activation, place), convolution)
                body += make_dropouts(self, place)
            elif index < len(layers) - 1:
                body += (convolution, *make_finish(self, self.filters, place))
            else:
                body += (convolution, *make_norm(self, self.filters, place))
            inputs = self.filters
        body += make_branch_end(self.squeeze_excite, self.stochastic_depth, scope)
        nodes: Nodes = (Residual(body, self._build_shortcut(channels, layers[0].stride, scope.inside("shortcut"))),)
        if not self.pre_activation:
            nodes += make_activation(self.activation, scope) + make_dropouts(self, scope)
        return nodes

    def _convolve(self, layer: TimeLayer, scope: LayerScope) -> Node:
        from seqconv.layers import MaskedSeparableConv1D

        # Normalized afterwards, where the offset of the normalization takes its place.
        use_bias = self.norm == "none" or self.pre_activation
        initializer = initializer_for(self.activation)
        if not self.separable:
            return make_convolution(self.filters, layer, scope, use_bias=use_bias, kernel_initializer=initializer)
        return MaskedSeparableConv1D(
            self.filters,
            use_bias=use_bias,
            depthwise_initializer=initializer,
            pointwise_initializer=initializer,
            **reading(layer),
            **scope.options("conv"),
        )

    def _build_shortcut(self, channels: int, strides: int, scope: LayerScope) -> Nodes:
        if channels == self.filters and strides == 1 and self.shortcut == "auto":
            return ()
        use_bias = self.pre_activation or self.norm == "none"
        convolution = make_pointwise(self.filters, scope, strides=strides, use_bias=use_bias)
        return (convolution,) if self.pre_activation else (convolution, *make_norm(self, self.filters, scope))


@register
class TCNBlock(FinishedBlock):
    """A temporal convolutional network: residual pairs of dilated convolutions (Bai et al. 2018), here normalized as
    `norm` says instead of by their weights."""

    type: Literal["tcn"]
    filters: Filters
    kernel_size: KernelSize = 3
    dilations: tuple[PositiveInt, ...] = Field(
        default=(1, 2, 4, 8), min_length=1, description="One residual pair of convolutions for each."
    )
    padding: KeptLength = Field(default="causal", description="causal: no output looks ahead.")
    stochastic_depth: Fraction = STOCHASTIC_DEPTH

    @property
    def time_layers(self) -> TimeGeometry:
        return tuple(layer for dilation in self.dilations for layer in self._pair(dilation))

    def build(self, channels: int, scope: LayerScope) -> Built:
        nodes: Nodes = ()
        options: dict[str, Any] = {
            "use_bias": self.norm == "none",
            "kernel_initializer": initializer_for(self.activation),
        }
        for index, dilation in enumerate(self.dilations):
            place = scope.inside(str(index))
            body: Nodes = ()
            for half, layer in enumerate(self._pair(dilation)):
                inner = place.inside(f"body{half}")
                convolution = make_convolution(self.filters, layer, inner, **options)
                body += (convolution, *make_finish(self, self.filters, inner))
            shortcut: Nodes = ()
            if channels != self.filters:
                shortcut = (make_pointwise(self.filters, place.inside("shortcut")),)
            body += make_branch_end(None, self.stochastic_depth, place)
            nodes += (Residual(body, shortcut), *make_activation(self.activation, place))
            channels = self.filters
        return nodes, channels

    def _pair(self, dilation: int) -> TimeGeometry:
        return (TimeLayer(self.kernel_size, 1, dilation, self.padding),) * 2
