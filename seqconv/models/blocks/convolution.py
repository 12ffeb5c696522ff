"""Blocks of a single convolution, with its normalization, activation and dropout, or of a single pooling."""

from typing import Any, Literal

from pydantic import Field, model_validator

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Block, Built, FinishedBlock, LayerScope, RepeatedBlock, reading
from seqconv.models.nodes import Node
from seqconv.parts import PositiveInt, register


class _Convolution(FinishedBlock, RepeatedBlock):
    """The arguments of a convolution over time."""

    kernel_size: keys.KernelSize = 3
    strides: keys.Strides = 1
    dilation_rate: keys.Dilation = 1
    padding: keys.Padding = "same"
    repeat: keys.StridedRepeat = 1

    def layers_of_copy(self, copy: int) -> TimeGeometry:
        strides = self.strides if copy == 0 else 1
        return (TimeLayer(self.kernel_size, strides, self.dilation_rate, self.padding),)

    def build_copy(self, copy: int, channels: int, scope: LayerScope) -> Built:
        (layer,) = self.layers_of_copy(copy)
        options = {**reading(layer), "use_bias": self.has_bias, **scope.options("conv")}
        convolution, channels = self._convolve(channels, scope, options)
        return (convolution, *self.make_finish(channels, scope)), channels

    def _convolve(self, channels: int, scope: LayerScope, options: dict[str, Any]) -> tuple[Node, int]:
        raise NotImplementedError


def check_groups(groups: int, channels: int, scope: LayerScope) -> None:
    """Check that groups share the channels that come in.

    Raises:
        ConfigError: they cannot; names the block.
    """
    if channels % groups:
        shared = f"{groups} groups cannot share {channels} input channels evenly"
        raise scope.refuse("groups", f"{shared}. Choose a divisor of {channels}.")


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

        check_groups(self.groups, channels, scope)
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


@register
class PoolBlock(Block):
    """Pooling over time inside the stack."""

    type: Literal["max_pool", "average_pool"]
    pool_size: PositiveInt = Field(default=2, description="Frames in a window.")
    strides: PositiveInt | None = Field(
        default=None, description="Input frames from one window to the next; default: pool_size."
    )
    padding: keys.KeptLength = "same"

    @property
    def time_layers(self) -> TimeGeometry:
        return (TimeLayer(self.pool_size, self.strides or self.pool_size, 1, self.padding),)

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedAveragePooling1D, MaskedMaxPooling1D

        pooling = MaskedMaxPooling1D if self.type == "max_pool" else MaskedAveragePooling1D
        layer = pooling(self.pool_size, strides=self.strides, padding=self.padding, **scope.options(self.type))
        return (layer,), channels
