"""The head of the model: from the frames of a sequence to one vector, or to one prediction per frame."""

from typing import Annotated, Any, Literal

from pydantic import Field

from seqconv.parts import PositiveInt, Section


class SimplePooling(Section):
    """mean, max; last: the last frame; statistics: mean and deviation, as in x-vectors (Snyder et al. 2018)."""

    type: Literal["mean", "max", "last", "statistics"]


class AttentivePooling(Section):
    """Weighted mean and standard deviation, the weights learned (Okabe et al. 2018)."""

    type: Literal["attentive_statistics"]
    units: PositiveInt = Field(default=128, description="Units of the hidden layer that scores frames.")
    per_channel: bool = Field(
        default=False, description="A weight for each channel instead of one for all, as in ECAPA-TDNN."
    )
    context: bool = Field(
        default=False,
        description="Scores also look at mean and deviation of the whole sequence, as in ECAPA-TDNN "
        "(Desplanques et al. 2020).",
    )


class GeneralizedMeanPooling(Section):
    """The p-th root of the mean p-th power, p learned: the mean at 1, the maximum in the limit (Radenović et al.
    2019). Reads values below 1e-6 as 1e-6, so it belongs behind a ReLU."""

    type: Literal["generalized_mean"]
    power: float = Field(default=3.0, gt=0, description="First value of p.")


class LogSumExpPooling(Section):
    """`log(mean(exp(r * x))) / r`: a smooth maximum (Pinheiro and Collobert 2015)."""

    type: Literal["log_sum_exp"]
    sharpness: float = Field(default=1.0, gt=0, description="r: the mean near 0, the maximum in the limit.")


class FramesHead(Section):
    """No pooling: one prediction for each frame, or each s-th where the stack has a total stride s."""

    type: Literal["frames"]


Pooling = Annotated[
    SimplePooling | AttentivePooling | GeneralizedMeanPooling | LogSumExpPooling | FramesHead,
    Field(discriminator="type"),
]
PoolingName = Literal[
    "mean", "max", "last", "statistics", "attentive_statistics", "generalized_mean", "log_sum_exp", "frames"
]


def as_sections(value: Any) -> Any:
    """Names, or one of them, as sections: `mean` for `[{type: mean}]`.

    >>> as_sections(["mean", {"type": "max"}])
    [{'type': 'mean'}, {'type': 'max'}]
    """
    values = list(value) if isinstance(value, list | tuple) else [value]
    return [{"type": item} if isinstance(item, str) else item for item in values]
