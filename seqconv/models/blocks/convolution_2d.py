"""Blocks of a single convolution, or a single pooling, over time and bands."""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Block, Built, FinishedBlock, LayerScope, RepeatedBlock
from seqconv.models.blocks.convolution import check_groups
from seqconv.models.blocks.keys import as_pair
from seqconv.models.nodes import Node
from seqconv.parts import PositiveInt, register


class _Convolution2D(FinishedBlock, RepeatedBlock):
    """The arguments of a convolution over time and bands."""

    kernel_size: keys.KernelSize2D = 3
    strides: keys.Strides2D = 1
    dilation_rate: keys.Dilation2D = 1
    padding: keys.Padding = "same"
    band_padding: keys.BandPadding = "same"
    repeat: keys.StridedRepeat = 1
    takes_bands: ClassVar[bool] = True
    gives_bands: ClassVar[bool] = True

    def layers_of_copy(self, copy: int) -> TimeGeometry:
        strides = as_pair(self.strides)[0] if copy == 0 else 1
        return (TimeLayer(as_pair(self.kernel_size)[0], strides, as_pair(self.dilation_rate)[0], self.padding),)

    def build_copy(self, copy: int, channels: int, scope: LayerScope) -> Built:
        options: dict[str, Any] = {
            "kernel_size": as_pair(self.kernel_size),
            "strides": as_pair(self.strides) if copy == 0 else (1, 1),
            "dilation_rate": as_pair(self.dilation_rate),
            "padding": self.padding,
            "band_padding": self.band_padding,
            "use_bias": self.has_bias,
            **scope.options("conv"),
        }
        convolution, channels = self._convolve(channels, scope, options)
        return (convolution, *self.make_finish(channels, scope)), channels

    def _convolve(self, channels: int, scope: LayerScope, options: dict[str, Any]) -> tuple[Node, int]:
        raise NotImplementedError


@register
class Conv2DBlock(_Convolution2D):
    """Convolution over time and bands, normalization, activation, dropout; arguments as in `keras.layers.Conv2D`.

    Two of them (`repeat: 2`) and an `average_pool2d` are the convolution block of PANNs (Kong et al. 2020).
    """

    type: Literal["conv2d"]
    filters: keys.Filters
    groups: PositiveInt = Field(default=1, description="Groups of channels, each convolved by itself.")

    @model_validator(mode="after")
    def _groups_divide(self) -> "Conv2DBlock":
        if self.filters % self.groups:
            raise ValueError(f"filters={self.filters} must be a multiple of groups={self.groups}")
        return self

    def _convolve(self, channels: int, scope: LayerScope, options: dict[str, Any]) -> tuple[Node, int]:
        from seqconv.layers import MaskedConv2D

        check_groups(self.groups, channels, scope)
        options |= {"groups": self.groups, "kernel_initializer": self.initializer}
        return MaskedConv2D(self.filters, **options), self.filters


@register
class DepthwiseConv2DBlock(_Convolution2D):
    """Convolution of each channel by itself over time and bands, as `keras.layers.DepthwiseConv2D`."""

    type: Literal["depthwise_conv2d"]
    depth_multiplier: PositiveInt = Field(default=1, description="Channels that come out for each that goes in.")

    def _convolve(self, channels: int, scope: LayerScope, options: dict[str, Any]) -> tuple[Node, int]:
        from seqconv.layers import MaskedDepthwiseConv2D

        multiplier = self.depth_multiplier
        options |= {"depth_multiplier": multiplier, "depthwise_initializer": self.initializer}
        return MaskedDepthwiseConv2D(**options), channels * multiplier


@register
class Pool2DBlock(Block):
    """Pooling over time and bands inside the stack."""

    type: Literal["max_pool2d", "average_pool2d"]
    pool_size: keys.Pair = Field(default=2, description="Frames and bands in a window; one number for both.")
    strides: keys.Pair | None = Field(
        default=None, description="Input frames and bands from one window to the next; default: pool_size."
    )
    padding: keys.KeptLength = "same"
    band_padding: keys.BandPadding = "valid"
    takes_bands: ClassVar[bool] = True
    gives_bands: ClassVar[bool] = True

    @property
    def time_layers(self) -> TimeGeometry:
        return (TimeLayer(as_pair(self.pool_size)[0], as_pair(self.strides or self.pool_size)[0], 1, self.padding),)

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedAveragePooling2D, MaskedMaxPooling2D

        pooling = MaskedMaxPooling2D if self.type == "max_pool2d" else MaskedAveragePooling2D
        options: dict[str, Any] = {"padding": self.padding, "band_padding": self.band_padding}
        return (pooling(self.pool_size, strides=self.strides, **options, **scope.options(self.type)),), channels
