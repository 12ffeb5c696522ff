"""The blocks before and after those over time and bands, and the order in which all of them may stand."""

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from seqconv.models.blocks.base import Block, Built, LayerScope
from seqconv.parts import PositiveInt, register

_BEGIN = "{type: to_bands}"
_END = "{type: from_bands, bands: mean}"


@register
class BandsBlock(Block):
    """The features of a frame as bands, `(time, d)` to `(time, bands, channels)`: the first block, before those over
    time and bands."""

    type: Literal["to_bands"]
    channels: PositiveInt = Field(
        default=1,
        description="Channels that are side by side in the features, each with all its bands: 3 for log_mel with "
        "delta: 2, which puts two derivatives after the bands.",
    )
    gives_bands: ClassVar[bool] = True

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import SplitBands

        if channels % self.channels:
            reason = f"{channels} features cannot be {self.channels} channels of as many bands each."
            raise scope.refuse("channels", f"{reason} Choose a divisor of {channels}")
        return (SplitBands(channels // self.channels, **scope.options("split")),), self.channels


@register
class PooledBandsBlock(Block):
    """One vector for each frame again, `(time, bands, channels)` to `(time, channels)`: before the blocks over time, or
    the pooling."""

    type: Literal["from_bands"]
    bands: Literal["mean", "max", "flatten"] = Field(
        default="mean",
        description="mean, max: over the bands of each channel; flatten: all bands side by side, of which there are "
        "always as many, so that bands * channels come out.",
    )
    takes_bands: ClassVar[bool] = True

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedBandPooling

        layer = MaskedBandPooling(self.bands, **scope.options(self.bands))
        return (layer,), channels * (scope.bands or 1) if self.bands == "flatten" else channels


def derivative_problems(blocks: Sequence[Block], orders: int) -> Iterator[str]:
    """Yield where derivatives, which are side by side with the bands, would be taken for further bands.

    Args:
        orders: of the features: the values, and their derivatives.
    """
    if blocks and isinstance(first := blocks[0], BandsBlock) and first.channels % orders:
        yield (
            f"model.blocks.0.channels: {first.channels}, but features.delta {orders - 1} puts {orders} values of each "
            f"band side by side, and kernels would read from one into the other. Set it to {orders}."
        )


def check_bands(blocks: Sequence[Block]) -> None:
    """Refuse blocks over time and bands where there are no bands, or others where there are.

    Raises:
        ValueError: naming the block by its key, and the remedy.
    """
    has_bands = False
    for index, block in enumerate(blocks):
        this = f"blocks.{index}: '{Block.registry.name_of(block)}'"
        before = f"blocks.{index - 1} ('{Block.registry.name_of(blocks[index - 1])}')" if index else "the features"
        if block.takes_bands and not has_bands:
            remedy = f"put {_BEGIN} before it"
            if index:
                remedy = (
                    "channels of a block over time have no order that a kernel could read. Move it to the front, after "
                    f"{_BEGIN}, and put {_END} after the blocks over bands"
                )
            raise ValueError(f"{this} reads time and bands, but what comes from {before} has no bands: {remedy}")
        if has_bands and not block.takes_bands:
            raise ValueError(
                f"{this} reads frames without bands, but {before} returns (time, bands, channels). Put {_END}, or max "
                "or flatten, between them"
            )
        if block.gives_bands and not block.takes_bands and index:
            raise ValueError(
                f"{this} makes bands of features, but what comes from {before} are channels, which have no order. Make "
                "it the first block"
            )
        has_bands = block.gives_bands
    if has_bands:
        raise ValueError(
            f"blocks: the last one, '{Block.registry.name_of(blocks[-1])}', returns (time, bands, channels), but heads "
            f"take (time, channels). Put {_END}, or max or flatten, after it"
        )
