"""Inception over time, as in InceptionTime."""

from typing import Any, Literal

from pydantic import Field

from seqconv.geometry import TimeGeometry, TimeLayer, widest
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Built, FinishedBlock, LayerScope, RepeatedBlock
from seqconv.models.nodes import Nodes, Parallel, Residual
from seqconv.parts import PositiveInt, register


@register
class InceptionBlock(FinishedBlock, RepeatedBlock):
    """Convolutions of several sizes and a pooling side by side, `depth` times, with a shortcut around them all
    (Ismail Fawaz et al. 2020)."""

    type: Literal["inception"]
    filters: PositiveInt = Field(default=32, description="Of each branch: a module returns (sizes + 1) * filters.")
    kernel_sizes: keys.KernelSizes = Field(default=(10, 20, 40), description="One convolution side by side for each.")
    bottleneck: PositiveInt | None = Field(default=32, description="Channels before the convolutions; null: all.")
    pool_size: PositiveInt = Field(default=3, description="Frames that the pooling branch takes the maximum of.")
    depth: PositiveInt = Field(default=3, description="Modules within one shortcut.")
    residual: bool = Field(default=True, description="A shortcut around the modules.")
    padding: keys.KeptLength = "same"
    repeat: keys.Repeat = 1

    def layers_of_copy(self, copy: int) -> TimeGeometry:
        first = (TimeLayer(1),) if self.bottleneck else ()
        convolutions = [(*first, layer) for layer in self._branches]
        pooling = (TimeLayer(self.pool_size, padding=self.padding), TimeLayer(1))
        return widest([*convolutions, pooling]) * self.depth

    @property
    def _branches(self) -> TimeGeometry:
        return tuple(TimeLayer(size, padding=self.padding) for size in self.kernel_sizes)

    def build_copy(self, copy: int, channels: int, scope: LayerScope) -> Built:
        outputs = self.filters * (len(self.kernel_sizes) + 1)
        body: Nodes = ()
        for index in range(self.depth):
            place = scope.inside(f"module{index}")
            body += (self._build_module(place), *self.make_norm(outputs, place))
            if index < self.depth - 1 or not self.residual:
                body += self.make_activation(place) + self.make_dropouts(place)
        if self.residual:
            shortcut = () if channels == outputs else self._build_shortcut(outputs, scope.inside("shortcut"))
            body = (Residual(body, shortcut), *self.make_activation(scope), *self.make_dropouts(scope))
        return body, outputs

    def _build_module(self, scope: LayerScope) -> Parallel:
        from seqconv.layers import MaskedMaxPooling1D

        options: dict[str, Any] = {"use_bias": self.has_bias, "kernel_initializer": self.initializer}
        convolutions: tuple[Nodes, ...] = tuple(
            (scope.make_convolution(self.filters, layer, part=f"conv{index}", **options),)
            for index, layer in enumerate(self._branches)
        )
        pool = MaskedMaxPooling1D(self.pool_size, strides=1, padding=self.padding, **scope.options("max_pool"))
        pooled: Nodes = (pool, scope.make_pointwise(self.filters, part="pooled", **options))
        if self.bottleneck is None:
            return Parallel((*convolutions, pooled))
        bottleneck = scope.make_pointwise(self.bottleneck, part="bottleneck", use_bias=False)
        return Parallel(((bottleneck, Parallel(convolutions)), pooled))

    def _build_shortcut(self, outputs: int, scope: LayerScope) -> Nodes:
        return (scope.make_pointwise(outputs, use_bias=self.has_bias), *self.make_norm(outputs, scope))
