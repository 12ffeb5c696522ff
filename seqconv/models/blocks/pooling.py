"""Pooling over time inside the stack."""

from typing import Literal

from pydantic import Field

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Block, Built, LayerScope
from seqconv.parts import PositiveInt, register


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
