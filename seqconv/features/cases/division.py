"""Division of the rows of a long table into sequences: by keys, and by times that never go back."""

from itertools import pairwise
from typing import Annotated, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from seqconv.errors import ManifestError
from seqconv.parts import Section
from seqconv.text import amount

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
# A pause between two sessions takes many times the usual step; a lost sample takes a few.
_PAUSE = 100


class RowSettings(Section):
    """A table, or several, in which each row is a frame: which rows are one sequence."""

    by: tuple[str, ...] = Field(
        description="Columns whose cells are equal in all rows of a sequence, such as [user, activity]; none, []: all "
        "rows of a file."
    )
    order: str | None = Field(
        default=None, description="Column with the times of rows, numbers or dates; within a sequence they never fall."
    )
    sequence: Literal["run", "key"] | None = Field(
        default=None,
        description="What a sequence is: a run of neighboring rows with equal keys, or all rows with a key, wherever "
        "they stand; null: an error where the two differ.",
    )
    max_step: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None,
        description="Where order rises by more than this (dates: in seconds), or falls, another sequence begins; null: "
        "such places are an error.",
    )


class Division(NamedTuple):
    """Sequence i has the rows `rows[bounds[i]:bounds[i + 1]]`, in this order."""

    rows: IntArray
    bounds: IntArray


def divide_rows(keys: IntArray, times: FloatArray | None, settings: RowSettings, names: list[str]) -> Division:
    """Divide rows into sequences.

    Rows are never put between other rows: with a key, only whole pieces in which the time rises are put in order.

    Args:
        keys: number of the key of each row, `(n,)`.
        times: of each row, if they have an order.
        settings: what a sequence is.
        names: those of the keys, for messages.

    Raises:
        ManifestError: the settings do not say what a sequence is, or two sessions would become one.

    >>> division = divide_rows(np.array([0, 0, 1, 0]), None, RowSettings(by=("who",), sequence="key"), ["ann", "bob"])
    >>> division.rows.tolist(), division.bounds.tolist()
    ([0, 1, 3, 2], [0, 3, 4])
    """
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    if settings.sequence is None and len(starts) > len(names):
        _ask(keys, starts, settings, names)
    rows = np.arange(len(keys))
    if settings.sequence != "run":
        rows = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.diff(keys[rows], prepend=-1))
    if times is None:
        return Division(rows, np.append(starts, len(rows)))
    if settings.sequence == "key":
        rows = _put_in_order(rows, np.append(starts, len(rows)), keys, times, settings, names)
    return Division(rows, np.append(_cut_at_steps(rows, starts, keys, times, settings, names), len(rows)))


def _ask(keys: IntArray, starts: IntArray, settings: RowSettings, names: list[str]) -> None:
    runs = keys[starts]
    again = int(np.setdiff1d(np.arange(len(runs)), np.unique(runs, return_index=True)[1])[0])
    key = runs[again]
    before = starts[np.flatnonzero(runs[:again] == key)[-1]]
    raise ManifestError(
        f"it has {len(names):,} keys ({', '.join(settings.by)}), but {len(starts):,} runs of neighboring rows with one "
        f"key: '{names[key]}' begins in row {before + 1}, and again in row {starts[again] + 1}. Say what a sequence "
        "is: data.rows.sequence: run (each run by itself), or key (all rows of a key, wherever they stand)."
    )


def _put_in_order(
    rows: IntArray, bounds: IntArray, keys: IntArray, times: FloatArray, settings: RowSettings, names: list[str]
) -> IntArray:
    """Put the rising pieces of each key in the order of their times."""
    falls = np.diff(times[rows]) < 0
    falls[bounds[1:-1] - 1] = False
    sorted_rows = rows.copy()
    # Keys whose times rise as they are need no look.
    for key in np.unique(np.searchsorted(bounds, np.flatnonzero(falls), side="right") - 1):
        first, last = bounds[key], bounds[key + 1]
        pieces = np.split(rows[first:last], np.flatnonzero(falls[first : last - 1]) + 1)
        pieces.sort(key=lambda piece: (times[piece[0]], times[piece[-1]]))
        for piece, after in pairwise(pieces):
            if times[after[0]] < times[piece[-1]]:
                place = min(int(each[0]) for each in (piece, after) if each[0] != rows[first])
                raise ManifestError(
                    f"the times of '{names[keys[place]]}' go back in row {place + 1} ('{settings.order}'), and those "
                    "before and after overlap: they may be two sessions with a clock each, or rows in disorder. For "
                    "sessions, add a column that tells them apart to data.rows.by, or set data.rows.sequence: run and "
                    "max_step; if rows are in disorder, sort the table."
                )
        sorted_rows[first:last] = np.concatenate(pieces)
    return sorted_rows


def _cut_at_steps(
    rows: IntArray, starts: IntArray, keys: IntArray, times: FloatArray, settings: RowSettings, names: list[str]
) -> IntArray:
    """Return where sequences start, those too that begin after a long step or one back."""
    steps = np.diff(times[rows], prepend=times[rows[:1]])
    steps[starts] = 0
    rising = steps[steps > 0]
    limit = settings.max_step or (_PAUSE * float(np.median(rising)) if len(rising) else np.inf)
    breaks = np.flatnonzero((steps < 0) | (steps > limit))
    if not len(breaks) or settings.max_step is not None:
        return np.union1d(starts, breaks)
    row, is_back = rows[breaks[0]], steps[breaks[0]] < 0
    in_disorder = " If rows are in disorder, sort the table." if is_back else ""
    what = (
        f"goes back from {times[rows[breaks[0] - 1]]:.12g} to {times[row]:.12g}"
        if is_back
        else f"rises by {steps[breaks[0]]:.6g}, and mostly by {limit / _PAUSE:.6g}"
    )
    raise ManifestError(
        f"the time in '{settings.order}' {what} in row {row + 1}, within '{names[keys[row]]}' "
        f"({amount(len(breaks), 'place')} of this kind). Is it another session? Set data.rows.max_step to the longest "
        "step within a sequence: where time rises by more, or goes back, another one begins. Or add a column that "
        f"tells sessions apart to data.rows.by.{in_disorder}"
    )
