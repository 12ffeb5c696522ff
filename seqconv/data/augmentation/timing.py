"""Time shifted and stretched: for each frame of the result, its position in the original sequence.

Positions serve the frames and their labels alike. They are whole numbers `(time,)`, or, where frames between frames are
wanted, numbers of float64.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Positions = npt.NDArray[Any]


def stretched_lengths(lengths: IntArray, rates: npt.ArrayLike, *, shortest: int = 1) -> IntArray:
    """Return the frames of sequences `(n,)` that are played at `rates`; none becomes shorter than `shortest` by it.

    >>> stretched_lengths(np.array([100, 10, 3]), [2.0, 2.0, 2.0], shortest=6)
    array([50,  6,  3])
    """
    wanted = np.round(lengths / np.asarray(rates)).astype(np.int64)
    kept: IntArray = np.maximum(wanted, np.minimum(lengths, max(shortest, 1)))
    return kept


def stretch_positions(length: int, num_frames: int) -> Positions:
    """Return positions spread evenly from the first to the last of `length` frames.

    >>> stretch_positions(3, 5)
    array([0. , 0.5, 1. , 1.5, 2. ])
    """
    if length == num_frames:
        return np.arange(length)
    if num_frames == 1:
        return np.array([(length - 1) / 2])
    return np.linspace(0, length - 1, num_frames)


def shift_positions(positions: Positions, shift: int, fill: Literal["edge", "wrap"]) -> Positions:
    """Return positions `shift` frames later (earlier if negative), for as many frames.

    >>> shift_positions(np.arange(4), 1, "edge"), shift_positions(np.arange(4), -1, "wrap")
    (array([0, 0, 1, 2]), array([1, 2, 3, 0]))
    """
    if fill == "wrap":
        return np.roll(positions, shift)
    return positions[np.clip(np.arange(len(positions)) - shift, 0, len(positions) - 1)]


def frames_at(features: Features, positions: Positions) -> Features:
    """Return frames `(time, d)` at positions; between two frames, interpolated linearly.

    >>> frames_at(np.array([[0.0], [4.0]], np.float32), np.array([0.0, 0.25, 1.0])).ravel()
    array([0., 1., 4.], dtype=float32)
    """
    if positions.dtype.kind == "i":
        return features[positions]
    lower = np.minimum(positions.astype(np.int64), len(features) - 1)
    upper = np.minimum(lower + 1, len(features) - 1)
    part = (positions - lower).astype(np.float32)[:, None]
    before: Features = features[lower]
    between: Features = features[upper]
    between -= before
    between *= part
    between += before
    return between


def nearest_frames(positions: Positions, length: int, original: int) -> IntArray:
    """Return whole positions in a recording of `original` frames, of which `length` are left at another speed.

    >>> nearest_frames(np.array([0.0, 1.6, 4.0]), 5, 9)
    array([0, 3, 8])
    """
    factor = (original - 1) / (length - 1) if length > 1 else 1.0
    nearest: IntArray = np.round(positions * factor).astype(np.int64)
    return nearest
