"""Shares of frames in a pooled vector."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
# Under the root of a deviation: its gradient stays finite for a sequence of one frame.
EPSILON = 1e-5


class Shares(NamedTuple):
    """Shares of a pooled vector: `frames` `(time, values)` and `rest` `(values,)` sum to it; `note` explains
    choices."""

    frames: Array
    rest: Array
    note: str = ""


def shares_in_sum(frames: Array, note: str = "") -> Shares:
    """Return shares in a vector that is the sum of `frames`."""
    return Shares(frames, np.zeros(frames.shape[1]), note)


def shares_in_mean(frames: Array, is_real: Mask) -> Shares:
    """Compute shares in a mean over the real frames.

    >>> shares_in_mean(np.array([[2.0], [4.0]]), np.array([True, True])).frames.tolist()
    [[1.0], [2.0]]
    """
    return shares_in_sum(frames * is_real[:, None] / max(is_real.sum(), 1))


def shares_in_maximum(frames: Array) -> Shares:
    """Compute shares in a maximum: it is the one frame that has it, and equal ones share it."""
    is_largest = frames == frames.max(axis=0)
    return shares_in_sum(np.where(is_largest, frames, 0) / is_largest.sum(axis=0))


def shares_in_moments(frames: Array, weights: Array, note: str = "") -> Shares:
    """Compute shares in mean and deviation: the squares under the root are shared out in proportion."""
    mean = (weights * frames).sum(axis=0)
    squares = weights * (frames - mean) ** 2
    deviation = np.sqrt(squares.sum(axis=0) + EPSILON)
    parts = np.concatenate([weights * frames, squares / deviation], axis=1)
    rest = np.concatenate([np.zeros_like(mean), EPSILON / deviation])
    return Shares(parts, rest, f"{note}A deviation is no sum over frames: it is shared in proportion to their squares.")
