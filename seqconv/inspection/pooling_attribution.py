"""Shares of each frame in a pooled vector."""

from typing import Any

from seqconv.errors import ModelError
from seqconv.inspection.effects import kind_of
from seqconv.layers.shares import Array, Mask, Shares, shares_in_maximum, shares_in_mean


def shares_of(pooling: Any, frames: Array, is_real: Mask) -> Shares:
    """Return the shares of frames `(time, channels)` in the output of a global pooling.

    A mean is a sum of its frames, and a maximum is the one frame that has it (equal ones share it). What is no sum is
    cut up by a rule that the note names.

    Raises:
        ModelError: a pooling that is not known.
    """
    kind = kind_of(pooling)
    if kind == "GlobalAveragePooling1D":
        return shares_in_mean(frames, is_real)
    if kind == "GlobalMaxPooling1D":
        return shares_in_maximum(frames)
    if hasattr(pooling, "shares"):
        shares: Shares = pooling.shares(frames, is_real)
        return shares
    raise ModelError(f"'{pooling.name}' is a {kind}, of which nobody has said what a frame contributes.")
