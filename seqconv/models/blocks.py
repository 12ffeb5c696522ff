"""Blocks of single layers: convolutions, pooling, recurrence, attention."""

from typing import Any

from seqconv.layers import (
    MaskedAveragePooling1D,
    MaskedConv1D,
    MaskedDepthwiseConv1D,
    MaskedGRU,
    MaskedLayerNormalization,
    MaskedLengthChannel,
    MaskedLSTM,
    MaskedMaxPooling1D,
    MaskedSelfAttention,
    MaskedSeparableConv1D,
    MaskedSqueezeExcite,
)
from seqconv.models.block_parts import (
    LayerScope,
    initializer_for,
    make_activation,
    make_dropout,
    make_finish,
    make_pointwise,
)
from seqconv.models.block_settings import (
    AttentionBlock,
    ConvBlock,
    DepthwiseConvBlock,
    LengthBlock,
    PoolBlock,
    RecurrentBlock,
    SeparableConvBlock,
    SqueezeExciteBlock,
)
from seqconv.models.trunk import Nodes, Residual

Built = tuple[Nodes, int]


def build_convolution(
    block: ConvBlock | DepthwiseConvBlock | SeparableConvBlock, channels: int, place: LayerScope
) -> Built:
    """Convolution, normalization, activation and dropout, `repeat` times."""
    nodes: Nodes = ()
    for copy in range(block.repeat):
        spot = place if block.repeat == 1 else place.inside(str(copy))
        layer, channels = _convolution(block, channels, block.strides if copy == 0 else 1, spot)
        nodes += (layer, *make_finish(block, channels, spot))
    return nodes, channels


def _convolution(block: Any, channels: int, strides: int, place: LayerScope) -> tuple[Any, int]:
    options = {
        "strides": strides,
        "dilation_rate": block.dilation_rate,
        "padding": block.padding,
        # A batch normalization subtracts the bias again; the others add their own.
        "use_bias": block.norm == "none",
        **place.options("conv"),
    }
    initializer = initializer_for(block.activation)
    if isinstance(block, DepthwiseConvBlock):
        options |= {"depth_multiplier": block.depth_multiplier, "depthwise_initializer": initializer}
        return MaskedDepthwiseConv1D(block.kernel_size, **options), channels * block.depth_multiplier
    if isinstance(block, SeparableConvBlock):
        options |= {"depthwise_initializer": initializer, "pointwise_initializer": initializer}
        return MaskedSeparableConv1D(block.filters, block.kernel_size, **options), block.filters
    if channels % block.groups:
        raise place.refuse(
            "groups",
            f"{block.groups} groups cannot share {channels} input channels evenly. Choose a divisor of {channels}.",
        )
    options |= {"groups": block.groups, "kernel_initializer": initializer}
    return MaskedConv1D(block.filters, block.kernel_size, **options), block.filters


def build_pooling(block: PoolBlock, channels: int, place: LayerScope) -> Built:
    """Maximum or average pooling over time."""
    pooling = MaskedMaxPooling1D if block.type == "max_pool" else MaskedAveragePooling1D
    layer = pooling(block.pool_size, strides=block.strides, padding=block.padding, **place.options(block.type))
    return (layer,), channels


def build_squeeze_excite(block: SqueezeExciteBlock, channels: int, place: LayerScope) -> Built:
    """Gates of the channels."""
    return (MaskedSqueezeExcite(block.reduction, **place.options("squeeze_excite")),), channels


def build_length(block: LengthBlock, channels: int, place: LayerScope) -> Built:
    """A channel that tells how long the sequence is."""
    return (MaskedLengthChannel(block.reference, **place.options("length")),), channels + 1


def build_recurrent(block: RecurrentBlock, channels: int, place: LayerScope) -> Built:
    """An LSTM or a GRU, and dropout."""
    layer = MaskedLSTM if block.type == "lstm" else MaskedGRU
    recurrent = layer(block.units, bidirectional=block.bidirectional, **place.options(block.type))
    return (recurrent, *make_dropout(block.dropout, place)), block.units * (2 if block.bidirectional else 1)


def build_attention(block: AttentionBlock, channels: int, place: LayerScope) -> Built:
    """Normalized self-attention in a residual branch, then a feed-forward layer in another."""
    if block.key_dim is None and channels % block.num_heads:
        raise place.refuse(
            "num_heads",
            f"{block.num_heads} heads cannot share {channels} channels evenly. Choose a divisor of {channels}, or set "
            "key_dim.",
        )
    attention = MaskedSelfAttention(
        block.num_heads, key_dim=block.key_dim, dropout=block.dropout, **place.options("attention")
    )
    norm = MaskedLayerNormalization(**place.options("norm"))
    nodes: Nodes = (Residual((norm, attention, *make_dropout(block.dropout, place))),)
    if block.feed_forward:
        spot = place.inside("feed_forward")
        body: Nodes = (
            MaskedLayerNormalization(**spot.options("norm")),
            make_pointwise(block.feed_forward, spot, part="wide", kernel_initializer=initializer_for(block.activation)),
            *make_activation(block.activation, spot),
            make_pointwise(channels, spot, part="narrow"),
            *make_dropout(block.dropout, spot),
        )
        nodes += (Residual(body),)
    return nodes, channels
