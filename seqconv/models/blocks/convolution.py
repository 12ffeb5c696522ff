"""Blocks of a single convolution, with its normalization, activation and dropout."""

from typing import Any, Literal

from pydantic import Field, model_validator

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks.base import (
    Built,
    Dilation,
    Filters,
    FinishedBlock,
    KernelSize,
    LayerScope,
    Padding,
    Strides,
    refuse_strided_dilation,
)
from seqconv.models.blocks.pieces import initializer_for, make_finish, reading
from seqconv.models.nodes import Node, Nodes
from seqconv.parts import PositiveInt, register


class _Convolution(FinishedBlock):
    """The arguments of a convolution over time."""

    kernel_size: KernelSize = 3
    strides: Strides = 1
    dilation_rate: Dilation = 1
    padding: Padding = "same"
    repeat: PositiveInt = Field(default=1, description="Copies of this block; only the first takes the stride.")

    @property
    def time_layers(self) -> TimeGeometry:
        return tuple(
            TimeLayer(self.kernel_size, self.strides if copy == 0 else 1, self.dilation_rate, self.padding)
            for copy in range(self.repeat)
        )

    @model_validator(mode="after")
    def _arguments_agree(self) -> "_Convolution":
        refuse_strided_dilation(self.strides, self.dilation_rate)
        return self

    def build(self, channels: int, scope: LayerScope) -> Built:
        nodes: Nodes = ()
        for layer, place in zip(self.time_layers, scope.copies(self.repeat), strict=True):
            # A batch normalization subtracts the bias again; the others add their own.
            options = {**reading(layer), "use_bias": self.norm == "none", **place.options("conv")}
            convolution, channels = self._convolve(channels, place, options)
            nodes += (convolution, *make_finish(self, channels, place))
        return nodes, channels

    def _convolve(self, channels: int, scope: LayerScope, options: dict[str, Any]) -> tuple[Node, int]:
        raise NotImplementedError


@register
class ConvBlock(_Convolution):
    """Convolution, normalization, activation, dropout; arguments as in `keras.layers.Conv1D`."""

    type: Literal["conv"] = "conv"
    filters: Filters
    groups: PositiveInt = Field(default=1, description="Groups of channels, each convolved by itself.")

    @model_validator(mode="after")
    def _groups_divide(self) -> "ConvBlock":
        if self.filters % self.groups:
            raise ValueError(f"filters={self.filters} must be a multiple of groups={self.groups}")
        return self

    def _convolve(self, channels: int, scope: LayerScope, options: dict[str, Any]) -> tuple[Node, int]:
        from seqconv.layers import MaskedConv1D

        if channels % self.groups:
            raise scope.refuse(
                "groups",
                f"{self.groups} groups cannot share {channels} input channels evenly. Choose a divisor of {channels}.",
            )
        options |= {"groups": self.groups, "kernel_initializer": initializer_for(self.activation)}
        return MaskedConv1D(self.filters, **options), self.filters


@register
class DepthwiseConvBlock(_Convolution):
    """Convolution of each channel by itself, as `keras.layers.DepthwiseConv1D`."""

    type: Literal["depthwise_conv"]
    depth_multiplier: PositiveInt = Field(default=1, description="Channels that come out for each that goes in.")

    def _convolve(self, channels: int, scope: LayerScope, options: dict[str, Any]) -> tuple[Node, int]:
        from seqconv.layers import MaskedDepthwiseConv1D

        multiplier = self.depth_multiplier
        options |= {"depth_multiplier": multiplier, "depthwise_initializer": initializer_for(self.activation)}
        return MaskedDepthwiseConv1D(**options), channels * multiplier


@register
class SeparableConvBlock(_Convolution):
    """Depthwise, then pointwise convolution: the time-channel separable one of QuartzNet (Kriman et al. 2020)."""

    type: Literal["separable_conv"]
    filters: Filters

    def _convolve(self, channels: int, scope: LayerScope, options: dict[str, Any]) -> tuple[Node, int]:
        from seqconv.layers import MaskedSeparableConv1D

        initializer = initializer_for(self.activation)
        options |= {"depthwise_initializer": initializer, "pointwise_initializer": initializer}
        return MaskedSeparableConv1D(self.filters, **options), self.filters
