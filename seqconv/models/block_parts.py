"""Layers that all blocks are made of, named after their block."""

from typing import Any, NamedTuple

import keras

from seqconv.errors import ConfigError
from seqconv.layers import (
    MaskedBatchNormalization,
    MaskedConv1D,
    MaskedGroupNormalization,
    MaskedLayerNormalization,
    MaskedSpatialDropout1D,
    MaskedSqueezeExcite,
    StochasticDepth,
)
from seqconv.models.block_settings import FinishedBlock
from seqconv.models.trunk import Nodes

# Keras's 0.99 needs hundreds of steps to forget the initial statistics; small data has some dozens an epoch.
MOMENTUM = 0.9


class LayerScope(NamedTuple):
    """Where a layer stands: the position of its block, the name to build on, the dtype policy."""

    block: int
    name: str
    dtype: Any

    def inside(self, part: str) -> "LayerScope":
        """A place within this one."""
        return self._replace(name=f"{self.name}_{part}")

    def options(self, part: str) -> dict[str, Any]:
        """Name and dtype of a layer here."""
        return {"name": f"{self.name}_{part}", "dtype": self.dtype}

    def refuse(self, key: str, reason: str) -> ConfigError:
        """The error that names a key of this block."""
        return ConfigError(f"model.blocks.{self.block}.{key}: {reason}")


def initializer_for(activation: str) -> str:
    """He et al. 2015 before a ReLU, Glorot and Bengio 2010 elsewhere."""
    return "he_normal" if activation == "relu" else "glorot_uniform"


def make_norm(block: FinishedBlock, channels: int, place: LayerScope) -> Nodes:
    """The normalization of a block."""
    options = place.options("norm")
    if block.norm == "batch":
        return (MaskedBatchNormalization(momentum=MOMENTUM, **options),)
    if block.norm == "layer":
        return (MaskedLayerNormalization(**options),)
    if block.norm == "instance":
        return (MaskedGroupNormalization(-1, **options),)
    if block.norm == "group":
        if channels % block.norm_groups:
            raise place.refuse(
                "norm_groups",
                f"{block.norm_groups} groups cannot share {channels} channels evenly. Choose a divisor of {channels}.",
            )
        return (MaskedGroupNormalization(block.norm_groups, **options),)
    return ()


def make_activation(activation: str, place: LayerScope) -> Nodes:
    """The activation of a block."""
    return () if activation == "linear" else (keras.layers.Activation(activation, **place.options(activation)),)


def make_dropout(rate: float, place: LayerScope) -> Nodes:
    """Dropout of single values, where there is any."""
    return (keras.layers.Dropout(rate, **place.options("dropout")),) if rate else ()


def make_dropouts(block: FinishedBlock, place: LayerScope) -> Nodes:
    """Dropout of single values and of whole channels."""
    rate = block.spatial_dropout
    spatial = (MaskedSpatialDropout1D(rate, **place.options("spatial_dropout")),) if rate else ()
    return make_dropout(block.dropout, place) + spatial


def make_finish(block: FinishedBlock, channels: int, place: LayerScope) -> Nodes:
    """What follows a convolution: normalization, activation, dropout."""
    return make_norm(block, channels, place) + make_activation(block.activation, place) + make_dropouts(block, place)


def make_branch_end(block: Any, place: LayerScope) -> Nodes:
    """What ends the body of a residual block: squeeze-and-excite, stochastic depth."""
    reduction = getattr(block, "squeeze_excite", None)
    squeeze = (MaskedSqueezeExcite(reduction, **place.options("squeeze_excite")),) if reduction else ()
    rate = block.stochastic_depth
    return squeeze + ((StochasticDepth(rate, **place.options("stochastic_depth")),) if rate else ())


def make_pointwise(
    filters: int, place: LayerScope, *, strides: int = 1, part: str = "conv", **options: Any
) -> MaskedConv1D:
    """The same dense layer at each frame, or at each s-th."""
    return MaskedConv1D(filters, 1, strides=strides, **options, **place.options(part))
