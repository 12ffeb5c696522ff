"""Sampling: how often each sequence comes in an epoch, once or, for rare classes, more often."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ConfigError
from seqconv.tasks.frame_labels import FrameLabels
from seqconv.tasks.target import Target

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
SAMPLINGS = ("natural", "balanced", "sqrt")
MOST_SHOWN = 12
_PASS = 7


@dataclass(frozen=True, eq=False)
class BalancedSampler:
    """A sampler of sequences by group, which differs by epoch; an epoch draws as many sequences as there are.

    A group hands out its sequences in turn, in an order that is shuffled again for each pass and goes on from epoch to
    epoch: so that over a run all sequences of a group come equally often, but for one.

    Args:
        groups: the group of each sequence `(n,)`, from 0.
        shares: part of an epoch that each group gets; they sum to one.
        sequence_lengths: frames of each sequence `(n,)`.
        seed: of the shuffling.
        names: of the groups, for messages.

    >>> draw = BalancedSampler(np.array([0, 0, 0, 1]), np.array([0.5, 0.5]), np.array([8, 9, 7, 5]))
    >>> [sorted(draw.indices(epoch).tolist()) for epoch in range(3)]
    [[0, 2, 3, 3], [1, 1, 3, 3], [0, 2, 3, 3]]
    """

    groups: IntArray
    shares: FloatArray
    sequence_lengths: IntArray
    seed: int = 0
    names: tuple[str, ...] = ()

    def indices(self, epoch: int) -> IntArray:
        """Return the sequences that an epoch draws, (n,)."""
        counts = enumerate(self.counts.tolist())
        return np.concatenate([self._take(group, epoch * count, (epoch + 1) * count) for group, count in counts])

    def lengths(self, epoch: int) -> IntArray:
        """Return the frames of each of them, (n,)."""
        return self.sequence_lengths[self.indices(epoch)]

    def bounds(self) -> tuple[int, int]:
        """Return the fewest and the most frames of any sequence."""
        return int(self.sequence_lengths.min()), int(self.sequence_lengths.max())

    @cached_property
    def counts(self) -> IntArray:
        """Sequences that an epoch draws from each group: the shares in whole numbers, one at least."""
        wanted = self.shares * len(self.groups)
        counts = np.maximum(np.floor(wanted), 1).astype(np.int64)
        missing = max(0, len(self.groups) - int(counts.sum()))
        counts[np.argsort(np.floor(wanted) - wanted, kind="stable")[:missing]] += 1
        for _ in range(int(counts.sum()) - len(self.groups)):
            # Of several groups whose share is less than one sequence, each has one already.
            counts[counts.argmax()] -= 1
        return counts

    def __str__(self) -> str:
        drawn = zip(self.names, self.counts, np.bincount(self.groups, minlength=len(self.counts)), strict=True)
        parts = [f"{name} {count:,} of {size:,}" for name, count, size in drawn]
        more = f" and {len(parts) - MOST_SHOWN} more" if len(parts) > MOST_SHOWN else ""
        return f"an epoch draws, of those there are: {', '.join(parts[:MOST_SHOWN])}{more}"

    @cached_property
    def _members(self) -> list[IntArray]:
        return [np.flatnonzero(self.groups == group) for group in range(len(self.shares))]

    def _take(self, group: int, start: int, end: int) -> IntArray:
        """Return the part of a group's endless order between two positions."""
        members = self._members[group]
        first, last = start // len(members), end // len(members)
        if first == last:
            return self._pass(group, first)[start % len(members) : end % len(members)]
        head, tail = self._pass(group, first)[start % len(members) :], self._pass(group, last)[: end % len(members)]
        # A plan shuffles what it draws, so that only parts of passes need an order.
        return np.concatenate([head, np.tile(members, last - first - 1), tail])

    def _pass(self, group: int, number: int) -> IntArray:
        return np.random.default_rng([self.seed, number, _PASS, group]).permutation(self._members[group])


def draw_by_class(
    sampling: str, target: Target, labels: npt.ArrayLike | FrameLabels, lengths: npt.ArrayLike, *, seed: int = 0
) -> BalancedSampler | None:
    """Return the sampler of a setting `training.sampling`; None for `natural`: every sequence once an epoch.

    Classification: `balanced` draws every class equally often, `sqrt` in proportion to the square root of how many
    sequences it has. Several labels: a sequence stands with its rarest label (one that has none, with the others that
    have none), and is drawn in proportion to 1 / f, or 1 / sqrt(f), f being the part of the sequences with that label
    (of those where it is known). Labels of frames are taken together: a sequence has those that any of its frames has.

    Args:
        sampling: natural, balanced or sqrt.
        target: of a classification, or multilabel.
        labels: what `target.encode` (or `encode_frames`) returned for the training sequences; NaN, or less than 0,
            where one is missing.
        lengths: their frames, `(n,)`.
        seed: of the draw.

    Raises:
        ConfigError: there is no such sampling, or regression.

    >>> target = Target("classification", ("a", "b"))
    >>> draw = draw_by_class("balanced", target, [[1, 0], [1, 0], [1, 0], [0, 1]], [8, 9, 7, 5])
    >>> draw.counts.tolist()
    [2, 2]
    >>> str(draw)
    'an epoch draws, of those there are: a 2 of 3, b 2 of 1'
    """
    if sampling not in SAMPLINGS:
        raise ConfigError(f"training.sampling={sampling!r}: expected one of {', '.join(SAMPLINGS)}")
    if sampling == "natural":
        return None
    if not target.definition.class_names(target.names):
        raise ConfigError(f"training.sampling '{sampling}' draws classes, but target.task is '{target.task}'. Omit it")
    has, known = _membership(target, labels)
    is_without = ~has.any(axis=1, keepdims=True) & known.any(axis=1, keepdims=True)
    has, known = np.hstack([has, is_without]), np.hstack([known, np.ones_like(is_without)])
    parts = has.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    # Of a sequence of which nothing is known, one may expect what the others are.
    rarest = np.where(has.any(axis=1), np.where(has, parts, 2.0).argmin(axis=1), has.shape[1])
    worth = np.append(1 / np.where(parts > 0, parts, 1), 1.0)
    weight = (worth if sampling == "balanced" else np.sqrt(worth))[rarest]
    found, groups = np.unique(rarest, return_inverse=True)
    mass = np.bincount(groups, weight, minlength=len(found))
    names = [*target.names, "(none)", "(unknown)"]
    chosen = tuple(names[group] for group in found.tolist())
    return BalancedSampler(groups.astype(np.int64), mass / mass.sum(), np.asarray(lengths, np.int64), seed, chosen)


def _membership(target: Target, labels: Any) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return the classes of each sequence, and for which of them that is known, `(n, C)`."""
    if not isinstance(labels, FrameLabels):
        rows = np.asarray(target.definition.class_rows(np.asarray(labels)), np.float64)
        return rows > 0, rows >= 0
    encoded = [labels.encode(index) for index in range(len(labels))]
    known = np.array([(rows >= 0).any(axis=0) for rows in encoded])
    return np.array([(rows > 0).any(axis=0) for rows in encoded]), known
