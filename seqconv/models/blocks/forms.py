"""Forms of a sequence side by side, before blocks that learn."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from seqconv.geometry import TimeGeometry, TimeLayer, widest
from seqconv.models.blocks.base import Block, Built, LayerScope
from seqconv.models.nodes import Nodes, Parallel
from seqconv.parts import register

PlainForm = Literal["frames", "differences", "compressed", "standardized", "standardized_differences"]


@register
class FormsBlock(Block):
    """Frames as they are, and their differences, compressed or standardized values, side by side.

    With `[frames, standardized]`, the blocks after it see the form of a sequence and its level.
    """

    type: Literal["forms"]
    inputs: Annotated[tuple[PlainForm, ...], Field(min_length=1)] = Field(
        default=("frames", "standardized"),
        description="frames: as they are; differences: of each frame from the one before; compressed: as a logarithm "
        "does, with sign; standardized: each sequence by its own mean and deviation, which takes a first pass over it.",
    )

    @field_validator("inputs")
    @classmethod
    def _each_once(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(values)) < len(values):
            raise ValueError(f"{list(values)} names something twice; name each once")
        return values

    @property
    def sees_all(self) -> bool:
        return any(form.startswith("standardized") for form in self.inputs)

    @property
    def time_layers(self) -> TimeGeometry:
        return widest([(TimeLayer(2, padding="causal"),) if _differs(form) else () for form in self.inputs])

    def build(self, channels: int, scope: LayerScope) -> Built:
        from seqconv.layers import MaskedCompression, MaskedDifference1D, MaskedSequenceStandardization

        branches: list[Nodes] = []
        for form in self.inputs:
            place = scope.inside(form)
            nodes: Nodes = ()
            if form.startswith("standardized"):
                nodes += (MaskedSequenceStandardization(**place.options("standardization")),)
            if form == "compressed":
                nodes += (MaskedCompression(**place.options("compression")),)
            if _differs(form):
                nodes += (MaskedDifference1D(**place.options("difference")),)
            branches.append(nodes)
        return (Parallel(tuple(branches)),), channels * len(branches)


def _differs(form: str) -> bool:
    return form.endswith("differences")
