"""Features that were computed elsewhere."""

from typing import Annotated, Literal

from pydantic import Field

from seqconv.features.kinds.base import FeatureKind
from seqconv.parts import register


@register
class Precomputed(FeatureKind):
    """Features that were computed elsewhere and lie in arrays, tables and `.ts` files."""

    kind: Literal["precomputed"] = "precomputed"
    columns: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Columns of precomputed tables; default all numeric ones."
    )
    key: str | None = Field(default=None, description="Name of the array in precomputed .npz files.")
    frame_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="Frames a second of precomputed features, for labels whose times are in seconds."
    )

    @property
    def num_features(self) -> None:
        return None

    @property
    def seconds_per_frame(self) -> float | None:
        return None if self.frame_rate is None else 1 / self.frame_rate
