"""The base of all blocks, and the keys that many of them have."""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import Field, model_validator

from seqconv.errors import ConfigError
from seqconv.geometry import TimeGeometry
from seqconv.models.nodes import Nodes
from seqconv.parts import Fraction, PositiveInt, Registry, Section

Activation = Literal["relu", "gelu", "silu", "elu", "leaky_relu", "tanh", "sigmoid", "linear"]
Norm = Literal["batch", "layer", "group", "instance", "none"]
Padding = Annotated[
    Literal["same", "causal", "valid"],
    Field(
        description="same: centered, and no frame is lost; causal: no output looks ahead; valid: only outputs whose "
        "whole kernel lies within the sequence."
    ),
]
KeptLength = Annotated[Literal["same", "causal"], Field(description="same: centered; causal: no output looks ahead.")]
Filters = Annotated[PositiveInt, Field(description="Channels that come out.")]
KernelSize = Annotated[PositiveInt, Field(description="Frames that the kernel reads.")]
KernelSizes = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
Strides = Annotated[PositiveInt, Field(description="Input frames from one output frame to the next.")]
Dilation = Annotated[PositiveInt, Field(description="Input frames from one tap of the kernel to the next.")]
Dropout = Annotated[Fraction, Field(description="Part of the values that training drops.")]
SpatialDropout = Annotated[Fraction, Field(description="Part of the channels of a sequence that training drops.")]
REPEAT = Field(default=1, description="Copies of this block; only the first takes the stride.")
STOCHASTIC_DEPTH = Field(
    default=0.0, description="Leaves the body out for that part of the sequences in training (Huang et al. 2016)."
)

Built = tuple[Nodes, int]


class LayerScope(NamedTuple):
    """The scope of a layer: the position of its block, the name to build on, the dtype policy."""

    block: int
    name: str
    dtype: Any

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

    @property
    def sees_all(self) -> bool:
        """Whether an output frame depends on all frames of its sequence."""
        return False

    @property
    def time_layers(self) -> TimeGeometry:
        """The layers of this block that read time, in order."""
        return ()

    def build(self, channels: int, scope: LayerScope) -> Built:
        """Build the layers, for inputs with that many channels.

        Import Keras and `seqconv.layers` here, not at the top of the file: configs are read without them.

        Args:
            channels: of what comes in.
            scope: gives each layer a name of its own, and the dtype: `Layer(..., **scope.options("name"))`.

        Returns:
            The layers in order (`Residual` and `Parallel` of `seqconv.models.nodes` may stand among them), and the
            channels that come out.
        """
        raise NotImplementedError(f"block {type(self).__name__} does not say of which layers it is built")


class FinishedBlock(Block):
    """Normalization, activation and dropout, which follow a convolution."""

    norm: Norm = Field(
        default="batch",
        description="batch: statistics of the real frames of a batch; group, instance: of each sequence; "
        "layer: of each frame.",
    )
    norm_groups: PositiveInt = Field(default=8, description="Groups of channels, where norm is 'group'.")
    activation: Activation = Field(default="relu", description="Function that follows the normalization.")
    dropout: Dropout = 0.0
    spatial_dropout: SpatialDropout = 0.0

    @property
    def sees_all(self) -> bool:
        return self.norm in ("group", "instance") or getattr(self, "squeeze_excite", None) is not None

    @model_validator(mode="after")
    def _channels_divide(self) -> "FinishedBlock":
        filters = getattr(self, "filters", None)
        if self.norm == "group" and filters is not None and filters % self.norm_groups:
            raise ValueError(f"filters={filters} must be a multiple of norm_groups={self.norm_groups}")
        return self


def refuse_strided_dilation(strides: int, dilation_rate: int) -> None:
    """Raise ValueError if both are more than 1."""
    if strides > 1 and dilation_rate > 1:
        raise ValueError(
            f"strides={strides} and dilation_rate={dilation_rate} cannot both be more than 1: "
            "Keras has no such convolution. Put the stride into a block of its own"
        )


def with_defaults(block: Any, defaults: dict[str, Any]) -> Any:
    """Return a block as the user wrote it, with the model's defaults for the keys that its type has."""
    if not isinstance(block, dict):
        return block
    block = {"type": "conv", **block}
    kind = str(block["type"])
    fields = Block.registry[kind].model_fields if kind in Block.registry else {}
    return {**{name: value for name, value in defaults.items() if name in fields}, **block}
