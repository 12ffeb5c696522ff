"""Convolutions over time and bands with a shortcut around them."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Built, FinishedBlock, LayerScope, RepeatedBlock
from seqconv.models.blocks.keys import as_pair
from seqconv.models.nodes import Node, Nodes, Residual
from seqconv.parts import PositiveInt, register


class _Residual2D(FinishedBlock, RepeatedBlock):
    """The part that residual blocks over time and bands share."""

    takes_bands: ClassVar[bool] = True
    gives_bands: ClassVar[bool] = True

    def _convolution(self, filters: int, scope: LayerScope, kernel_size: keys.Pair = 1, **options: Any) -> Node:
        from seqconv.layers import MaskedConv2D

        options |= {"use_bias": self.has_bias, "kernel_initializer": self.initializer, **scope.options("conv")}
        return MaskedConv2D(filters, as_pair(kernel_size), **options)

    def _depthwise(self, scope: LayerScope, kernel_size: tuple[int, int], **options: Any) -> Node:
        from seqconv.layers import MaskedDepthwiseConv2D

        options |= {"use_bias": self.has_bias, "depthwise_initializer": self.initializer, **scope.options("conv")}
        return MaskedDepthwiseConv2D(kernel_size, **options)


@register
class Residual2DBlock(_Residual2D):
    """Convolutions over time and bands with a shortcut around them (He et al. 2016)."""

    type: Literal["residual2d"]
    filters: keys.Filters
    kernel_sizes: Annotated[tuple[keys.Pair, ...], Field(min_length=1)] = Field(
        default=(3, 3), description="One convolution in the body for each, over as many frames and bands."
    )
    strides: keys.Strides2D = 1
    padding: keys.KeptLength = "same"
    shortcut: Literal["auto", "conv"] = Field(
        default="auto", description="auto: a pointwise convolution only where channels, frames or bands change."
    )
    squeeze_excite: keys.SqueezeExcite = None
    stochastic_depth: keys.StochasticDepth = 0.0
    repeat: keys.StridedRepeat = 1

    def layers_of_copy(self, copy: int) -> TimeGeometry:
        return tuple(
            TimeLayer(as_pair(size)[0], self._strides(copy, index)[0], 1, self.padding)
            for index, size in enumerate(self.kernel_sizes)
        )

    def build_copy(self, copy: int, channels: int, scope: LayerScope) -> Built:
        body: Nodes = ()
        for index, size in enumerate(self.kernel_sizes):
            place, strides = scope.inside(f"body{index}"), self._strides(copy, index)
            body += (self._convolution(self.filters, place, size, strides=strides, padding=self.padding),)
            is_last = index == len(self.kernel_sizes) - 1
            body += self.make_norm(self.filters, place) if is_last else self.make_finish(self.filters, place)
        body += scope.make_squeeze_excite(self.squeeze_excite)
        body += scope.make_stochastic_depth(self.stochastic_depth)
        strides, place = self._strides(copy, 0), scope.inside("shortcut")
        shortcut: Nodes = ()
        if channels != self.filters or max(strides) > 1 or self.shortcut == "conv":
            shortcut = (self._convolution(self.filters, place, strides=strides), *self.make_norm(self.filters, place))
        finish = self.make_activation(scope) + self.make_dropouts(scope)
        return (Residual(body, shortcut), *finish), self.filters

    def _strides(self, copy: int, index: int) -> tuple[int, int]:
        return as_pair(self.strides) if copy == index == 0 else (1, 1)


@register
class BroadcastResidualBlock(_Residual2D):
    """Broadcast-residual convolutions (BC-ResNet, Kim et al. 2021): a depthwise one over bands, and one over the time
    of their mean, whose result is added to each band. `norm` takes the place of sub-spectral normalization.

    The first copy is a transition: it mixes channels, takes the stride, and has no shortcut around all of it.
    """

    type: Literal["broadcast_residual"]
    filters: keys.Filters
    kernel_size: keys.KernelSize2D = 3
    band_strides: PositiveInt = Field(default=1, description="Input bands from one output band to the next.")
    dilation_rate: PositiveInt = Field(default=1, description="Input frames from one tap of the kernel to the next.")
    padding: keys.KeptLength = "same"
    repeat: keys.StridedRepeat = 1

    def layers_of_copy(self, copy: int) -> TimeGeometry:
        over_time = TimeLayer(as_pair(self.kernel_size)[0], 1, self.dilation_rate, self.padding)
        return (*((TimeLayer(1),) if copy == 0 else ()), TimeLayer(1), over_time, TimeLayer(1))

    def build_copy(self, copy: int, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedBandPooling

        frames, bands = as_pair(self.kernel_size)
        over_bands, over_time, mixing = (scope.inside(part) for part in ("bands", "time", "mixing"))
        dilation, strides = (self.dilation_rate, 1), (1, self.band_strides if copy == 0 else 1)
        inner: Nodes = (
            MaskedBandPooling("mean", keepdims=True, **over_time.options("mean")),
            self._depthwise(over_time, (frames, 1), dilation_rate=dilation, padding=self.padding),
            *self.make_norm(self.filters, over_time),
            *over_time.make_activation("silu"),
            self._convolution(self.filters, mixing),
            *self.make_dropouts(scope),
        )
        convolution = self._depthwise(over_bands, (1, bands), strides=strides)
        # The sum spreads the one band of its body over those of the shortcut.
        body: Nodes = (convolution, *self.make_norm(self.filters, over_bands), Residual(inner))
        if copy:
            return (Residual(body), *self.make_activation(scope)), self.filters
        place = scope.inside("transition")
        start = (self._convolution(self.filters, place), *self.make_norm(self.filters, place))
        return (*start, *self.make_activation(place), *body, *self.make_activation(scope)), self.filters
