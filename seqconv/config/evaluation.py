"""The `evaluation` section: decision rules, and intervals and breakdowns of the scores."""

from typing import Annotated, Literal

from pydantic import Field

from seqconv.parts import PositiveInt, Role, Section

Aggregate = Literal["mean", "max", "lse"]
Length = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Duration = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class EventScoring(Section):
    """Rules that turn windows or frames into events, and rules that score these; all in seconds."""

    median: Duration | None = Field(
        default=None,
        description="Width of a median filter over the hits of each class. Null, for this and the next two: of models "
        "that predict frames, chosen on valid by the event F1, and saved in the model; else 0.",
    )
    max_gap: Duration | None = Field(
        default=None, description="Hits of a class with at most this between them are one event; null: see median."
    )
    min_seconds: Duration | None = Field(default=None, description="Shorter events are left out; null: see median.")
    collar: Length = Field(default=0.2, description="A found event may begin this much earlier or later.")
    segment: Length = Field(default=1.0, description="Length of the segments of the segment-based scores.")

    @property
    def known_rules(self) -> dict[str, float]:
        """Those rules by which events are found that are not left to a choice."""
        rules = {"median": self.median, "max_gap": self.max_gap, "min_seconds": self.min_seconds}
        return {name: value for name, value in rules.items() if value is not None}


class WantedPrecision(Section):
    """The precision that thresholds should reach."""

    precision: Annotated[float, Field(gt=0, le=1)] = Field(description="Least share of the given labels that is right.")


class EvaluationConfig(Section):
    """Settings of scores and reports."""

    bootstrap: Annotated[int, Field(ge=0), Role.COSMETIC] = Field(
        default=1000, description="Resamples for the intervals; 0: none."
    )
    confidence: Annotated[float, Field(gt=0, lt=1), Role.COSMETIC] = Field(
        default=0.95, description="Coverage of the intervals."
    )
    calibration_bins: Annotated[PositiveInt, Role.COSMETIC] = Field(
        default=15, description="Bins of the calibration error."
    )
    length_bins: Annotated[PositiveInt, Role.COSMETIC] = Field(
        default=4, description="Classes of length in the scores by length; 4: quartiles."
    )
    slices: Annotated[tuple[str, ...], Role.COSMETIC] = Field(
        default=(),
        description="Columns of the manifest whose values get separate scores, or group. A column of numbers with "
        "more than 10 values is cut into length_bins classes with about as many sequences each.",
    )
    thresholds: Literal["f1"] | WantedPrecision | None = Field(
        default=None,
        description="Thresholds of the probabilities, chosen on valid, saved in the model. f1: with the best "
        "F1 (of two classes, the mean of both); {precision: 0.9}: with the most found at that precision; null: 0.5.",
    )
    positive: str | None = Field(
        default=None, description="Of two classes, the one that thresholds gives; null: the rarer one of valid."
    )
    calibration: Literal["temperature"] | None = Field(
        default=None,
        description="temperature: logits are divided by the number with the smallest log loss on valid, saved in the "
        "model, so that probabilities say how often they are right.",
    )
    report: Annotated[bool, Role.COSMETIC] = Field(default=True, description="Write report.html at the end of the run.")
    aggregate: Aggregate = Field(
        default="mean",
        description="How windows answer for their recording: mean, highest, or a soft maximum (log-sum-exp).",
    )
    events: EventScoring = Field(
        default=EventScoring(), description="How events are found in windows or frames, and scored."
    )
