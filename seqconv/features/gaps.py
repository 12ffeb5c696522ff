"""Gaps in sequences, and steps of time that differ: values between two known ones lie on a line between these."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seqconv.errors import ManifestError
from seqconv.features.kinds import Precomputed

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_ROUNDING = 1e-6
# Frames of a row: a clock in milliseconds makes a thousand times as many as one in seconds.
_MOST_GROWTH = 500


class _Spans(NamedTuple):
    """The spans of a column between two rows with values: the rows before and after each; -1 and n at the ends."""

    before: IntArray
    after: IntArray


def complete(
    values: npt.NDArray[Any], times: FloatArray | None, settings: Precomputed, names: Sequence[str] = ()
) -> npt.NDArray[Any]:
    """Return values without gaps, at equal steps of time, as far as the settings ask for it.

    Values that are refused, infinite ones and gaps without a setting, stay, to be named with the row of their file.

    Raises:
        ManifestError: a gap that is too long, or times that do not rise; without the path.
    """
    if not len(values) or np.isinf(values).any() or (settings.missing == "error" and np.isnan(values).any()):
        return values
    is_masked, most = settings.missing == "mask", settings.max_gap
    if times is None or settings.resample is None or most is None:
        return fill_gaps(values, max_gap=most, mask=is_masked, names=names)
    return resample(values, times, settings.resample, max_gap=most, mask=is_masked, names=names)


def fill_gaps(
    values: npt.ArrayLike, *, max_gap: float | None, mask: bool = False, names: Sequence[str] = ()
) -> FloatArray:
    """Fill NaN in each column by a line between the values around it, at the ends by the nearest value.

    Args:
        values: `(time, d)`.
        max_gap: the most frames of a gap; None: any.
        mask: whether to add a feature that is 1 in frames where a value was missing; a column without any value is 0.
        names: those of the columns, for messages.

    Returns:
        `(time, d)`, or `(time, d + 1)` with the mask.

    Raises:
        ManifestError: a longer gap, or a column without any value.

    >>> fill_gaps([[0.0], [np.nan], [2.0], [np.nan]], max_gap=1, mask=True).tolist()
    [[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [2.0, 1.0]]
    """
    cells = np.asarray(values, np.float64)
    rows = np.arange(len(cells), dtype=np.float64)
    filled = np.zeros_like(cells)
    for column, spans in _each_column(cells, names, is_masked=mask):
        lengths = spans.after - spans.before - 1
        longest = int(lengths.argmax())
        if max_gap is not None and lengths[longest] > max_gap:
            raise ManifestError(
                f"{_name(names, column)} has no value in {lengths[longest]} rows from row {spans.before[longest] + 2} "
                f"on, and features.max_gap is {max_gap:g}. Raise it, set features.missing to 'mask', or cut the file "
                "there"
            )
        known = spans.before[1:]
        filled[:, column] = np.interp(rows, known, cells[known, column])
    return np.column_stack([filled, np.isnan(cells).any(axis=1)]) if mask else filled


def resample(
    values: npt.ArrayLike,
    times: npt.ArrayLike,
    rate: float,
    *,
    max_gap: float,
    mask: bool = False,
    names: Sequence[str] = (),
) -> FloatArray:
    """Return a sequence with frames at equal steps from the first time to the last one.

    Values lie on a line between those before and after; nothing is filtered, so that at a much lower rate fast changes
    are lost or come out as slow ones.

    Args:
        values: `(n, d)`, NaN where there is none.
        times: `(n,)`, in seconds, rising.
        rate: frames in a second.
        max_gap: the longest time without a value, in seconds.
        mask: whether to add a feature that is 1 in frames within longer gaps, which are an error otherwise.
        names: those of the columns, for messages.

    Raises:
        ManifestError: times that do not rise, a gap, or a column without any value.

    >>> resample([[0.0], [3.0], [4.0]], [10.0, 10.75, 11.0], 4, max_gap=1).tolist()
    [[0.0], [1.0], [2.0], [3.0], [4.0]]
    """
    cells, clock = np.asarray(values, np.float64), np.asarray(times, np.float64)
    wrong = np.flatnonzero(~np.isfinite(clock) | (np.diff(clock, prepend=-np.inf) <= 0))
    if len(wrong):
        raise ManifestError(
            f"the time in row {wrong[0] + 1} is {clock[wrong[0]]:g}, but times must rise from row to row. Sort the "
            "rows, and leave out those without a time or with that of another"
        )
    num_frames = int(np.floor((clock[-1] - clock[0]) * rate + _ROUNDING)) + 1
    if num_frames > _MOST_GROWTH * len(clock):
        raise ManifestError(
            f"{len(clock)} rows over {clock[-1] - clock[0]:g} s would become {num_frames:,} frames at {rate:g} a "
            "second (features.resample). Is features.clock in seconds?"
        )
    frames = clock[0] + np.arange(num_frames) / rate
    filled = np.zeros((num_frames, cells.shape[1]))
    is_far = np.full(num_frames, np.isnan(cells).all(axis=0).any())
    for column, spans in _each_column(cells, names, is_masked=mask):
        first, last = clock[np.maximum(spans.before, 0)], clock[np.minimum(spans.after, len(clock) - 1)]
        is_long = last - first > max_gap + _ROUNDING
        if is_long.any() and not mask:
            place = int(np.flatnonzero(is_long)[0])
            raise ManifestError(
                f"{_name(names, column)} has no value between {first[place]:g} and {last[place]:g} s, longer than "
                f"features.max_gap, {max_gap:g} s. Raise it, set features.missing to 'mask', or cut the file there; is "
                "features.clock in seconds?"
            )
        known = clock[spans.before[1:]]
        filled[:, column] = np.interp(frames, known, cells[spans.before[1:], column])
        # A frame at the time of a value is in the span before it, but not without a value.
        is_far |= is_long[np.searchsorted(known, frames)] & ~np.isin(frames, known)
    return np.column_stack([filled, is_far]) if mask else filled


def _each_column(cells: FloatArray, names: Sequence[str], *, is_masked: bool) -> Iterator[tuple[int, _Spans]]:
    """Yield the spans of each column that has some value; with a mask, others stay 0."""
    for column, values in enumerate(cells.T):
        rows = np.flatnonzero(~np.isnan(values))
        if len(rows):
            yield column, _Spans(np.append(-1, rows), np.append(rows, len(cells)))
        elif not is_masked:
            raise ManifestError(f"{_name(names, column)} has no value at all. Leave it out: features.columns")


def _name(names: Sequence[str], column: int) -> str:
    return f"column '{names[column]}'" if column < len(names) else f"feature {column}"
