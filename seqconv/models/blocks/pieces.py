"""Layers that all blocks are made of, named after their block."""

from typing import Any

from seqconv.geometry import TimeLayer
from seqconv.models.blocks.base import FinishedBlock, LayerScope
from seqconv.models.nodes import Node, Nodes

# Keras's 0.99 needs hundreds of steps to forget the initial statistics; small data has some dozens an epoch.
MOMENTUM = 0.9


def initializer_for(activation: str) -> str:
    """Return the initializer: He et al. 2015 before a ReLU, Glorot and Bengio 2010 elsewhere."""
    return "he_normal" if activation == "relu" else "glorot_uniform"


def reading(layer: TimeLayer) -> dict[str, Any]:
    """Return the arguments of a convolution that reads time as the block says.

    >>> reading(TimeLayer(5, stride=2))
    {'kernel_size': 5, 'strides': 2, 'dilation_rate': 1, 'padding': 'same'}
    """
    return dict(zip(("kernel_size", "strides", "dilation_rate", "padding"), layer, strict=True))


def make_norm(block: FinishedBlock, channels: int, scope: LayerScope) -> Nodes:
    """Make the normalization of a block."""
    from seqconv.layers import MaskedBatchNormalization, MaskedGroupNormalization, MaskedLayerNormalization

    options = scope.options("norm")
    if block.norm == "batch":
        return (MaskedBatchNormalization(momentum=MOMENTUM, **options),)
    if block.norm == "layer":
        return (MaskedLayerNormalization(**options),)
    if block.norm == "instance":
        return (MaskedGroupNormalization(-1, **options),)
    if block.norm == "group":
        if channels % block.norm_groups:
            raise scope.refuse(
                "norm_groups",
                f"{block.norm_groups} groups cannot share {channels} channels evenly. Choose a divisor of {channels}.",
            )
        return (MaskedGroupNormalization(block.norm_groups, **options),)
    return ()


def make_activation(activation: str, scope: LayerScope) -> Nodes:
    """Make the activation of a block."""
    import keras

    return () if activation == "linear" else (keras.layers.Activation(activation, **scope.options(activation)),)


def make_dropout(rate: float, scope: LayerScope) -> Nodes:
    """Make the dropout of single values, if there is any."""
    import keras

    return (keras.layers.Dropout(rate, **scope.options("dropout")),) if rate else ()


def make_dropouts(block: FinishedBlock, scope: LayerScope) -> Nodes:
    """Make the dropout of single values and of whole channels."""
    from seqconv.layers import MaskedSpatialDropout1D

    rate = block.spatial_dropout
    spatial = (MaskedSpatialDropout1D(rate, **scope.options("spatial_dropout")),) if rate else ()
    return make_dropout(block.dropout, scope) + spatial


def make_finish(block: FinishedBlock, channels: int, scope: LayerScope) -> Nodes:
    """Make the layers after a convolution: normalization, activation, dropout."""
    return make_norm(block, channels, scope) + make_activation(block.activation, scope) + make_dropouts(block, scope)


def make_branch_end(reduction: int | None, stochastic_depth: float, scope: LayerScope) -> Nodes:
    """Make the end of a residual block's body: squeeze-and-excite, stochastic depth."""
    from seqconv.layers import MaskedSqueezeExcite, StochasticDepth

    squeeze = (MaskedSqueezeExcite(reduction, **scope.options("squeeze_excite")),) if reduction else ()
    rate = stochastic_depth
    return squeeze + ((StochasticDepth(rate, **scope.options("stochastic_depth")),) if rate else ())


def make_convolution(filters: int, layer: TimeLayer, scope: LayerScope, *, part: str = "conv", **options: Any) -> Node:
    """Make a convolution that reads time as `layer` says."""
    from seqconv.layers import MaskedConv1D

    return MaskedConv1D(filters, **reading(layer), **options, **scope.options(part))


def make_pointwise(filters: int, scope: LayerScope, *, strides: int = 1, part: str = "conv", **options: Any) -> Node:
    """Make the same dense layer at each frame, or at each s-th."""
    return make_convolution(filters, TimeLayer(1, strides), scope, part=part, **options)
