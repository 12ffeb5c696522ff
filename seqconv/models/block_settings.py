"""Blocks of the model: single layers over time, with their normalization, activation and dropout."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from seqconv.geometry import TimeGeometry, TimeLayer
from seqconv.parts import Fraction, PositiveInt, Section

Activation = Literal["relu", "gelu", "silu", "elu", "leaky_relu", "tanh", "sigmoid", "linear"]
Norm = Literal["batch", "layer", "group", "instance", "none"]
Padding = Annotated[
    Literal["same", "causal", "valid"],
    Field(
        description="same: centered, and no frame is lost; causal: no output looks ahead; valid: only outputs whose "
        "whole kernel is within the sequence."
    ),
]
KeptLength = Annotated[Literal["same", "causal"], Field(description="same: centered; causal: no output looks ahead.")]
Filters = Annotated[PositiveInt, Field(description="Channels that come out.")]
KernelSize = Annotated[PositiveInt, Field(description="Frames that the kernel reads.")]
Strides = Annotated[PositiveInt, Field(description="Input frames from one output frame to the next.")]
Dilation = Annotated[PositiveInt, Field(description="Input frames from one tap of the kernel to the next.")]
Dropout = Annotated[Fraction, Field(description="Part of the values that training drops.")]
SpatialDropout = Annotated[Fraction, Field(description="Part of the channels of a sequence that training drops.")]


class Block(Section):
    """What every block says of itself: how it reads time, and whether rows of several sequences suit it."""

    packable: ClassVar[bool] = True

    @property
    def sees_all(self) -> bool:
        """Whether an output frame depends on all frames of its sequence."""
        return False

    @property
    def time_layers(self) -> TimeGeometry:
        """The layers of this block that read time, in order."""
        return ()


class FinishedBlock(Block):
    """Normalization, activation and dropout, which follow a convolution."""

    norm: Norm = Field(
        default="batch",
        description="batch: statistics of the real frames of a batch; group, instance: of each sequence; "
        "layer: of each frame.",
    )
    norm_groups: PositiveInt = Field(default=8, description="Groups of channels, if norm is 'group'.")
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


class _Convolution(FinishedBlock):
    """The arguments of a convolution over time."""

    kernel_size: KernelSize = 3
    strides: Strides = 1
    dilation_rate: Dilation = 1
    padding: Padding = "same"
    repeat: PositiveInt = Field(default=1, description="Copies of this block; only the first takes the stride.")

    @property
    def time_layers(self) -> TimeGeometry:
        return tuple(
            TimeLayer(self.kernel_size, self.strides if copy == 0 else 1, self.dilation_rate, self.padding)
            for copy in range(self.repeat)
        )

    @model_validator(mode="after")
    def _arguments_agree(self) -> "_Convolution":
        refuse_strided_dilation(self.strides, self.dilation_rate)
        return self


class ConvBlock(_Convolution):
    """Convolution, normalization, activation, dropout; arguments as in `keras.layers.Conv1D`."""

    type: Literal["conv"] = "conv"
    filters: Filters
    groups: PositiveInt = Field(default=1, description="Groups of channels, each convolved by itself.")

    @model_validator(mode="after")
    def _groups_divide(self) -> "ConvBlock":
        if self.filters % self.groups:
            raise ValueError(f"filters={self.filters} must be a multiple of groups={self.groups}")
        return self


class DepthwiseConvBlock(_Convolution):
    """Convolution of each channel by itself, as `keras.layers.DepthwiseConv1D`."""

    type: Literal["depthwise_conv"]
    depth_multiplier: PositiveInt = Field(default=1, description="Channels that come out for each that goes in.")


class SeparableConvBlock(_Convolution):
    """Depthwise, then pointwise convolution: the time-channel separable one of QuartzNet (Kriman et al. 2020)."""

    type: Literal["separable_conv"]
    filters: Filters


class PoolBlock(Block):
    """Pooling over time inside the stack."""

    type: Literal["max_pool", "average_pool"]
    pool_size: PositiveInt = Field(default=2, description="Frames in a window.")
    strides: PositiveInt | None = Field(
        default=None, description="Input frames from one window to the next; default: pool_size."
    )
    padding: KeptLength = "same"

    @property
    def time_layers(self) -> TimeGeometry:
        return (TimeLayer(self.pool_size, self.strides or self.pool_size, 1, self.padding),)


class SqueezeExciteBlock(Block):
    """Weighs the channels by what the whole sequence holds (Hu et al. 2018)."""

    type: Literal["squeeze_excite"]
    reduction: PositiveInt = Field(default=4, description="The bottleneck has channels / reduction units.")

    @property
    def sees_all(self) -> bool:
        return True


class LengthBlock(Block):
    """Appends a channel with `log(frames / reference)`: how long the sequence is, which convolutions and poolings
    cannot tell."""

    type: Literal["length"]
    reference: float = Field(
        default=100.0, gt=0, description="Frames for which the channel is 0; about as many as sequences have."
    )

    @property
    def sees_all(self) -> bool:
        return True


class RecurrentBlock(Block):
    """A recurrent layer that returns a sequence. It cannot be packed: use `batching.strategy: bucketed`."""

    type: Literal["lstm", "gru"]
    units: PositiveInt = Field(description="Size of the state in each direction.")
    bidirectional: bool = Field(default=False, description="Also read from the end; twice as many channels come out.")
    dropout: Dropout = 0.0
    packable: ClassVar[bool] = False

    @property
    def sees_all(self) -> bool:
        return True


class AttentionBlock(Block):
    """Self-attention within each sequence, before it a layer normalization, around it a residual connection."""

    type: Literal["attention"]
    num_heads: PositiveInt = Field(default=4, description="Attention heads, which share the channels.")
    key_dim: PositiveInt | None = Field(default=None, description="Size of a head; default: channels / num_heads.")
    feed_forward: PositiveInt | None = Field(
        default=None, description="Units of a residual feed-forward layer after the attention; default: none."
    )
    activation: Activation = Field(default="gelu", description="Function inside the feed-forward layer.")
    dropout: Dropout = 0.0

    @property
    def sees_all(self) -> bool:
        return True

    @property
    def time_layers(self) -> TimeGeometry:
        return (TimeLayer(1), TimeLayer(1)) if self.feed_forward else ()


def refuse_strided_dilation(strides: int, dilation_rate: int) -> None:
    """Raises ValueError where both are more than 1."""
    if strides > 1 and dilation_rate > 1:
        raise ValueError(
            f"strides={strides} and dilation_rate={dilation_rate} cannot both be more than 1: "
            "Keras has no such convolution. Put the stride into a block of its own"
        )


def with_defaults(block: Any, defaults: dict[str, Any], sections: dict[str, type[Block]]) -> Any:
    """A block as the user wrote it, with the model's defaults for the keys that its type has."""
    if not isinstance(block, dict):
        return block
    block = {"type": "conv", **block}
    section = sections.get(str(block["type"]))
    fields = section.model_fields if section else {}
    return {**{name: value for name, value in defaults.items() if name in fields}, **block}


KernelSizes = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
