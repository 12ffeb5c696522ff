"""How much of a pooled vector each frame brought."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ModelError
from seqconv.inspection.effects import kind_of
from seqconv.layers.global_pooling import EPSILON

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Shares:
    """`frames` `(time, values)` and `rest` `(values,)` sum to the pooled vector; `note` says where that is a choice."""

    frames: Array
    rest: Array
    note: str = ""


def shares_of(pooling: Any, frames: Array, is_real: npt.NDArray[np.bool_]) -> Shares:
    """Shares of frames `(time, channels)` in what a global pooling returns.

    A mean is a sum of its frames, and a maximum is the one frame that has it (equal ones share it). What is no sum is
    cut up by a rule that the note names.

    Raises:
        ModelError: a pooling that is not known.
    """
    kind = kind_of(pooling)
    if kind in ("GlobalAveragePooling1D", "MaskedGlobalAveragePooling1D"):
        return _exact(frames * is_real[:, None] / max(is_real.sum(), 1))
    if kind in ("GlobalMaxPooling1D", "MaskedGlobalMaxPooling1D"):
        is_largest = frames == frames.max(axis=0)
        return _exact(np.where(is_largest, frames, 0) / is_largest.sum(axis=0))
    if kind == "MaskedLastFrame1D":
        return _exact(np.where(np.arange(len(frames))[:, None] == len(frames) - 1, frames, 0))
    if kind == "MaskedStatisticsPooling1D":
        return _moments(frames, np.full((len(frames), 1), 1 / len(frames)), "")
    if kind == "MaskedAttentiveStatisticsPooling1D":
        return _moments(
            frames, _attention(pooling, frames), "The attention weights are taken as they are for this recording. "
        )
    if kind in ("MaskedLogSumExpPooling1D", "MaskedGeneralizedMeanPooling1D"):
        return _soft_maximum(pooling, frames)
    raise ModelError(f"'{pooling.name}' is a {kind}, for which the contribution of a frame is not defined.")


def _exact(frames: Array) -> Shares:
    return Shares(frames, np.zeros(frames.shape[1]))


def _moments(frames: Array, weights: Array, note: str) -> Shares:
    """Mean and deviation: the squares under the root are shared out in proportion."""
    mean = (weights * frames).sum(axis=0)
    squares = weights * (frames - mean) ** 2
    deviation = np.sqrt(squares.sum(axis=0) + EPSILON)
    parts = np.concatenate([weights * frames, squares / deviation], axis=1)
    rest = np.concatenate([np.zeros_like(mean), EPSILON / deviation])
    return Shares(parts, rest, f"{note}A deviation is no sum over frames: it is shared in proportion to their squares.")


def _attention(pooling: Any, frames: Array) -> Array:
    from keras import ops

    inputs = frames.astype(np.float32)[None]
    if pooling.context is not None:
        context = np.asarray(ops.convert_to_numpy(pooling.context(inputs)))[:, None]
        inputs = np.concatenate([inputs, np.repeat(context, len(frames), axis=1)], axis=-1)
    scores = ops.convert_to_numpy(ops.cast(pooling.scores(pooling.hidden(inputs)), "float32"))
    exponents = np.exp(np.asarray(scores, np.float64)[0] - np.max(scores, axis=1))
    weights: Array = exponents / exponents.sum(axis=0)
    return weights


def _soft_maximum(pooling: Any, frames: Array) -> Shares:
    from keras import ops

    exponents = np.asarray(ops.convert_to_numpy(pooling.exponents(ops.convert_to_tensor(frames))), np.float64)
    scaled = np.exp(exponents - exponents.max(axis=0))
    pooled = np.asarray(ops.convert_to_numpy(pooling(frames[None].astype(np.float32))), np.float64)[0]
    name = "log-sum-exp" if kind_of(pooling) == "MaskedLogSumExpPooling1D" else "generalized mean"
    note = f"A {name} is no sum over frames: it is shared in proportion to the weights of the frames in it."
    return Shares(scaled / scaled.sum(axis=0) * pooled, np.zeros(frames.shape[1]), note)
