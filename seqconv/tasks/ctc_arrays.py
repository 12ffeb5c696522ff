"""Connectionist temporal classification on arrays: what frames say, how sure, and how likely a label is.

Everywhere here, output 0 is the blank.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from seqconv.errors import ShapeError
from seqconv.tasks.forms import Array, FloatArray

BLANK = 0
_AT_ONCE = 64


class Decoded(NamedTuple):
    """Tokens that frames say, `(n,)` each: their numbers, first and last output frame, and confidence (0 to 1).

    The confidence is the mean probability of a token over its frames.
    """

    tokens: Array
    first: Array
    last: Array
    confidence: FloatArray


class GreedyDecoder:
    """The most probable output of each frame, repeats joined and blanks left out, of frames that come in pieces.

    A token goes on over the end of a piece: what is said does not depend on the pieces.

    >>> decoder, sure = GreedyDecoder(), np.log(np.array([[0.1, 0.9], [0.9, 0.1]]))
    >>> [part.tokens.tolist() for part in (decoder.feed(sure[[0]]), decoder.feed(sure[[0, 1]]), decoder.last())]
    [[], [1], []]
    """

    def __init__(self) -> None:
        self._seen = 0
        # Token, first frame, last frame, and sum of its probabilities, of the run that may go on.
        self._open: tuple[int, int, int, float] | None = None

    def feed(self, log_probabilities: Array) -> Decoded:
        """Return the tokens that end within these frames `(time, outputs)`, with frames counted from the first ever."""
        best = log_probabilities.argmax(axis=1)
        if not len(best):
            return _gather([])
        begins = np.flatnonzero(np.diff(best, prepend=-1))
        ends = np.append(begins[1:], len(best))
        sums = np.add.reduceat(np.exp(log_probabilities[np.arange(len(best)), best].astype(np.float64)), begins)
        columns = (best[begins], begins + self._seen, ends - 1 + self._seen, sums)
        runs = list(zip(*(column.tolist() for column in columns), strict=True))
        if self._open is not None and self._open[0] == runs[0][0]:
            runs[0] = (runs[0][0], self._open[1], runs[0][2], self._open[3] + runs[0][3])
        elif self._open is not None:
            runs.insert(0, self._open)
        self._seen += len(best)
        self._open = runs.pop()
        return _gather(runs)

    def last(self) -> Decoded:
        """Return the token that the last frame says, if it says one: the next piece may go on with it."""
        return _gather([] if self._open is None else [self._open])


def decode_greedily(log_probabilities: Array) -> Decoded:
    """Decode a whole sequence `(time, outputs)`.

    >>> decode_greedily(np.log(np.array([[0.2, 0.8], [0.4, 0.6], [0.9, 0.1], [0.3, 0.7]])))[:3]
    (array([1, 1]), array([0, 3]), array([1, 3]))
    """
    decoder = GreedyDecoder()
    return join_decoded([decoder.feed(log_probabilities), decoder.last()])


def join_decoded(parts: Iterable[Decoded]) -> Decoded:
    """Return tokens that came in parts as one."""
    return Decoded(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _gather(runs: Sequence[tuple[int, int, int, float]]) -> Decoded:
    said = [run for run in runs if run[0] != BLANK]
    token, first, last, total = (np.array([run[at] for run in said]) for at in range(4))
    sure = total.astype(np.float64) / np.maximum(last - first + 1, 1)
    return Decoded(token.astype(np.int64), first.astype(np.int64), last.astype(np.int64), sure)


def decode_by_beam(log_probabilities: Array, width: int) -> Decoded:
    """Find the most probable tokens, all their alignments together, by a search that keeps the best beginnings.

    Source: Graves and Jaitly, "Towards End-to-End Speech Recognition with Recurrent Neural Networks", ICML 2014,
    algorithm 1, without a language model. When a token is said, is what their most probable alignment says.

    Args:
        log_probabilities: (time, outputs).
        width: beginnings that are kept after each frame.

    Raises:
        ShapeError: `width` is not positive.
    """
    if width < 1:
        raise ShapeError(f"width {width}: expected how many beginnings are kept after each frame, 1 or more.")
    beams: list[tuple[int, ...]] = [()]
    at_blank, at_token = np.zeros(1), np.full(1, -np.inf)
    for row in np.asarray(log_probabilities, np.float64):
        last = np.array([prefix[-1] if prefix else BLANK for prefix in beams])
        total = np.logaddexp(at_blank, at_token)
        longer = total[:, None] + row
        spoken = np.flatnonzero(last != BLANK)
        # The same token again is another one only behind a blank.
        longer[spoken, last[spoken]] = at_blank[spoken] + row[last[spoken]]
        longer[:, BLANK] = -np.inf
        stays_blank, stays_token = total + row[BLANK], np.where(last != BLANK, at_token + row[last], -np.inf)
        places = {prefix: place for place, prefix in enumerate(beams)}
        for place, prefix in enumerate(beams):
            # Who becomes what another one is already, adds to that.
            before = places.get(prefix[:-1]) if prefix else None
            if before is not None:
                stays_token[place] = np.logaddexp(stays_token[place], longer[before, prefix[-1]])
                longer[before, prefix[-1]] = -np.inf
        scores = np.concatenate([np.logaddexp(stays_blank, stays_token), longer.ravel()])
        kept = np.argsort(-scores, kind="stable")[:width]
        kept = kept[scores[kept] > -np.inf]
        origin, token = np.divmod(kept - len(beams), longer.shape[1])
        is_new = kept >= len(beams)
        origin = np.where(is_new, origin, kept)
        at_blank = np.where(is_new, -np.inf, stays_blank[origin])
        at_token = np.where(is_new, scores[kept], stays_token[origin])
        pairs = zip(origin.tolist(), token.tolist(), is_new.tolist(), strict=True)
        beams = [(*beams[place], number) if new else beams[place] for place, number, new in pairs]
    best = int(np.argmax(np.logaddexp(at_blank, at_token)))
    return align(log_probabilities, np.array(beams[best], np.int64))


def align(log_probabilities: Array, tokens: Array) -> Decoded:
    """Find when the frames say these tokens, by the most probable alignment.

    Raises:
        ShapeError: there are fewer frames than these tokens need.

    >>> align(np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])), np.array([1]))[:3]
    (array([1]), array([1]), array([1]))
    """
    if not len(tokens):
        return _gather([])
    needed = len(tokens) + int(np.count_nonzero(tokens[1:] == tokens[:-1]))
    if len(log_probabilities) < needed:
        raise ShapeError(
            f"{len(log_probabilities)} frames cannot say {len(tokens)} tokens, which need {needed}: one for each, and "
            "one more between two that are the same. Give more frames, or fewer tokens."
        )
    said, skips = _states(log_probabilities, tokens)
    best, came_from = np.full(said.shape[1], -np.inf), np.zeros(said.shape, np.int8)
    best[:2] = said[0, :2]
    for frame in range(1, len(said)):
        ways = np.stack(_arrivals(best, skips))
        came_from[frame] = ways.argmax(axis=0)
        best = ways.max(axis=0) + said[frame]
    state = len(best) - 1 - int(best[-2] > best[-1])
    path = np.zeros(len(said), np.int64)
    for frame in range(len(said) - 1, -1, -1):
        path[frame] = state
        state -= int(came_from[frame, state])
    probabilities = np.exp(said[np.arange(len(said)), path])
    frames = [np.flatnonzero(path == 2 * place + 1) for place in range(len(tokens))]
    pairs = zip(tokens.tolist(), frames, strict=True)
    return _gather([(token, int(at[0]), int(at[-1]), float(probabilities[at].sum())) for token, at in pairs])


def label_losses(log_probabilities: Sequence[Array], labels: Sequence[Array]) -> FloatArray:
    """Compute the negative log likelihood of each label, over all its alignments, `(n,)`, as `ctc.ctc_losses` does.

    >>> halves = np.log(np.full((2, 2), 0.5))
    >>> label_losses([halves], [np.array([1])]).round(4)
    array([0.2877])
    """
    losses = np.zeros(len(labels))
    order = np.argsort([len(rows) for rows in log_probabilities], kind="stable")
    for some in np.split(order, range(_AT_ONCE, len(order), _AT_ONCE)):
        losses[some] = _losses_at_once([log_probabilities[i] for i in some], [labels[i] for i in some])
    return losses


def _losses_at_once(log_probabilities: Sequence[Array], labels: Sequence[Array]) -> FloatArray:
    parts = [_states(rows, tokens) for rows, tokens in zip(log_probabilities, labels, strict=True)]
    shape = (max(len(said) for said, _ in parts), len(parts), max(said.shape[1] for said, _ in parts))
    said, skips = np.full(shape, -np.inf), np.zeros(shape[1:], bool)
    for place, (rows, skip) in enumerate(parts):
        said[: len(rows), place, : rows.shape[1]], skips[place, : len(skip)] = rows, skip
    lengths, counts = (np.array([part.shape[axis] for part, _ in parts]) for axis in (0, 1))
    each, losses = np.arange(len(parts)), np.full(len(parts), np.inf)
    now = np.full(shape[1:], -np.inf)
    for frame in range(shape[0]):
        if frame:
            stay, move, skip = _arrivals(now, skips)
            now = np.logaddexp(np.logaddexp(stay, move), skip) + said[frame]
        else:
            now[:, :2] = said[0, :, :2]
        ended = np.flatnonzero(lengths == frame + 1)
        if len(ended):
            last = now[each[ended], counts[ended] - 1]
            before = np.where(counts[ended] > 1, now[each[ended], np.maximum(counts[ended] - 2, 0)], -np.inf)
            losses[ended] = -np.logaddexp(last, before)
    return losses


def _states(log_probabilities: Array, tokens: Array) -> tuple[FloatArray, Array]:
    """Return the log probability of each state (blank, token, blank, ...) in each frame, and who may skip a blank."""
    numbers = np.full(2 * len(tokens) + 1, BLANK)
    numbers[1::2] = tokens
    skips = np.zeros(len(numbers), bool)
    skips[3::2] = tokens[1:] != tokens[:-1]
    return np.asarray(log_probabilities, np.float64)[:, numbers], skips


def _arrivals(before: FloatArray, skips: Array) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return log probabilities of the frame before, by state now: for who stays, moves on, or skips a blank."""
    moved, skipped = np.full_like(before, -np.inf), np.full_like(before, -np.inf)
    moved[..., 1:] = before[..., :-1]
    skipped[..., 2:] = np.where(skips[..., 2:], before[..., :-2], -np.inf)
    return before, moved, skipped
