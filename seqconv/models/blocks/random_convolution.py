"""Random convolutions: fixed kernels, of which a head takes statistics that a linear model can tell classes by."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from seqconv.geometry import TimeGeometry, TimeLayer, widest
from seqconv.models.blocks import keys
from seqconv.models.blocks.base import Block, Built, LayerScope, Lengths
from seqconv.models.nodes import Nodes, Parallel
from seqconv.parts import PositiveInt, register

Form = Literal[
    "frames", "differences", "compressed", "smoothed",
    "standardized", "standardized_differences", "standardized_smoothed",
]  # fmt: skip
KERNEL_SIZE = 9
# Of the training sequences: one recording of an hour among short ones would leave most dilations too long for these.
COVERED = 0.95


@register
class RandomConvolutionBlock(Block):
    """MiniRocket's 84 fixed kernels at several dilations (Dempster et al. 2021), over a few features each.

    Put `pooling: thresholds` after it and a head of `training.solver: ridge`, or blocks that learn.
    """

    type: Literal["random_convolutions"]
    dilations: Literal["auto"] | Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = Field(
        default="auto",
        description="Frames from tap to tap, 84 kernels for each; if one stands here twice, its kernels are over other "
        "features and have thresholds of their own. auto: from 1 to those with which a kernel covers all but the "
        "longest twentieth of the training sequences, evenly on a logarithmic scale.",
    )
    num_dilations: PositiveInt = Field(
        default=16,
        description="How many dilations, if they are auto; for short sequences, the same ones several times.",
    )
    inputs: Annotated[tuple[Form, ...], Field(min_length=1)] = Field(
        default=("frames", "smoothed"),
        description="Forms of the sequence side by side, each with kernels of its own: its frames, the differences of "
        "neighboring ones, compressed values (as a logarithm does), running sums, which give means over as many frames "
        "as the dilation (smoothed); and three of these after each sequence is standardized by its own mean and "
        "deviation, which takes a first pass over it.",
    )
    keep_inputs: bool = Field(
        default=True, description="Also pass on the frames themselves, for their level and scale."
    )
    padding: keys.KeptLength = "same"
    most_features: PositiveInt = Field(default=8, description="A kernel sums over at most so many features.")
    seed: int = Field(default=0, ge=0, description="Draws which features each kernel sums over.")

    @field_validator("inputs")
    @classmethod
    def _each_once(cls, values: Any) -> Any:
        if len(set(values)) < len(values):
            raise ValueError(f"{list(values)} names something twice; name each once")
        return values

    @property
    def sees_all(self) -> bool:
        return any(form.startswith("standardized") for form in self.inputs)

    @property
    def time_layers(self) -> TimeGeometry:
        # Until the lengths are known, as short as it can be.
        dilations = (1,) if self.dilations == "auto" else self.dilations
        kernel = TimeLayer(KERNEL_SIZE, 1, max(dilations), self.padding)
        return widest([(*_before(form), kernel) for form in self.inputs])

    def fitted_to(self, lengths: Lengths) -> "RandomConvolutionBlock":
        if self.dilations != "auto":
            return self
        most = max(1.0, (float(np.quantile(lengths, COVERED)) - 1) / (KERNEL_SIZE - 1))
        dilations = np.floor(np.geomspace(1, most, self.num_dilations) * (1 + 1e-9)).astype(int)
        return self.model_copy(update={"dilations": tuple(dilations.tolist())})

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import (
            MaskedCompression,
            MaskedDifference1D,
            MaskedRandomConvolution1D,
            MaskedSequenceStandardization,
        )

        if self.dilations == "auto":
            reason = "'auto' follows from the lengths of the training sequences, which are unknown here. Give a list"
            raise scope.refuse("dilations", reason)
        branches: list[Nodes] = [()] if self.keep_inputs else []
        outputs = channels if self.keep_inputs else 0
        for index, form in enumerate(self.inputs):
            place = scope.inside(form)
            nodes: Nodes = ()
            if form.startswith("standardized"):
                nodes += (MaskedSequenceStandardization(**place.options("standardization")),)
            if form == "compressed":
                nodes += (MaskedCompression(**place.options("compression")),)
            if _before(form):
                nodes += (MaskedDifference1D(**place.options("difference")),)
            kernels = MaskedRandomConvolution1D(
                self.dilations,
                most_features=self.most_features,
                padding=self.padding,
                smoothed=form.endswith("smoothed"),
                seed=self.seed + index,
                **place.options("conv"),
            )
            branches.append((*nodes, kernels))
            outputs += kernels.output_channels(channels)
        return (Parallel(tuple(branches)),), outputs


def _before(form: str) -> TimeGeometry:
    """Return how a form reads time before the kernels do."""
    return (TimeLayer(2, padding="causal"),) if form.endswith("differences") else ()
