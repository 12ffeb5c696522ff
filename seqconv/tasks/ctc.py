"""The loss of connectionist temporal classification (CTC): frames say tokens, nobody knows which frame says which."""

from typing import Any, NamedTuple

import keras
from keras import ops

# The logarithm of "impossible". It is finite, because the difference of two infinities is not a number.
_LOW = -1e30

START, FRAMES, STATES = range(3)
HEADER = 3
"""Numbers before the states of a placed label: its first output frame, its output frames, how many states there are."""


class _Tables(NamedTuple):
    """Facts of the states of each frame `(rows, time, S)`, 1 or 0; `numbers`: the outputs that they stand for."""

    numbers: Any
    exists: Any
    may_begin: Any
    may_end: Any
    may_skip: Any
    may_skip_back: Any


def ctc_losses(placed: Any, logits: Any) -> Any:
    """Compute the negative log likelihood of the label of each slot, over all ways in which its frames can say it.

    One scan goes along the row, forward and backward at once, and begins anew at each sequence; so a packed row costs
    its width. It computes in the dtype of the logits, but not in 16 bits.
    Source: Graves et al., "Connectionist Temporal Classification", ICML 2006, equations 5 to 15. The gradient is worked
    out from the probabilities of the states, so no backend has to store each step of the scan.

    Args:
        placed: whole numbers (rows, K, 3 + S): first output frame, number of output frames (0 for an unused slot),
            number of states, and the output that each state stands for: blank, token, blank, token, ..., blank.
        logits: (rows, time, outputs); values in padding, NaN too, have no part in it.

    Returns:
        losses (rows, K), 0 for an unused slot, infinite where the frames are too few.

    >>> placed = [[[0, 2, 3, 0, 1, 0]]]  # 2 frames say the token 1: as "1 1", "1 blank" or "blank 1"
    >>> round(float(ctc_losses(placed, [[[0.0, 0.0], [0.0, 0.0]]])[0][0]), 4)  # -log(3 / 4)
    0.2877
    """
    logits = ops.convert_to_tensor(logits)
    if keras.backend.standardize_dtype(logits.dtype) in ("float16", "bfloat16"):
        logits = ops.cast(logits, "float32")
    dtype, placed = logits.dtype, ops.cast(placed, "int32")
    start, frames, counts = (placed[:, None, :, at] for at in (START, FRAMES, STATES))
    time = ops.arange(ops.shape(logits)[1], dtype="int32")[None, :, None]
    inside = (time >= start) & (time < start + frames)
    owners, is_real = ops.cast(inside, dtype), ops.any(inside, axis=-1)
    is_first = ops.any(inside & (time == start), axis=-1)
    ends = inside & (time == start + frames - 1)
    tables = _tables(placed, owners)
    # Selected before the softmax: behind it, NaN in padding would still make gradients NaN.
    logs = ops.log_softmax(ops.where(is_real[..., None], logits, ops.zeros_like(logits)), axis=-1)
    said = ops.take_along_axis(logs, ops.cast(tables.numbers, "int32"), axis=-1)
    fixed = ops.stop_gradient(said)
    forward, backward = _scan(fixed, tables, is_first, ops.any(ends, axis=-1))
    # Both hold the frame's own probability. Their sum is the same in all frames, but for rounding.
    passing = forward + backward - _log(tables.exists, fixed)
    chances = ops.exp(passing - ops.logsumexp(passing, axis=-1, keepdims=True)) * tables.exists
    ways = ops.logsumexp(forward + _log(tables.may_end), axis=-1)
    likelihood = ops.sum(ops.where(ends, ways[..., None], ops.zeros_like(owners)), axis=1)
    # Its gradient is that of the loss: the probability of an output minus that of its states.
    expected = -ops.sum(owners * ops.sum(chances * said, axis=-1)[..., None], axis=1)
    losses = expected + ops.stop_gradient(-likelihood - expected)
    is_impossible = (likelihood < _LOW / 2) | ((frames == 0) & (counts > 0))[:, 0]
    return ops.where(is_impossible, ops.full_like(losses, float("inf")), losses)


def _tables(placed: Any, owners: Any) -> _Tables:
    """Look up the states of each frame: those of the slot that it belongs to; `owners` (rows, time, K) are 1 there."""
    numbers, counts = placed[..., HEADER:], placed[..., STATES, None]
    state = ops.arange(ops.shape(numbers)[-1], dtype="int32")
    exists = state < counts
    # From a token, the blank may be left out to another token, but not to the same one: that would be read as one.
    same = ops.concatenate([numbers[..., :2] * 0 - 1, numbers[..., :-2]], axis=-1) == numbers
    skips = exists & (state % 2 == 1) & (state > 1) & ops.logical_not(same)
    skips_back = ops.concatenate([skips[..., 2:], ops.zeros_like(skips[..., :2])], axis=-1)
    begins, ends = exists & (state < 2), exists & (state >= counts - 2)
    parts = [numbers, exists, begins, ends, skips, skips_back]
    table = ops.concatenate([ops.cast(part, owners.dtype) for part in parts], axis=-1)
    return _Tables(*ops.split(ops.matmul(owners, table), len(parts), axis=-1))


def _scan(said: Any, tables: _Tables, is_first: Any, is_last: Any) -> tuple[Any, Any]:
    """Return log probabilities (rows, time, S): of all up to a frame, and of all from it on, that end in a state."""

    def both(there: Any, back: Any) -> Any:
        # The way back is the same recursion, with time and states in opposite order.
        axes = tuple(range(1, len(back.shape)))
        return ops.moveaxis(ops.stack([there, ops.flip(back, axes)]), 2, 0)

    said = _log(tables.exists, said)
    edges = [ops.broadcast_to(ops.cast(edge, said.dtype)[..., None], ops.shape(said)) for edge in (is_first, is_last)]
    there = [said, _log(tables.may_begin), _log(tables.may_skip), edges[0]]
    back = [said, _log(tables.may_end), _log(tables.may_skip_back), edges[1]]
    # One tensor: with several, Keras's scan on TensorFlow needs to know their length when it is traced.
    frames = ops.stack([both(*pair) for pair in zip(there, back, strict=True)], axis=1)
    none = ops.full_like(said[:, 0], _LOW)
    none = ops.stack([none, none])

    def step(before: Any, now: Any) -> tuple[Any, Any]:
        said, begins, skips, edges = (now[part] for part in range(4))
        moved = ops.concatenate([none[..., :1], before[..., :-1]], axis=-1)
        skipped = ops.concatenate([none[..., :1], moved[..., :-1]], axis=-1) + skips
        ways = ops.stack([before, moved, skipped])
        best = ops.max(ways, axis=0)
        going_on = ops.log(ops.sum(ops.exp(ways - best), axis=0)) + best
        after = ops.where(edges > 0.5, begins, going_on) + said
        return after, after

    _, found = ops.scan(step, none, frames)
    found = ops.moveaxis(found, 0, 2)
    return found[0], ops.flip(found[1], (1, 2))


def _log(is_so: Any, known: Any = 0.0) -> Any:
    """Return `known` where something is 1, and the logarithm of impossible elsewhere."""
    return ops.where(is_so > 0.5, known, ops.full_like(is_so, _LOW))


@keras.saving.register_keras_serializable(package="seqconv")
class CtcLoss(keras.losses.Loss):  # type: ignore[misc]
    """`ctc_losses` as a loss."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ctc_losses(y_true, y_pred)
