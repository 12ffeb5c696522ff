"""Blocks that tell each frame about its whole sequence: gates of the channels, and the length."""

from typing import ClassVar, Literal

from pydantic import Field

from seqconv.models.blocks.base import Block, Built, LayerScope
from seqconv.parts import PositiveInt, register


@register
class SqueezeExciteBlock(Block):
    """Weights of the channels from the content of the whole sequence (Hu et al. 2018)."""

    type: Literal["squeeze_excite"]
    reduction: PositiveInt = Field(default=4, description="The bottleneck has channels / reduction units.")
    sees_all: ClassVar[bool] = True

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedSqueezeExcite

        return (MaskedSqueezeExcite(self.reduction, **scope.options("squeeze_excite")),), channels


@register
class LengthBlock(Block):
    """An additional channel with `log(frames / reference)`, as convolutions and poolings cannot see the length."""

    type: Literal["length"]
    reference: float = Field(
        default=100.0, gt=0, description="Frames for which the channel is 0; about as many as sequences have."
    )
    sees_all: ClassVar[bool] = True

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedLengthChannel

        return (MaskedLengthChannel(self.reference, **scope.options("length")),), channels + 1
