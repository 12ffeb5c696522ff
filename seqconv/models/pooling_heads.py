"""The head of the model: from the frames of a sequence to one vector, or to one prediction per frame."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from seqconv.parts import PositiveInt, Registry, Section, register

Statistic = Literal["proportion", "mean", "mean_index", "spread", "longest", "stretches"]


class PoolingHead(Section):
    """A pooling: what its keys are, and the layer that it is.

    One of your own derives from this class, has a field `type: Literal["..."]`, and is decorated with
    `seqconv.register`. Its layer derives from `seqconv.layers.GlobalPooling1D`, which also says what each frame brought
    to the pooled vector (`shares`). Raise `version` when the same settings come to mean another layer.
    """

    registry: ClassVar[Registry[type["PoolingHead"]]] = Registry("pooling head")
    version: ClassVar[int] = 1
    # Whether there is no pooling, but a prediction for each frame.
    predicts_frames: ClassVar[bool] = False

    def build(self, **options: Any) -> Any:
        """Build the layer; `options` are its name and dtype.

        Import Keras and `seqconv.layers` here, not at the top of the file: configs are read without them.
        """
        raise NotImplementedError(f"pooling head {type(self).__name__} does not say which layer it is")


class _LayerPooling(PoolingHead):
    """A pooling by a layer of this package, whose arguments are the other keys."""

    type: str

    def build(self, **options: Any) -> Any:
        from seqconv.layers import global_pooling, soft_global_pooling

        layer = {
            "mean": global_pooling.MaskedGlobalAveragePooling1D,
            "max": global_pooling.MaskedGlobalMaxPooling1D,
            "last": global_pooling.MaskedLastFrame1D,
            "statistics": global_pooling.MaskedStatisticsPooling1D,
            "attentive_statistics": soft_global_pooling.MaskedAttentiveStatisticsPooling1D,
            "generalized_mean": soft_global_pooling.MaskedGeneralizedMeanPooling1D,
            "log_sum_exp": soft_global_pooling.MaskedLogSumExpPooling1D,
        }[self.type]
        return layer(**self.model_dump(exclude={"type"}), **options)


@register
class SimplePooling(_LayerPooling):
    """Pooling by mean, max, last (the last frame) or statistics (mean and deviation, as in x-vectors, Snyder et al.
    2018)."""

    type: Literal["mean", "max", "last", "statistics"]


@register
class AttentivePooling(_LayerPooling):
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


@register
class GeneralizedMeanPooling(_LayerPooling):
    """The p-th root of the mean p-th power, p learned: the mean at 1, the maximum in the limit (Radenović et al. 2019).
    Reads values below 1e-6 as 1e-6, so it belongs after a ReLU."""

    type: Literal["generalized_mean"]
    power: float = Field(default=3.0, gt=0, description="First value of p.")


@register
class LogSumExpPooling(_LayerPooling):
    """`log(mean(exp(r * x))) / r`: a smooth maximum (Pinheiro and Collobert 2015)."""

    type: Literal["log_sum_exp"]
    sharpness: float = Field(default=1.0, gt=0, description="r: the mean near 0, the maximum in the limit.")


@register
class ThresholdPooling(PoolingHead):
    """Statistics of the frames in which a channel is above thresholds: how many, how far, when, how long.

    Thresholds are quantiles of its values in training (Dempster et al. 2021, Tan et al. 2022).
    """

    type: Literal["thresholds"]
    thresholds: PositiveInt = Field(default=1, description="Thresholds of each channel.")
    statistics: Annotated[tuple[Statistic, ...], Field(min_length=1)] = Field(
        default=("proportion", "mean_index", "spread", "longest", "stretches"),
        description="proportion: of the frames above; mean: of how far they are above; mean_index: their middle, 0 at "
        "the start and 1 at the end; spread: the deviation of their indices; longest: the longest stretch of them; "
        "stretches: how many there are. Spread, longest and stretches are divided by the frames of the sequence.",
    )

    def build(self, **options: Any) -> Any:
        from seqconv.layers import MaskedThresholdPooling1D

        return MaskedThresholdPooling1D(self.thresholds, self.statistics, **options)


@register
class FramesHead(PoolingHead):
    """A head without pooling: one prediction for each frame, or each s-th if the stack has a total stride s."""

    type: Literal["frames"]
    predicts_frames: ClassVar[bool] = True


def as_sections(value: Any) -> Any:
    """Turn names, or one of them, into sections: `mean` becomes `[{type: mean}]`.

    >>> as_sections(["mean", {"type": "max"}])
    [{'type': 'mean'}, {'type': 'max'}]
    """
    values = list(value) if isinstance(value, list | tuple) else [value]
    return [{"type": item} if isinstance(item, str) else item for item in values]
