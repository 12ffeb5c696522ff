"""The keys that many blocks have."""

from typing import Annotated, Any, Literal

from pydantic import Field

from seqconv.parts import Fraction, PositiveInt

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
Repeat = Annotated[PositiveInt, Field(description="Copies of this block.")]
StridedRepeat = Annotated[PositiveInt, Field(description="Copies of this block; only the first takes the stride.")]
StochasticDepth = Annotated[
    Fraction, Field(description="Leaves the body out for that part of the sequences in training (Huang et al. 2016).")
]
SqueezeExcite = Annotated[PositiveInt | None, Field(description="Reduction of a squeeze-and-excite layer.")]
# Of time and of bands.
Pair = PositiveInt | tuple[PositiveInt, PositiveInt]
KernelSize2D = Annotated[Pair, Field(description="Frames and bands that the kernel reads; one number for both.")]
Strides2D = Annotated[
    Pair, Field(description="Input frames and bands from one output frame or band to the next; one number for both.")
]
Dilation2D = Annotated[
    Pair, Field(description="Input frames and bands from one tap of the kernel to the next; one number for both.")
]
BandPadding = Annotated[
    Literal["same", "valid"],
    Field(description="same: as many bands as before, or the strides' part of them; valid: only whole kernels."),
]


def as_pair(value: Any) -> tuple[int, int]:
    """Return the number for time and that for bands.

    >>> as_pair(3), as_pair((3, 1))
    ((3, 3), (3, 1))
    """
    return value if isinstance(value, tuple) else (value, value)
