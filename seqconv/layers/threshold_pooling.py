"""Global pooling by thresholds: how often, how far, when and how long values of a channel are above them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from seqconv.layers.global_pooling import GlobalPooling1D
from seqconv.layers.masking import Tensor, real_frames
from seqconv.layers.reduction import SequenceReducer, Summary, as_double, merge_moments
from seqconv.layers.shares import Array, Mask, Shares

STATISTICS = ("proportion", "mean", "mean_index", "spread", "longest", "stretches")
GOLDEN_RATIO = (5**0.5 + 1) / 2


class MaskedThresholdPooling1D(GlobalPooling1D):
    """Statistics of the frames whose value is above a threshold, for several thresholds of each channel.

    These are the poolings of MiniRocket and MultiRocket (Dempster et al. 2021, Tan et al. 2022). Thresholds are set by
    `adapt` and not learned: what counts frames has no gradient.

    Args:
        thresholds: for each channel.
        statistics: of the frames above, each of them a number between 0 and 1 except for the mean:
            proportion: of all frames of the sequence;
            mean: of the distance to the threshold, 0 if no frame is above;
            mean_index: the middle of the frames above, 0 for the start of the sequence and 1 for its end; 0.5 if none;
            spread: the deviation of their indices, as a proportion of all frames;
            longest: the longest stretch of consecutive frames above, as a proportion of all;
            stretches: how many there are, as a proportion of all frames.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences.
        known: what is known of the inputs in padding, which saves work; leave it out unless you know.

    Returns:
        `(batch, values)`, or `(batch, num_slots, values)` when `num_slots` is given, where values are
        `len(statistics) * thresholds * channels`: by statistic, then by threshold, then by channel; 0 for an empty
        slot.

    >>> layer = MaskedThresholdPooling1D(1, ["proportion", "longest"])
    >>> layer.build((None, None, 1))
    >>> layer.adapt(np.array([[0.0], [1.0]]))
    >>> np.array(layer(np.array([[[1.0], [0.0], [1.0], [1.0]]]))).tolist()
    [[0.75, 0.5]]
    """

    def __init__(
        self,
        thresholds: int = 1,
        statistics: Sequence[str] = ("proportion", "mean_index", "spread", "longest", "stretches"),
        **options: Any,
    ) -> None:
        # Thresholds are compared in the precision that they have.
        super().__init__(**{**options, "autocast": False})
        unknown = [name for name in statistics if name not in STATISTICS]
        if thresholds < 1 or not statistics or unknown:
            raise ValueError(
                f"expected at least 1 threshold and statistics of {', '.join(STATISTICS)}; got {thresholds} and "
                f"{list(statistics)}."
            )
        self.thresholds, self.statistics = thresholds, list(statistics)
        self.values_per_channel = thresholds * len(self.statistics)
        self.has_gradient = "mean" in self.statistics

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = int(input_shape[-1] or 0)
        # Until `adapt` is called, those of values that are spread between -1 and 1.
        self._initial = np.linspace(-1, 1, self.thresholds + 2, dtype=np.float32)[1:-1, None] + np.zeros(channels)
        self.levels = self.add_weight(
            name="levels",
            shape=self._initial.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(self._initial, dtype),
            trainable=False,
            autocast=False,
        )

    @property
    def is_adapted(self) -> bool:
        """Whether the thresholds are others than those that the layer began with."""
        return not np.array_equal(ops.convert_to_numpy(self.levels), self._initial)

    def adapt(self, frames: np.ndarray) -> None:
        """Set the thresholds to quantiles of each channel over `frames` `(n, channels)`, between attained values."""
        self.levels.assign(choose_levels(np.asarray(frames), self.thresholds))

    def summarize_members(self, members: SequenceReducer) -> Summary:
        index = members.row_index - members.spread(members.first_index)
        found: dict[str, list[Tensor]] = {}
        for level in range(self.thresholds):
            distance = members.frames - ops.cast(self.levels[level], members.frames.dtype)
            is_above = ops.cast(distance > 0, distance.dtype)
            above = members.total(is_above)
            parts = {"above": above}
            if "mean" in self.statistics:
                parts["distance"] = members.total(ops.relu(distance))
            if {"mean_index", "spread"} & set(self.statistics):
                parts["mean"] = members.total(is_above, index) / ops.maximum(above, 1)
            if "spread" in self.statistics:
                # In two passes: a single frame has a deviation of 0, whatever its index is.
                parts["squares"] = members.total(is_above * ops.square(index - members.spread(parts["mean"])))
            if {"longest", "stretches"} & set(self.statistics):
                parts |= _stretches(members, is_above, with_longest="longest" in self.statistics)
            for name, value in parts.items():
                found.setdefault(name, []).append(value)
        return {"count": members.count, **{name: ops.concatenate(values, -1) for name, values in found.items()}}

    @staticmethod
    def merge(first: Summary, second: Summary) -> Summary:
        one, two = ({name: as_double(value) for name, value in part.items()} for part in (first, second))
        merged: Summary = {name: one[name] + two[name] for name in ("count", "above", "distance") if name in one}
        if "mean" in one:
            later = {"above": two["above"], "mean": two["mean"] + one["count"], "squares": two.get("squares", 0.0)}
            moments = merge_moments({"squares": 0.0, **one}, later, "above")
            merged |= {name: moments[name] for name in ("mean", "squares") if name in one}
        if "leading" in one:
            whole_one, whole_two = one["above"] >= one["count"], two["above"] >= two["count"]
            merged["leading"] = np.where(whole_one, one["count"] + two["leading"], one["leading"])
            merged["trailing"] = np.where(whole_two, two["count"] + one["trailing"], two["trailing"])
            is_one = (one["trailing"] > 0) & (two["leading"] > 0)
            merged["stretches"] = one["stretches"] + two["stretches"] - is_one
        if "longest" in one:
            across = one["trailing"] + two["leading"]
            merged["longest"] = np.maximum(np.maximum(one["longest"], two["longest"]), across)
        return merged

    def pool(self, summary: Summary) -> Tensor:
        count, above = ops.maximum(summary["count"], 1), summary["above"]
        some = ops.maximum(above, 1)
        pooled = {"proportion": above / count}
        if "distance" in summary:
            pooled["mean"] = summary["distance"] / some
        if "mean" in summary:
            pooled["mean_index"] = ops.where(above > 0, (summary["mean"] + 0.5) / count, 0.5)
        if "squares" in summary:
            pooled["spread"] = ops.sqrt(summary["squares"] / some) / count
        for name in ("longest", "stretches"):
            if name in summary:
                pooled[name] = summary[name] / count
        return ops.concatenate([pooled[name] for name in self.statistics], axis=-1)

    def shares(self, frames: Array, is_real: Mask) -> Shares:
        values = [self._shares_of(frames, level) for level in as_double(self.levels)]
        parts = [np.concatenate([found[name] for found in values], axis=1) for name in self.statistics]
        # A channel that is never above has its middle in the middle, which no frame brought.
        rest = {"mean_index": [np.where(found["proportion"].any(axis=0), 0, 0.5) for found in values]}
        nothing = np.zeros(frames.shape[1] * self.thresholds)
        rests = [np.concatenate(rest[name]) if name in rest else nothing for name in self.statistics]
        note = (
            "Statistics of thresholds are shared among the frames above: means and counts in equal parts, the longest "
            "stretch among its frames, stretches by their first ones, a spread in proportion to squares."
        )
        return Shares(np.concatenate(parts, axis=1), np.concatenate(rests), note)

    @staticmethod
    def _shares_of(frames: Array, level: Array) -> dict[str, Array]:
        """Return what each frame brought to each statistic of one threshold, `(time, channels)`."""
        distance = frames - level
        is_above = distance > 0
        count, some = len(frames), np.maximum(is_above.sum(axis=0), 1)
        index = np.arange(count)[:, None]
        squares = np.where(is_above, (index - (index * is_above).sum(axis=0) / some) ** 2, 0)
        total = squares.sum(axis=0)
        starts = is_above & ~np.concatenate([np.zeros_like(is_above[:1]), is_above[:-1]])
        # Frames up to each that are above without a break: the first that has most of them ends the longest stretch.
        run = index - np.maximum.accumulate(np.where(is_above, -1, index), axis=0)
        last, longest = run.argmax(axis=0), run.max(axis=0)
        return {
            "proportion": is_above / count,
            "mean": np.where(is_above, distance, 0) / some,
            "mean_index": np.where(is_above, (index + 0.5) / count, 0) / some,
            "spread": squares / np.sqrt(np.where(total > 0, total, 1) * some) / count,
            "longest": ((index <= last) & (index > last - longest)) / count,
            "stretches": starts / count,
        }


def _stretches(members: SequenceReducer, is_above: Tensor, *, with_longest: bool) -> dict[str, Tensor]:
    """Count the stretches of frames above in each sequence, and find those at its start and end, and the longest."""
    place, first, count = members.row_index, members.spread(members.first_index), members.count
    index = place - first
    # A frame of padding, and the frame before the first of a sequence, end a stretch.
    is_above = is_above * real_frames(is_above, members.segments)
    before = ops.pad(is_above[:, :-1], [(0, 0), (1, 0), (0, 0)])
    starts = is_above * (1 - before * ops.cast(index > 0, before.dtype))
    found = {
        "stretches": members.total(starts),
        "leading": -members.largest(ops.where(is_above > 0, -members.spread(count), -index)),
        "trailing": count - 1 - members.largest(ops.where(is_above > 0, -1.0, index)),
    }
    if with_longest:
        last_below = ops.maximum(running_maximum(ops.where(is_above > 0, -1.0, place)), first - 1)
        found["longest"] = ops.maximum(members.largest(place - last_below), 0)
    return found


def running_maximum(values: Tensor) -> Tensor:
    """Return the largest of the values up to each frame, `(rows, time, channels)`."""
    frames = ops.arange(ops.shape(values)[1], dtype="int32")

    def double(reach: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        # Before the first frame, the first one is taken again, which changes no maximum.
        before = ops.take(values, ops.maximum(frames - reach, 0), axis=1)
        return reach * 2, ops.maximum(values, before)

    def is_short(reach: Tensor, _: Tensor) -> Tensor:
        return reach < ops.shape(values)[1]

    values = ops.stop_gradient(values)
    return ops.while_loop(is_short, double, (ops.convert_to_tensor(1, "int32"), values))[1]


def choose_levels(frames: np.ndarray, thresholds: int) -> np.ndarray:
    """Return thresholds `(thresholds, channels)`: quantiles of the values of each channel, `frames` `(n, channels)`.

    Quantiles are spread evenly over all thresholds of all channels by the golden ratio, as in MiniRocket. A threshold
    is the middle between two values that were attained, the wider gap next to the quantile: no value lies on it, unless
    float32 has nothing between.
    """
    count, channels = frames.shape
    ordered = np.sort(np.ascontiguousarray(frames.T), axis=1)
    order = np.arange(1, thresholds * channels + 1).reshape(channels, thresholds)
    places = np.minimum((order * GOLDEN_RATIO % 1 * count).astype(int), count - 1)
    return np.stack([_widest_middles(ordered, places[:, level]) for level in range(thresholds)])


def _widest_middles(ordered: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the middle of the wider gap beside one value of each row `(rows, n)`, which is sorted."""
    rows, last = np.arange(len(ordered)), ordered.shape[1] - 1
    values = ordered[rows, places][:, None]
    first_equal, first_above = (ordered < values).sum(axis=1), (ordered <= values).sum(axis=1)
    value = values[:, 0].astype(np.float64)
    down = value - ordered[rows, np.maximum(first_equal - 1, 0)]
    up = ordered[rows, np.minimum(first_above, last)] - value
    # Beyond the smallest and the largest value, a gap as wide as the one inside.
    is_smallest, is_largest = first_equal == 0, first_above > last
    least = 4 * np.spacing(np.abs(values[:, 0]).astype(np.float32))
    alone = is_smallest & is_largest
    inside = np.where(alone, 1.0, np.maximum(down, up))
    outside = np.maximum(inside, least)
    down, up = np.where(is_smallest, outside, down), np.where(is_largest, outside, up)
    middles: np.ndarray = np.where(up > down, value + up / 2, value - down / 2)
    return middles
