"""The loss of connectionist temporal classification (CTC): frames say tokens, nobody knows which frame says which."""

import contextlib
from functools import lru_cache
from typing import Any, NamedTuple

import keras
from keras import ops

# The logarithm of "impossible". It is finite, because the difference of two infinities is not a number.
_LOW = -1e30

# Four for each power of two, so that none is a quarter wider than it has to be.
_WIDTHS = sorted(part << power for power in range(24) for part in (4, 5, 6, 7))

START, FRAMES, STATES = range(3)
HEADER = 3
"""Numbers before the states of a placed label: its first output frame, its output frames, how many states there are."""


class _Facts(NamedTuple):
    """Facts of the states of slots or frames, `(..., S)` each, 1 or 0; `numbers`: the outputs that they stand for."""

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
    # Selected before the softmax: behind it, NaN in padding would still make gradients NaN.
    logs = ops.log_softmax(ops.where(is_real[..., None], logits, ops.zeros_like(logits)), axis=-1)
    table = _of_owners(_table(placed, dtype), inside) * ops.cast(is_real, dtype)[..., None]
    numbers = ops.cast(table[..., : ops.shape(placed)[-1] - HEADER], "int32")
    said = ops.take_along_axis(logs, numbers, axis=-1)
    visits = _visits_of(keras.backend.standardize_dtype(dtype))
    chances, ways = visits(ops.stop_gradient(said), table, is_first, ops.any(ends, axis=-1))
    likelihood = ops.sum(ops.where(ends, ways[..., None], ops.zeros_like(owners)), axis=1)
    # Its gradient is that of the loss: the probability of an output minus that of its states.
    expected = -ops.sum(owners * ops.sum(chances * said, axis=-1)[..., None], axis=1)
    losses = expected + ops.stop_gradient(-likelihood - expected)
    is_impossible = (likelihood < _LOW / 2) | ((frames == 0) & (counts > 0))[:, 0]
    return ops.where(is_impossible, ops.full_like(losses, float("inf")), losses)


def _table(placed: Any, dtype: Any) -> Any:
    """Return the facts of the states of each slot, `(rows, K, 6 * S)`: see `_Facts`."""
    numbers, counts = placed[..., HEADER:], placed[..., STATES, None]
    state = ops.arange(ops.shape(numbers)[-1], dtype="int32")
    exists = state < counts
    # From a token, the blank may be left out to another token, but not to the same one: that would be read as one.
    same = ops.concatenate([numbers[..., :2] * 0 - 1, numbers[..., :-2]], axis=-1) == numbers
    skips = exists & (state % 2 == 1) & (state > 1) & ops.logical_not(same)
    skips_back = ops.concatenate([skips[..., 2:], ops.zeros_like(skips[..., :2])], axis=-1)
    begins, ends = exists & (state < 2), exists & (state >= counts - 2)
    parts = _Facts(numbers, exists, begins, ends, skips, skips_back)
    return ops.concatenate([ops.cast(part, dtype) for part in parts], axis=-1)


def _of_owners(facts: Any, inside: Any) -> Any:
    """Return the facts `(rows, K, F)` of the slot that each frame belongs to, `(rows, time, F)`; of none, any.

    Taken, not multiplied: graphics processors multiply in fewer bits, and output 2049 would become 2048.
    """
    rows, slots, count = ops.shape(facts)
    before = ops.arange(rows, dtype="int32") * slots
    place = ops.cast(ops.argmax(ops.cast(inside, "int32"), axis=-1), "int32") + before[:, None]
    return ops.take(ops.reshape(facts, (-1, count)), place, axis=0)


@lru_cache(maxsize=4)
def _visits_of(dtype: str) -> Any:
    """Return `_visits`, on TensorFlow compiled by XLA: some twenty small operations a frame took half of a step."""
    if keras.backend.backend() != "tensorflow":
        return _visits
    import tensorflow as tf

    of_states, of_frames = tf.TensorSpec((None, None, None), dtype), tf.TensorSpec((None, None), tf.bool)
    signature = [of_states, of_states, of_frames, of_frames]
    compiled = tf.function(_visits, input_signature=signature, autograph=False, jit_compile=True)

    def visits(*of_rows: Any) -> tuple[Any, Any]:
        # It is compiled for each width, so there are few of them; frames that are added belong to no sequence.
        time, widths = tf.shape(of_rows[0])[1], tf.constant(_WIDTHS, tf.int32)
        more = widths[tf.searchsorted(widths, [time])[0]] - time
        wide = [tf.pad(values, [[0, 0], [0, more], [0, 0]][: len(values.shape)]) for values in of_rows]
        chances, ways = compiled(*wide)
        return chances[:, :time], ways[:, :time]

    return visits


def _visits(said: Any, table: Any, is_first: Any, is_last: Any) -> tuple[Any, Any]:
    """Find how probable it is that each frame is in each state, given that the sequence says its label.

    Args:
        said: log probability of the output of each state in each frame (rows, time, S).
        table: facts of these states (rows, time, 6 * S); see `_table`.
        is_first, is_last: frames with which a sequence begins and ends (rows, time).

    Returns:
        these probabilities (rows, time, S), and the log probability of saying all up to a frame and ending with it
        (rows, time).
    """

    def both(there: Any, back: Any) -> Any:
        # The way back is the same recursion, with time and states in opposite order.
        return ops.moveaxis(ops.stack([there, ops.flip(back, (1, 2))]), 2, 0)

    facts = _Facts(*ops.split(table, len(_Facts._fields), axis=-1))
    said = _log(facts.exists, said)
    edges = [ops.broadcast_to(ops.cast(edge, said.dtype)[..., None], ops.shape(said)) for edge in (is_first, is_last)]
    there = [said, _log(facts.may_begin), _log(facts.may_skip), edges[0]]
    back = [said, _log(facts.may_end), _log(facts.may_skip_back), edges[1]]
    frames = ops.stack([both(*pair) for pair in zip(there, back, strict=True)], axis=1)
    found = ops.moveaxis(_scan(frames), 0, 2)
    forward, backward = found[0], ops.flip(found[1], (1, 2))
    # Both hold the frame's own probability. Their sum is the same in all frames, but for rounding.
    passing = forward + backward - said
    chances = ops.exp(passing - ops.logsumexp(passing, axis=-1, keepdims=True)) * facts.exists
    return chances, ops.logsumexp(forward + _log(facts.may_end), axis=-1)


def _scan(frames: Any) -> Any:
    """Return log probabilities `(time, 2, rows, S)` after each frame.

    Args:
        frames: (time, 4, 2, rows, S): log probabilities of the states, and of beginning or of skipping a blank there,
            and 1 where a sequence begins. One tensor: with several, Keras's scan needs a static time.
    """
    none = ops.full_like(frames[0, 0], _LOW)

    def step(before: Any, now: Any) -> tuple[Any, Any]:
        said, begins, skips, edges = (now[part] for part in range(4))
        moved = ops.concatenate([none[..., :1], before[..., :-1]], axis=-1)
        skipped = ops.concatenate([none[..., :1], moved[..., :-1]], axis=-1) + skips
        ways = ops.stack([before, moved, skipped])
        best = ops.max(ways, axis=0)
        going_on = ops.log(ops.sum(ops.exp(ways - best), axis=0)) + best
        after = ops.where(edges > 0.5, begins, going_on) + said
        return after, after

    return ops.scan(step, none, frames)[1]


def _log(is_so: Any, known: Any = 0.0) -> Any:
    """Return `known` where something is 1, and the logarithm of impossible elsewhere."""
    return ops.where(is_so > 0.5, known, ops.full_like(is_so, _LOW))


@keras.saving.register_keras_serializable(package="seqconv")
class CtcLoss(keras.losses.Loss):  # type: ignore[misc]
    """`ctc_losses` as a loss; `known_losses` has its values again, without computing them twice in a step."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        losses = ctc_losses(y_true, y_pred)
        with contextlib.suppress(AttributeError):
            # As Keras keeps masks. Without the gradient, or the tensors would keep each other.
            y_pred._ctc_losses = (y_true, ops.stop_gradient(losses))
        return losses


def known_losses(y_true: Any, y_pred: Any) -> Any:
    """Return `ctc_losses`: those that `CtcLoss` has computed of the same two tensors, if it has."""
    labels, losses = getattr(y_pred, "_ctc_losses", (None, None))
    return losses if labels is y_true else ctc_losses(y_true, y_pred)
