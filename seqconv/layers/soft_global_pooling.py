"""Global poolings between the mean and the maximum, and those that learn which frames count."""

from typing import Any

import keras
import numpy as np
from keras import ops

from seqconv.layers.global_pooling import GlobalPooling1D, MaskedStatisticsPooling1D
from seqconv.layers.masking import Tensor, lowest_value, zero_padding
from seqconv.layers.reduction import SequenceReducer, Summary, as_double, merge_moments, merge_sums
from seqconv.layers.shares import EPSILON, Array, Mask, Shares, shares_in_moments, shares_in_sum

SMALLEST = 1e-6


class _LogMeanPooling1D(GlobalPooling1D):
    """The logarithm of a mean of exponentials, without overflow."""

    def exponents(self, frames: Tensor) -> Tensor:
        """Return what is exponentiated."""
        raise NotImplementedError

    def shares(self, frames: Array, is_real: Mask) -> Shares:
        exponents = as_double(self.exponents(ops.convert_to_tensor(frames)))
        scaled = np.exp(exponents - exponents.max(axis=0))
        pooled = as_double(self(frames[None].astype(np.float32)))[0]
        rule = "it is shared in proportion to the weights of the frames in it."
        return shares_in_sum(scaled / scaled.sum(axis=0) * pooled, f"A {self.mean_name} is no sum over frames: {rule}")

    def summarize_members(self, members: SequenceReducer) -> Summary:
        exponents = self.exponents(members.frames)
        peak = ops.stop_gradient(members.largest(exponents))
        total = members.total(ops.exp(_below_peak(members, exponents, peak)))
        return {"count": members.count, "peak": peak, "total": total}

    @staticmethod
    def merge(first: Summary, second: Summary) -> Summary:
        peak, first, second = _at_common_peak(first, second, ("total",))
        return {**merge_sums(first, second), "peak": peak}

    def _log_mean(self, summary: Summary) -> Tensor:
        mean = summary["total"] / ops.maximum(summary["count"], 1)
        is_used = summary["count"] > 0
        return ops.where(is_used, summary["peak"], 0) + ops.log(ops.where(is_used, mean, 1))


class MaskedLogSumExpPooling1D(_LogMeanPooling1D):
    """`log(mean(exp(sharpness * x))) / sharpness`, a smooth maximum (Pinheiro and Collobert 2015).

    Args:
        sharpness: near the mean where it is small, near the maximum where it is large.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(batch, channels)`, or `(batch, num_slots, channels)` when `num_slots` is given; 0 for an empty slot.
    """

    mean_name = "log-sum-exp"

    def __init__(self, sharpness: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        if sharpness <= 0:
            raise ValueError(f"sharpness must be above 0, got {sharpness}.")
        self.sharpness = sharpness

    def exponents(self, frames: Tensor) -> Tensor:
        return frames * self.sharpness

    def pool(self, summary: Summary) -> Tensor:
        return self._log_mean(summary) / self.sharpness


class MaskedGeneralizedMeanPooling1D(_LogMeanPooling1D):
    """`mean(max(x, 1e-6) ** p) ** (1 / p)`, the power p learned (Radenović et al. 2019); for features after a ReLU.

    Args:
        power: first value of p; 1 is the mean, infinity the maximum. It stays positive.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(batch, channels)`, or `(batch, num_slots, channels)` when `num_slots` is given; 0 for an empty slot.
    """

    mean_name = "generalized mean"

    def __init__(self, power: float = 3.0, **options: Any) -> None:
        super().__init__(**options)
        if power <= 0:
            raise ValueError(f"power must be above 0, got {power}.")
        self.power = power

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        initializer = keras.initializers.Constant(float(np.log(self.power)))
        self.log_power = self.add_weight(name="log_power", shape=(), initializer=initializer)

    @property
    def learned_power(self) -> Tensor:
        """The value of p now."""
        return ops.exp(ops.convert_to_tensor(self.log_power))

    def exponents(self, frames: Tensor) -> Tensor:
        logarithms = ops.log(ops.maximum(frames, SMALLEST))
        return logarithms * ops.cast(self.learned_power, logarithms.dtype)

    def pool(self, summary: Summary) -> Tensor:
        exponent = self._log_mean(summary)
        return ops.exp(exponent / ops.cast(self.learned_power, exponent.dtype))


class MaskedAttentiveStatisticsPooling1D(GlobalPooling1D):
    """Weighted mean and standard deviation over the real frames of each sequence; the weights are a softmax over time
    of scores that a small network learns (Okabe et al. 2018).

    Args:
        units: units of the hidden layer that scores frames.
        per_channel: a score for each channel, instead of one for all (Desplanques et al. 2020, ECAPA-TDNN).
        context: scores also look at mean and deviation of the whole sequence (ECAPA-TDNN).

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(batch, 2 * channels)`, or `(batch, num_slots, 2 * channels)` when `num_slots` is given; 0 for an empty slot.
    """

    values_per_channel = 2

    def __init__(self, units: int = 128, *, per_channel: bool = False, context: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.units, self.per_channel = units, per_channel
        # Where scores need the whole sequence, a stream summarizes it in a first pass: `context.summarize`.
        self.context = MaskedStatisticsPooling1D(dtype=self.dtype_policy, name="context") if context else None
        self.hidden = keras.layers.Dense(units, activation="tanh", dtype=self.dtype_policy, name="hidden")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = int(input_shape[-1] or 0)
        self.hidden.build((None, None, channels * (3 if self.context is not None else 1)))
        self.scores = keras.layers.Dense(channels if self.per_channel else 1, dtype=self.dtype_policy, name="scores")
        self.scores.build((None, None, self.units))
        if self.context is not None:
            self.context.build(input_shape)

    def summarize_members(self, members: SequenceReducer, context_summary: Summary | None = None) -> Summary:
        """Return statistics of the frames; `context_summary` are those of the whole sequence, if it has more frames."""
        frames = members.frames
        scores = self._score(members, context_summary)
        peak = ops.stop_gradient(members.largest(scores))
        weights = ops.exp(_below_peak(members, scores, peak))
        total = members.total(weights)
        divisor = ops.maximum(total, ops.cast(SMALLEST, total.dtype))
        mean = members.total(weights * frames) / divisor
        squares = members.total(weights * ops.square(frames - members.spread(mean)))
        return {"count": members.count, "peak": peak, "weight": total, "mean": mean, "squares": squares}

    def _score(self, members: SequenceReducer, context_summary: Summary | None) -> Tensor:
        frames = members.frames
        if self.context is not None:
            summary = context_summary or self.context.summarize_members(members)
            context = members.spread(ops.cast(self.context.finish(summary), frames.dtype))
            context = ops.broadcast_to(context, (*ops.shape(frames)[:2], 2 * frames.shape[-1]))
            frames = ops.concatenate([frames, context], axis=-1)
        return ops.cast(self.scores(self.hidden(frames)), frames.dtype)

    @staticmethod
    def merge(first: Summary, second: Summary) -> Summary:
        peak, first, second = _at_common_peak(first, second, ("weight", "squares"))
        return {**merge_sums(first, second), **merge_moments(first, second, "weight"), "peak": peak}

    def pool(self, summary: Summary) -> Tensor:
        weight = ops.maximum(summary["weight"], ops.cast(SMALLEST, summary["weight"].dtype))
        deviation = ops.sqrt(summary["squares"] / weight + EPSILON)
        return ops.concatenate([summary["mean"], deviation], axis=-1)

    def shares(self, frames: Array, is_real: Mask) -> Shares:
        inputs = frames.astype(np.float32)[None]
        if self.context is not None:
            context = np.asarray(ops.convert_to_numpy(self.context(inputs)))[:, None]
            inputs = np.concatenate([inputs, np.repeat(context, len(frames), axis=1)], axis=-1)
        scores = ops.convert_to_numpy(ops.cast(self.scores(self.hidden(inputs)), "float32"))
        exponents = np.exp(np.asarray(scores, np.float64)[0] - np.max(scores, axis=1))
        note = "The attention weights are taken as they are for this recording. "
        return shares_in_moments(frames, exponents / exponents.sum(axis=0), note)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "context": self.context is not None}


def _below_peak(members: SequenceReducer, values: Tensor, peak: Tensor) -> Tensor:
    """Return differences from the peak of their sequence: at most 0, and 0 in padding, so that `exp` cannot
    overflow."""
    # A slot without frames has the lowest peak, which would hide the others in the product that spreads them.
    peak = ops.where(peak > lowest_value(peak.dtype) / 2, peak, 0)
    return zero_padding(values - members.spread(peak), members.segments)


def _at_common_peak(first: Summary, second: Summary, sums: tuple[str, ...]) -> tuple[Any, Summary, Summary]:
    """Return the larger peak of two pieces, and the pieces with their sums relative to it."""
    peak = np.maximum(as_double(first["peak"]), as_double(second["peak"]))

    def rescale(part: Summary) -> Summary:
        scale = np.exp(np.maximum(as_double(part["peak"]) - peak, -1e4))
        return {**part, **{name: as_double(part[name]) * scale for name in sums}}

    return peak, rescale(first), rescale(second)
