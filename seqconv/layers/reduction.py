"""Reductions over the frames of each sequence, whether a row has one sequence or several, and layers made of them."""

from math import prod
from typing import Any

import numpy as np
from keras import ops

from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, is_half, is_mask, lowest_value, real_frames, zero_padding

Summary = dict[str, Any]
# With more slots in a row, sums by segment are faster on CPUs than the product with who belongs to which slot.
MANY_SLOTS = 64


class SequenceReducer:
    """The frames of a batch and the sequences that they belong to.

    Without `num_slots` each row is one sequence and results are `(rows, channels)`; with it, `segments` say which slot
    a frame belongs to, and results are `(rows, num_slots, channels)`. Where frames have bands, sums and counts are over
    these as well. Half precision is summed in float32. `known` is
    what is known of the inputs in padding.
    """

    def __init__(self, inputs: Tensor, segments: Any, num_slots: Any = None, known: Padding = Padding.ANY) -> None:
        if num_slots is not None and (segments is None or is_mask(segments)):
            given = "no segments" if segments is None else "a mask"
            raise ValueError(
                f"num_slots={num_slots} and {given}; "
                "which frame belongs to which slot is said by int32 segments (batch, time), -1 for padding."
            )
        self.segments: Any = segments if segments is None else ops.convert_to_tensor(segments)
        self.num_slots = num_slots
        self.frames = zero_padding(at_least_single(ops.convert_to_tensor(inputs)), self.segments, known=known)
        self.membership: Any = None
        if num_slots is not None:
            slots = ops.arange(num_slots, dtype="int32")
            is_member = ops.expand_dims(ops.cast(self.segments, "int32"), 1) == ops.expand_dims(slots, -1)
            self.membership = ops.cast(is_member, self.frames.dtype)

    @property
    def count(self) -> Tensor:
        """Values that each channel of a sequence has: its frames, times their bands; `(rows[, num_slots], 1)`."""
        if self.membership is not None:
            return self.num_bands * ops.sum(self.membership, axis=2, keepdims=True)
        is_real = real_frames(self.frames, self.segments)
        return self.num_bands * ops.sum(ops.reshape(is_real, ops.shape(is_real)[:2]), axis=1, keepdims=True)

    @property
    def num_bands(self) -> int:
        """Bands of a frame; 1 where there are none."""
        return prod(self.frames.shape[2:-1])

    def total(self, values: Tensor, weights: Tensor | None = None) -> Tensor:
        """Sum values `(rows, time[, bands], channels)` over frames and bands, each frame times its weight.

        Weights `(rows, time, 1)` and values must be finite in padding.
        """
        if len(values.shape) > 3:
            # Bands as channels, whose sums are added up at the end: no copy of the features.
            channels, rows = values.shape[-1], ops.shape(values)[0]
            joined = ops.reshape(values, (rows, -1, self.num_bands * channels))
            totals = self.total(joined, weights)
            slots = () if self.membership is None else (self.num_slots,)
            return ops.sum(ops.reshape(totals, (rows, *slots, self.num_bands, channels)), axis=-2)
        if isinstance(self.num_slots, int) and self.num_slots > MANY_SLOTS:
            owner, spare = self._owners()
            values = values if weights is None else values * weights
            totals = ops.segment_sum(rows_of_frames(values), owner, num_segments=spare + 1)[:-1]
            return ops.reshape(totals, (ops.shape(values)[0], self.num_slots, values.shape[-1]))
        if self.membership is None and self.segments is None and weights is None:
            return ops.sum(values, axis=1)
        members = self.membership
        if members is None:
            members = ops.swapaxes(real_frames(values, self.segments), 1, 2)
        if weights is not None:
            members = members * ops.swapaxes(weights, 1, 2)
        totals = ops.matmul(members, values)
        return totals if self.membership is not None else ops.squeeze(totals, axis=1)

    def moments(self) -> Summary:
        """Return count, mean and summed squared deviations over the frames of each sequence, in two passes."""
        mean = self.total(self.frames) / ops.maximum(self.count, 1)
        deviations = ops.square(self.frames - self.spread(mean))
        return {"count": self.count, "mean": mean, "squares": self.total(deviations)}

    def largest(self, values: Tensor) -> Tensor:
        """Return maxima over frames without bands; the lowest value for an empty slot."""
        if len(values.shape) > 3:
            raise ValueError(
                f"what reads maxima, or the first frames, takes (batch, time, channels), got {tuple(values.shape)}. "
                "Put MaskedBandPooling before it, which makes one vector of the bands of a frame."
            )
        lowest = lowest_value(values.dtype)
        if self.num_slots is None:
            return ops.max(zero_padding(values, self.segments, lowest), axis=1)
        largest = _segment_max(rows_of_frames(values), *self._owners())[:-1]
        largest = ops.reshape(largest, (ops.shape(values)[0], self.num_slots, values.shape[-1]))
        return ops.where(self.count > 0, largest, ops.cast(lowest, largest.dtype))

    @property
    def row_index(self) -> Tensor:
        """The index of each frame in its row, `(rows, time, 1)`."""
        return ops.cumsum(ops.ones_like(self.frames[..., :1]), axis=1) - 1

    @property
    def first_index(self) -> Tensor:
        """The index in its row of the first frame of each sequence, `(rows[, num_slots], 1)`; 0 for an empty slot."""
        return ops.where(self.count > 0, -self.largest(-self.row_index), 0)

    def first(self, values: Tensor) -> Tensor:
        """Return the values of the first frame of each sequence; 0 for an empty slot."""
        is_first = ops.equal(self.row_index, self.spread(self.first_index))
        return self.total(ops.where(is_first, values, 0))

    def _owners(self) -> tuple[Tensor, Any]:
        """Return the slot of each frame among those of all rows, `(rows * time,)`, and one more, that of padding."""
        rows = ops.shape(self.segments)[0]
        spare = rows * self.num_slots
        offsets = ops.expand_dims(ops.arange(rows, dtype="int32") * self.num_slots, -1)
        return ops.reshape(ops.where(self.segments >= 0, self.segments + offsets, spare), (-1,)), spare

    def spread(self, values: Tensor) -> Tensor:
        """Return one value a sequence at each of its frames; it broadcasts over time if rows are sequences."""
        if self.membership is None:
            spread = ops.expand_dims(values, 1)
        else:
            spread = ops.matmul(ops.transpose(self.membership, (0, 2, 1)), values)
        return ops.expand_dims(spread, 2) if len(self.frames.shape) > 3 else spread


class SummarizingLayer(MaskedLayer):
    """The base of layers that read whole sequences: a sequence may also be summarized in pieces, and these merged."""

    takes_slots = True

    def summarize(
        self, inputs: Tensor, segments: Tensor | None = None, num_slots: Any = None, **given: Summary | None
    ) -> Summary:
        """Return statistics of the frames of each row, or of each slot, in float32 or higher precision.

        Args:
            given: statistics of the whole sequence, where `inputs` are a piece of it and the layer needs them.
        """
        return self.summarize_members(SequenceReducer(inputs, segments, num_slots), **given)

    def summarize_members(self, members: SequenceReducer) -> Summary:
        raise NotImplementedError

    @staticmethod
    def merge(first: Summary, second: Summary) -> Summary:
        """Merge statistics of one piece with those of the next, in float64."""
        raise NotImplementedError


class SequenceLayer(SummarizingLayer):
    """The base of layers that change each frame according to a summary of its sequence."""

    per_sequence = True

    def __init__(self, **options: Any) -> None:
        # A given summary must not be cast to half precision, which cannot count beyond 65,504 frames.
        super().__init__(**{**options, "autocast": False})

    def call(
        self, inputs: Tensor, segments: Tensor | None = None, num_slots: Any = None, summary: Summary | None = None
    ) -> Tensor:
        members = SequenceReducer(inputs, segments, num_slots)
        found = self.finish(summary or self.summarize_members(members))
        return ops.cast(self.change_frames(members, found), self.compute_dtype)

    def finish(self, summary: Summary) -> Any:
        """Return what the frames of each sequence are changed by, `(rows[, num_slots], values)`."""
        raise NotImplementedError

    def change_frames(self, members: SequenceReducer, found: Any) -> Tensor:
        """Return the frames, changed by what `finish` found."""
        raise NotImplementedError


def rows_of_frames(values: Tensor) -> Tensor:
    """Return the frames of all rows one after the other, `(batch * time, channels)`."""
    return ops.reshape(values, (-1, values.shape[-1]))


def _segment_max(frames: Tensor, owner: Tensor, last: Any) -> Tensor:
    """Return maxima of the frames `(n, channels)` of each slot, `(last + 1, channels)`.

    The gradient is written out, twice as fast as TensorFlow's; frames that tie share it alike.
    """

    def segment_max(frames: Tensor) -> Any:
        largest = ops.segment_max(frames, owner, num_segments=last + 1)

        def gradient(*arguments: Any, upstream: Any = None) -> Tensor:
            upstream = arguments[0] if upstream is None else upstream
            is_largest = ops.cast(ops.equal(frames, ops.take(largest, owner, axis=0)), frames.dtype)
            ties = ops.segment_sum(is_largest, owner, num_segments=last + 1)
            return is_largest * ops.take(upstream / ops.maximum(ties, 1), owner, axis=0)

        return largest, gradient

    return ops.custom_gradient(segment_max)(frames)


def at_least_single(values: Tensor) -> Tensor:
    """Cast half precision to float32, which sums over thousands of frames need; leave higher precision as it is."""
    return ops.cast(values, "float32") if is_half(values) else values


def merge_sums(first: Summary, second: Summary) -> Summary:
    """Merge two pieces by adding their statistics, in float64."""
    return {name: as_double(first[name]) + as_double(second[name]) for name in first}


def merge_moments(first: Summary, second: Summary, weight: str = "count") -> Summary:
    """Merge moments of two pieces (Chan et al. 1979), in float64; `weight` names the sum that means are over."""
    parts = [[as_double(part[name]) for name in (weight, "mean", "squares")] for part in (first, second)]
    (n, a, p), (m, b, q) = parts
    total = np.where(n + m > 0, n + m, 1)
    return {weight: n + m, "mean": a + (b - a) * m / total, "squares": p + q + (b - a) ** 2 * n * m / total}


def as_double(value: Any) -> Any:
    """Return a part of a summary, as float64 in NumPy."""
    return np.asarray(ops.convert_to_numpy(value), np.float64)
