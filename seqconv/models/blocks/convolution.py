"""Blocks of a single convolution, with its normalization, activation and dropout."""

from typing import Any, Literal

from pydantic import Field, model_validator

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Built, FinishedBlock, LayerScope, reading
from seqconv.models.nodes import Node, Nodes
from seqconv.parts import PositiveInt, register


class _Convolution(FinishedBlock):
    """The arguments of a convolution over time."""

    kernel_size: keys.KernelSize = 3
    strides: keys.Strides = 1
    dilation_rate: keys.Dilation = 1
    padding: keys.Padding = "same"
    repeat: keys.StridedRepeat = 1

    @property
    def time_layers(self) -> TimeGeometry:
        return tuple(
            TimeLayer(self.kernel_size, self.strides if copy == 0 else 1, self.dilation_rate, self.padding)
            for copy in range(self.repeat)
        )

    def build(self, channels: int, scope: LayerScope) -> Built:
        nodes: Nodes = ()
        for layer, place in zip(self.time_layers, scope.copies(self.repeat), strict=True):
            options = {**reading(layer), "use_bias": self.has_bias, **place.options("conv")}
            convolution, channels = self._convolve(channels, place, options)
            nodes += (convolution, *self.make_finish(channels, place))
        return nodes, channels

    def _convolve(self, channels: int, scope: LayerScope, options: dict[str, Any]) -> tuple[Node, int]:
        raise NotImplementedError


@register
class ConvBlock(_Convolution):
    """Convolution, normalization, activation, dropout; arguments as in `keras.layers.Conv1D`."""

    type: Literal["conv"] = "conv"
    filters: keys.Filters
    groups: PositiveInt = Field(default=1, description="Groups of channels, each convolved by itself.")

    @model_validator(mode="after")
    def _groups_divide(self) -> "ConvBlock":
        if self.filters % self.groups:
            raise ValueError(f"filters={self.filters} must be a multiple of groups={self.groups}")
        return self

    def _convolve(self, channels: int, scope: LayerScope, options: dict[str, Any]) -> tuple[Node, int]:
        from seqconv.layers import MaskedConv1D

        if channels % self.groups:
            shared = f"{self.groups} groups cannot share {channels} input channels evenly"
            raise scope.refuse("groups", f"{shared}. Choose a divisor of {channels}.")
        options |= {"groups": self.groups, "kernel_initializer": self.initializer}
        return MaskedConv1D(self.filters, **options), self.filters


@register
class DepthwiseConvBlock(_Convolution):
    """Convolution of each channel by itself, as `keras.layers.DepthwiseConv1D`."""

    type: Literal["depthwise_conv"]
    depth_multiplier: PositiveInt = Field(default=1, description="Channels that come out for each that goes in.")

    def _convolve(self, channels: int, scope: LayerScope, options: dict[str, Any]) -> tuple[Node, int]:
        from seqconv.layers import MaskedDepthwiseConv1D

        multiplier = self.depth_multiplier
        options |= {"depth_multiplier": multiplier, "depthwise_initializer": self.initializer}
        return MaskedDepthwiseConv1D(**options), channels * multiplier


@register
class SeparableConvBlock(_Convolution):
    """Depthwise, then pointwise convolution: the time-channel separable one of QuartzNet (Kriman et al. 2020)."""

    type: Literal["separable_conv"]
    filters: keys.Filters

    def _convolve(self, channels: int, scope: LayerScope, options: dict[str, Any]) -> tuple[Node, int]:
        from seqconv.layers import MaskedSeparableConv1D

        options |= {"depthwise_initializer": self.initializer, "pointwise_initializer": self.initializer}
        return MaskedSeparableConv1D(self.filters, **options), self.filters
