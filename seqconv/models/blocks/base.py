"""The base of all blocks, and of those with a normalization, an activation and dropout."""

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from seqconv.errors import ConfigError
from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.models.blocks import keys
from seqconv.models.nodes import Node, Nodes
from seqconv.parts import PositiveInt, Registry, Section

# Keras's 0.99 needs hundreds of steps to forget the initial statistics; small data has some dozens an epoch.
MOMENTUM = 0.9
Built = tuple[Nodes, int]
Lengths = npt.NDArray[np.int64]


class LayerScope(NamedTuple):
    """The scope of a layer: the position of its block, the name to build on, the dtype policy, the bands that arrive.

    `bands` is None where frames have none.
    """

    block: int
    name: str
    dtype: Any
    bands: int | None = None

    def inside(self, part: str) -> "LayerScope":
        """Return a scope within this one."""
        return self._replace(name=f"{self.name}_{part}")

    def copies(self, count: int) -> "list[LayerScope]":
        """Return a place for each copy of a block; this one if there is a single copy."""
        return [self] if count == 1 else [self.inside(str(copy)) for copy in range(count)]

    def options(self, part: str) -> dict[str, Any]:
        """Return name and dtype of a layer here."""
        return {"name": f"{self.name}_{part}", "dtype": self.dtype}

    def refuse(self, key: str, reason: str) -> ConfigError:
        """Return the error that names a key of this block."""
        return ConfigError(f"model.blocks.{self.block}.{key}: {reason}")

    def make_activation(self, activation: str) -> Nodes:
        """Make an activation, if there is any."""
        import keras

        return () if activation == "linear" else (keras.layers.Activation(activation, **self.options(activation)),)

    def make_dropout(self, rate: float) -> Nodes:
        """Make the dropout of single values, if there is any."""
        import keras

        return (keras.layers.Dropout(rate, **self.options("dropout")),) if rate else ()

    def make_squeeze_excite(self, reduction: int | None) -> Nodes:
        """Make a squeeze-and-excite layer, if there is any."""
        from seqconv.layers import MaskedSqueezeExcite

        return (MaskedSqueezeExcite(reduction, **self.options("squeeze_excite")),) if reduction else ()

    def make_stochastic_depth(self, rate: float) -> Nodes:
        """Make the end of the body of a residual block, if it is sometimes left out."""
        from seqconv.layers import StochasticDepth

        return (StochasticDepth(rate, **self.options("stochastic_depth")),) if rate else ()

    def make_convolution(self, filters: int, layer: TimeLayer, *, part: str = "conv", **options: Any) -> Node:
        """Make a convolution that reads time as `layer` says."""
        from seqconv.layers import MaskedConv1D

        return MaskedConv1D(filters, **reading(layer), **options, **self.options(part))

    def make_pointwise(self, filters: int, *, strides: int = 1, part: str = "conv", **options: Any) -> Node:
        """Make the same dense layer at each frame, or at each s-th."""
        return self.make_convolution(filters, TimeLayer(1, strides), part=part, **options)


class Block(Section):
    """A block of the stack over time: what its keys are, how it reads time, and of which layers it is built.

    A block of your own derives from this class, has a field `type: Literal["..."]`, and is decorated with
    `seqconv.register`. Raise `version` when the same settings come to mean another network.

    >>> from typing import Literal
    >>> from seqconv.geometry import TimeLayer
    >>> class Thinning(Block):
    ...     type: Literal["thinning"]
    ...     every: int = 2
    ...
    ...     @property
    ...     def time_layers(self):
    ...         return (TimeLayer(1, self.every),)
    ...
    ...     def build(self, channels, scope):
    ...         from seqconv.layers import MaskedMaxPooling1D
    ...
    ...         return (MaskedMaxPooling1D(1, strides=self.every, **scope.options("thinning")),), channels
    """

    registry: ClassVar[Registry[type["Block"]]] = Registry("block")
    version: ClassVar[int] = 1
    packable: ClassVar[bool] = True
    # Whether its inputs, and its outputs, are `(time, bands, channels)` in place of `(time, channels)`.
    takes_bands: ClassVar[bool] = False
    gives_bands: ClassVar[bool] = False

    @property
    def sees_all(self) -> bool:
        """Whether an output frame depends on all frames of its sequence."""
        return False

    @property
    def time_layers(self) -> TimeGeometry:
        """The layers of this block that read time, in order."""
        return ()

    def fitted_to(self, lengths: Lengths) -> "Block":
        """Return the block with all keys that depend on the lengths of the training sequences, in its input frames."""
        return self

    def build(self, channels: int, scope: LayerScope) -> Built:
        """Build the layers, for inputs with that many channels.

        Import Keras and `seqconv.layers` here, not at the top of the file: configs are read without them.

        Args:
            channels: of what comes in.
            scope: gives each layer a name of its own, and the dtype: `Layer(..., **scope.options("name"))`.

        Returns:
            The layers in order (`Residual` and `Parallel` of `seqconv.models.nodes` may be among them), and the
            channels that come out.
        """
        raise NotImplementedError(f"block {type(self).__name__} does not say of which layers it is built")


class RepeatedBlock(Block):
    """A block of `repeat` copies, one after the other."""

    if TYPE_CHECKING:
        # A field of each block, not of this class: `repeat` is the last of its keys.
        repeat: int

    @property
    def time_layers(self) -> TimeGeometry:
        return tuple(layer for copy in range(self.repeat) for layer in self.layers_of_copy(copy))

    def layers_of_copy(self, copy: int) -> TimeGeometry:
        """Return the layers of a copy that read time; copies are counted from 0."""
        raise NotImplementedError

    def build(self, channels: int, scope: LayerScope) -> Built:
        nodes: Nodes = ()
        for copy, place in enumerate(scope.copies(self.repeat)):
            added, channels = self.build_copy(copy, channels, place)
            nodes += added
        return nodes, channels

    def build_copy(self, copy: int, channels: int, scope: LayerScope) -> Built:
        """Build the layers of a copy, as `build` those of a block."""
        raise NotImplementedError


class FinishedBlock(Block):
    """A block of convolutions, each followed by normalization, activation and dropout."""

    norm: keys.Norm = Field(
        default="batch",
        description="batch: statistics of the real frames of a batch; group, instance: of each sequence; "
        "layer: of each frame.",
    )
    norm_groups: PositiveInt = Field(default=8, description="Groups of channels, where norm is 'group'.")
    activation: keys.Activation = Field(default="relu", description="Function that follows the normalization.")
    dropout: keys.Dropout = 0.0
    spatial_dropout: keys.SpatialDropout = 0.0

    @property
    def sees_all(self) -> bool:
        return self.norm in ("group", "instance") or getattr(self, "squeeze_excite", None) is not None

    @model_validator(mode="after")
    def _arguments_agree(self) -> "FinishedBlock":
        # Keys of the derived classes, of which not every one has them all.
        filters = getattr(self, "filters", None)
        strides, dilation = (getattr(self, key, None) or 1 for key in ("strides", "dilation_rate"))
        if self.norm == "group" and filters is not None and filters % self.norm_groups:
            raise ValueError(f"filters={filters} must be a multiple of norm_groups={self.norm_groups}")
        if max(keys.as_pair(strides)) > 1 and max(keys.as_pair(dilation)) > 1:
            raise ValueError(
                f"strides={strides} and dilation_rate={dilation} cannot both be more than 1: "
                "Keras has no such convolution. Put the stride into a block of its own"
            )
        return self

    @property
    def has_bias(self) -> bool:
        """Whether its convolutions have a bias: a batch normalization subtracts it, the others add their own."""
        return self.norm == "none"

    @property
    def initializer(self) -> str:
        """The initializer of its kernels."""
        return initializer_for(self.activation)

    def make_norm(self, channels: int, scope: LayerScope) -> Nodes:
        """Make the normalization, if there is any."""
        from seqconv.layers import MaskedBatchNormalization, MaskedGroupNormalization, MaskedLayerNormalization

        options = scope.options("norm")
        if self.norm == "batch":
            return (MaskedBatchNormalization(momentum=MOMENTUM, **options),)
        if self.norm == "layer":
            return (MaskedLayerNormalization(**options),)
        if self.norm == "none":
            return ()
        groups = -1 if self.norm == "instance" else self.norm_groups
        if channels % groups:
            reason = f"{groups} groups cannot share {channels} channels evenly. Choose a divisor of {channels}."
            raise scope.refuse("norm_groups", reason)
        return (MaskedGroupNormalization(groups, **options),)

    def make_activation(self, scope: LayerScope) -> Nodes:
        """Make the activation, if there is any."""
        return scope.make_activation(self.activation)

    def make_dropouts(self, scope: LayerScope) -> Nodes:
        """Make the dropout of single values and of whole channels."""
        from seqconv.layers import MaskedSpatialDropout1D, MaskedSpatialDropout2D

        rate, layer = self.spatial_dropout, MaskedSpatialDropout2D if self.takes_bands else MaskedSpatialDropout1D
        spatial = (layer(rate, **scope.options("spatial_dropout")),) if rate else ()
        return scope.make_dropout(self.dropout) + spatial

    def make_finish(self, channels: int, scope: LayerScope) -> Nodes:
        """Make the layers after a convolution: normalization, activation, dropout."""
        return self.make_norm(channels, scope) + self.make_activation(scope) + self.make_dropouts(scope)


def initializer_for(activation: str) -> str:
    """Return the initializer: He et al. 2015 before a ReLU, Glorot and Bengio 2010 elsewhere."""
    return "he_normal" if activation == "relu" else "glorot_uniform"


def reading(layer: TimeLayer) -> dict[str, Any]:
    """Return the arguments of a convolution that reads time as the block says.

    >>> reading(TimeLayer(5, stride=2))
    {'kernel_size': 5, 'strides': 2, 'dilation_rate': 1, 'padding': 'same'}
    """
    return dict(zip(("kernel_size", "strides", "dilation_rate", "padding"), layer, strict=True))
