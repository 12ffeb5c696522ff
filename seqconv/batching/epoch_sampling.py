"""The sampling of an epoch: sequences, how often each, and how many frames, if these differ by epoch."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from seqconv.batching.layouts import IntArray
from seqconv.batching.lengths import LongSequences, TooLong, apply_limit, check_lengths
from seqconv.errors import ManifestError, ShapeError
from seqconv.geometry import TimeGeometry, min_frames


class EpochSampler(Protocol):
    """Sequences and lengths of each epoch of a plan, a pure function of the epoch.

    A draw says which sequences (some often, some not at all), and how many frames of each: augmentation may stretch
    them. The two arrays of an epoch are as long as each other; entry i is one sequence of that epoch.
    """

    def indices(self, epoch: int) -> IntArray:
        """Return the sequences of the epoch, (n,): indices into the `lengths` of the plan; some may repeat."""
        ...

    def lengths(self, epoch: int) -> IntArray:
        """Return the frames of each entry in this epoch, (n,)."""
        ...

    def bounds(self) -> tuple[int, int]:
        """Return the fewest and the most frames that an entry of any epoch may have."""
        ...


class EpochSample(NamedTuple):
    """The entries of one epoch: sequence, frames, and how many times the epoch has drawn that sequence before."""

    indices: IntArray
    lengths: IntArray
    repeats: IntArray


def count_repeats(indices: IntArray) -> IntArray:
    """Count, for each entry, the entries before it that are the same.

    >>> count_repeats(np.array([7, 3, 7, 7, 3]))
    array([0, 0, 1, 2, 1])
    """
    order = np.argsort(indices, kind="stable")
    ordered = indices[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]
    places = np.arange(len(ordered))
    repeats = np.empty(len(ordered), np.int64)
    repeats[order] = places - places[first][np.cumsum(first) - 1]
    return repeats


def take_epoch(draw: EpochSampler, epoch: int, num_sequences: int) -> EpochSample:
    """Return the sample of an epoch that a sampler draws.

    Raises ShapeError where it is no two arrays of one length, ManifestError where it draws nothing, or what there is
    not: sequences beyond the last, or frames outside of its bounds.
    """
    indices, lengths = np.asarray(draw.indices(epoch), np.int64), np.asarray(draw.lengths(epoch), np.int64)
    if indices.ndim != 1 or indices.shape != lengths.shape:
        raise ShapeError(
            f"the draw of epoch {epoch} has indices of shape {indices.shape} and lengths of shape {lengths.shape}; "
            "expected (n,) of both"
        )
    if not len(indices):
        raise ManifestError(f"the draw of epoch {epoch} holds no sequence")
    if indices.min() < 0 or indices.max() >= num_sequences:
        raise ManifestError(
            f"the draw of epoch {epoch} holds sequences {indices.min()} to {indices.max()}, but there are "
            f"{num_sequences}"
        )
    fewest, most = draw.bounds()
    if lengths.min() < fewest or lengths.max() > most:
        raise ManifestError(
            f"the draw of epoch {epoch} holds sequences of {lengths.min()} to {lengths.max()} frames, but its bounds "
            f"are {fewest} and {most}"
        )
    return EpochSample(indices, lengths, count_repeats(indices))


@dataclass(frozen=True)
class PlanInput:
    """The lengths that shapes are fitted to: those of all sequences, or with a sampler, those of its first epoch.

    With a draw, the longest that any epoch may have is among them, so that the shapes hold every epoch.
    `num_sequences`: how many there are to draw from.
    """

    lengths: IntArray
    num_sequences: int
    draw: EpochSampler | None = None

    @property
    def possible(self) -> IntArray:
        """Every length that an epoch may have."""
        if self.draw is None:
            return self.lengths
        fewest, most = self.draw.bounds()
        return np.arange(fewest, most + 1)

    def epoch(self, epoch: int) -> EpochSample | None:
        """Return the sample of an epoch; None if each epoch takes every sequence once."""
        return None if self.draw is None else take_epoch(self.draw, epoch, self.num_sequences)

    def limit_to(self, limit: int | None, too_long: TooLong) -> LongSequences:
        """Apply `too_long` to the sequences of more than `limit` frames.

        Raises ConfigError for an unknown `too_long`, ManifestError for 'error' with a long sequence, or where 'drop'
        leaves nothing.
        """
        longest = int(self.lengths.max())
        if self.draw is None or limit is None or longest <= limit:
            return apply_limit(self.lengths, limit, too_long)
        if too_long == "error":
            raise ManifestError(
                f"an epoch may hold a sequence of {longest} frames, but a batch holds {limit}. Raise "
                f"batching.frames_per_batch to at least {longest}, or set batching.too_long to 'drop', 'crop' or "
                "'own_batch'."
            )
        # Where the longest are dropped, another epoch may keep a longer one than this.
        return apply_limit(np.append(self.lengths, limit), limit, too_long)


def expect(lengths: ArrayLike, draw: EpochSampler | None, geometry: TimeGeometry) -> PlanInput:
    """Return the input of a planner.

    Raises ManifestError for lengths that cannot be, or that the model cannot take; ShapeError for those of wrong rank.
    """
    if draw is None:
        checked = check_lengths(lengths, geometry)
        return PlanInput(checked, len(checked))
    num_sequences = len(check_lengths(lengths))
    (fewest, most), smallest = draw.bounds(), min_frames(geometry)
    if fewest < smallest:
        raise ManifestError(
            f"an epoch may hold a sequence of {fewest} frames; the model needs at least {smallest} frames. Stretch "
            "sequences less, leave out the shortest, or use smaller kernels or padding 'same'."
        )
    drawn = take_epoch(draw, 0, num_sequences).lengths
    return PlanInput(drawn if drawn.max() == most else np.append(drawn, most), num_sequences, draw)
