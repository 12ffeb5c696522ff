"""Columns of tables of output frames, and where their sequences start."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def frame_columns(
    ids: Sequence[str],
    counts: npt.ArrayLike,
    stride: int,
    seconds: float | None = None,
    starts: npt.ArrayLike | None = None,
    *,
    first: int = 0,
) -> dict[str, Any]:
    """Return columns of a table of output frames: `id`, `frame` (number of the input frame), and `time` if it is known.

    Args:
        ids: of the sequences.
        counts: output frames of each.
        stride: input frames from one output frame to the next.
        seconds: from one input frame to the next.
        starts: where in its recording a sequence starts, in seconds; NaN for the beginning.
        first: number of the first output frame, where tables of the same sequence came before.

    >>> {name: column.tolist() for name, column in frame_columns(["a", "b"], [2, 1], 2, 0.01).items()}
    {'id': ['a', 'a', 'b'], 'frame': [0, 2, 0], 'time': [0.0, 0.02, 0.0]}
    """
    number = np.asarray(counts)
    frames = np.concatenate([np.arange(first, first + count) * stride for count in number.tolist()])
    columns: dict[str, Any] = {"id": np.repeat(np.array(ids, dtype=object), number), "frame": frames}
    if seconds is not None:
        begins = np.zeros(len(number)) if starts is None else np.nan_to_num(np.asarray(starts, np.float64))
        # Times that are no longer exact read as such: 0.5700000000000001.
        columns["time"] = np.round(frames * seconds + np.repeat(begins, number), 6)
    return columns


def recording_starts(data: Any) -> npt.NDArray[np.float64] | None:
    """Return the start of each sequence in its recording, in seconds; None if no start is known."""
    metadata = getattr(data, "metadata", None)
    return None if metadata is None or "start" not in metadata else np.asarray(metadata["start"], np.float64)
