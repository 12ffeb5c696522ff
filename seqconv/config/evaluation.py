"""The `evaluation` section: intervals and breakdowns of the scores."""

from typing import Annotated

from pydantic import Field

from seqconv.config.section import PositiveInt, Section


class EvaluationConfig(Section):
    """How scores are reported."""

    bootstrap: Annotated[int, Field(ge=0)] = Field(default=1000, description="Resamples for the intervals; 0: none.")
    confidence: Annotated[float, Field(gt=0, lt=1)] = Field(default=0.95, description="Coverage of the intervals.")
    calibration_bins: PositiveInt = Field(default=15, description="Bins of the calibration error.")
    length_bins: PositiveInt = Field(default=4, description="Classes of length in the scores by length; 4: quartiles.")
    report: bool = Field(default=True, description="Write report.html, which shows the run, at its end.")
