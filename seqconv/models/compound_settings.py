"""Blocks of the model with branches: residual families and Inception."""

from typing import Literal

from pydantic import Field, model_validator

from seqconv.geometry import TimeGeometry, TimeLayer, widest
from seqconv.models.block_settings import (
    Block,
    Dilation,
    Dropout,
    Filters,
    FinishedBlock,
    KeptLength,
    KernelSize,
    KernelSizes,
    Strides,
    refuse_strided_dilation,
)
from seqconv.parts import Fraction, PositiveInt

_REPEAT = Field(default=1, description="Copies of this block; only the first takes the stride.")
_STOCHASTIC_DEPTH = Field(
    default=0.0, description="Leaves the body out for that part of the sequences in training (Huang et al. 2016)."
)


class ResidualBlock(FinishedBlock):
    """Convolutions with a shortcut around them (He et al. 2016).

    With `separable: true` and `shortcut: conv` it is the block of QuartzNet and MatchboxNet (Majumdar and Ginsburg
    2020).
    """

    type: Literal["residual"]
    filters: Filters
    kernel_sizes: KernelSizes = Field(default=(3, 3), description="One convolution in the body for each.")
    strides: Strides = 1
    dilation_rate: Dilation = 1
    padding: KeptLength = "same"
    separable: bool = Field(default=False, description="Separable convolutions in the body.")
    pre_activation: bool = Field(default=False, description="Normalize and activate before each convolution.")
    shortcut: Literal["auto", "conv"] = Field(
        default="auto", description="auto: a pointwise convolution only if channels or frames change."
    )
    squeeze_excite: PositiveInt | None = Field(default=None, description="Reduction of a squeeze-and-excite layer.")
    stochastic_depth: Fraction = _STOCHASTIC_DEPTH
    repeat: PositiveInt = _REPEAT

    @property
    def time_layers(self) -> TimeGeometry:
        return tuple(
            TimeLayer(kernel_size, self.strides if copy == index == 0 else 1, self.dilation_rate, self.padding)
            for copy in range(self.repeat)
            for index, kernel_size in enumerate(self.kernel_sizes)
        )

    @model_validator(mode="after")
    def _arguments_agree(self) -> "ResidualBlock":
        refuse_strided_dilation(self.strides, self.dilation_rate)
        return self


class TCNBlock(FinishedBlock):
    """A temporal convolutional network: residual pairs of dilated convolutions (Bai et al. 2018), here normalized as
    `norm` says instead of by their weights."""

    type: Literal["tcn"]
    filters: Filters
    kernel_size: KernelSize = 3
    dilations: tuple[PositiveInt, ...] = Field(
        default=(1, 2, 4, 8), min_length=1, description="One residual pair of convolutions for each."
    )
    padding: KeptLength = Field(default="causal", description="causal: no output looks ahead.")
    stochastic_depth: Fraction = _STOCHASTIC_DEPTH

    @property
    def time_layers(self) -> TimeGeometry:
        return tuple(
            TimeLayer(self.kernel_size, 1, dilation, self.padding) for dilation in self.dilations for _ in range(2)
        )


class ConvNeXtBlock(Block):
    """Depthwise convolution, layer normalization and an inverted bottleneck, with a shortcut (Liu et al. 2022)."""

    type: Literal["convnext"]
    kernel_size: KernelSize = 7
    expansion: PositiveInt = Field(default=4, description="The bottleneck has expansion * channels units.")
    layer_scale: float | None = Field(default=1e-6, gt=0, description="First scale of the body; null: none.")
    padding: KeptLength = "same"
    dropout: Dropout = 0.0
    stochastic_depth: Fraction = _STOCHASTIC_DEPTH
    repeat: PositiveInt = Field(default=1, description="Copies of this block.")

    @property
    def time_layers(self) -> TimeGeometry:
        return (TimeLayer(self.kernel_size, padding=self.padding), TimeLayer(1), TimeLayer(1)) * self.repeat


class InvertedBottleneckBlock(FinishedBlock):
    """Expand, convolve depthwise, squeeze, with a shortcut where channels and frames stay (Sandler et al. 2018)."""

    type: Literal["inverted_bottleneck"]
    filters: Filters
    kernel_size: KernelSize = 3
    strides: Strides = 1
    expansion: PositiveInt = Field(default=4, description="The bottleneck has expansion * channels units.")
    padding: KeptLength = "same"
    squeeze_excite: PositiveInt | None = Field(default=None, description="Reduction of a squeeze-and-excite layer.")
    stochastic_depth: Fraction = _STOCHASTIC_DEPTH
    repeat: PositiveInt = _REPEAT

    @property
    def time_layers(self) -> TimeGeometry:
        layers: TimeGeometry = ()
        for copy in range(self.repeat):
            strides = self.strides if copy == 0 else 1
            layers += (TimeLayer(1), TimeLayer(self.kernel_size, strides, padding=self.padding), TimeLayer(1))
        return layers


class InceptionBlock(FinishedBlock):
    """Convolutions of several sizes and a pooling side by side, `depth` times, with a shortcut around them all
    (Ismail Fawaz et al. 2020)."""

    type: Literal["inception"]
    filters: PositiveInt = Field(default=32, description="Of each branch: a module returns (sizes + 1) * filters.")
    kernel_sizes: KernelSizes = Field(default=(10, 20, 40), description="One convolution side by side for each.")
    bottleneck: PositiveInt | None = Field(default=32, description="Channels before the convolutions; null: all.")
    pool_size: PositiveInt = Field(default=3, description="Frames that the pooling branch takes the maximum of.")
    depth: PositiveInt = Field(default=3, description="Modules within one shortcut.")
    residual: bool = Field(default=True, description="A shortcut around the modules.")
    padding: KeptLength = "same"
    repeat: PositiveInt = Field(default=1, description="Copies of this block.")

    @property
    def time_layers(self) -> TimeGeometry:
        first = (TimeLayer(1),) if self.bottleneck else ()
        convolutions = [(*first, TimeLayer(size, padding=self.padding)) for size in self.kernel_sizes]
        pooling = (TimeLayer(self.pool_size, padding=self.padding), TimeLayer(1))
        return widest([*convolutions, pooling]) * self.depth * self.repeat
