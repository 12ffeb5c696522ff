"""The training sequences as an epoch sees them: a source like any other, each of its sequences varied again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.batching.epoch_sampling import count_repeats
from seqconv.data.augmentation import transforms
from seqconv.data.augmentation.keys import SequenceKeys
from seqconv.data.augmentation.settings import AugmentConfig, FeatureTransform
from seqconv.data.augmentation.transforms import Array, Vector
from seqconv.errors import ConfigError
from seqconv.features import FeatureKind
from seqconv.sources import FloatArray, IntArray, Source


@dataclass(frozen=True, eq=False)
class Augmentation:
    """The variations of the training sequences; `epoch(e)` returns those of an epoch.

    Everything is a pure function of (seed, epoch, id): the same in every layout, in a resumed run, on any number of
    processes. A transform that is switched on does not change what the others draw.

    Args:
        settings: the section `augment`.
        source: the sequences.
        features: what a frame of them holds.
        seed: of the run.
        mean, deviation: of each feature over the training frames, `(d,)`: what masks hold, and the unit of noise.
        variants: sources with the same sequences, varied before; an epoch takes one of these, or `source`.
        shortest: frames that a sequence keeps, at least, where it has them: as many as the model needs.

    >>> from seqconv.sources import ArraySource
    >>> source = ArraySource([np.zeros((40, 2)), np.zeros((60, 2))])
    >>> settings = AugmentConfig(time_stretch={"rate": (0.5, 0.5)})
    >>> epoch = Augmentation(settings, source, FeatureKind(kind="precomputed"), seed=0).epoch(3)
    >>> epoch.lengths, epoch[1].shape
    (array([ 80, 120]), (120, 2))
    """

    settings: AugmentConfig
    source: Source
    features: FeatureKind
    seed: int = 0
    mean: npt.ArrayLike = 0.0
    deviation: npt.ArrayLike = 1.0
    variants: Sequence[Source] = ()
    shortest: int = 1

    def epoch(self, epoch: int, indices: npt.ArrayLike | None = None) -> "AugmentedEpoch":
        """Return the sequences of an epoch: all, or those at `indices`, `(n,)`; one that comes again differs."""
        chosen = np.arange(len(self.source.ids)) if indices is None else np.asarray(indices, np.int64)
        return AugmentedEpoch(self, epoch, chosen, count_repeats(chosen))

    @cached_property
    def keys(self) -> SequenceKeys:
        """The keys of the random numbers."""
        return SequenceKeys(list(self.source.ids), self.seed)

    @cached_property
    def lengths(self) -> IntArray:
        """Frames of each sequence and of its variants, `(1 + variants, n)`."""
        return np.stack([np.asarray(source.lengths, np.int64) for source in (self.source, *self.variants)])

    @cached_property
    def is_long_enough(self) -> npt.NDArray[np.bool_]:
        """The entries that are long enough for the model, `(1 + variants, n)`; original sequences always count as
        such."""
        return np.asarray(self.lengths >= np.minimum(self.shortest, self.lengths[0]))

    @cached_property
    def ranks(self) -> IntArray:
        """The rank of each sequence in the order of the ids, which depends on no manifest, `(n,)`."""
        return np.unique(np.asarray(self.source.ids, object), return_inverse=True)[1]

    @property
    def changes_lengths(self) -> bool:
        """Whether a sequence may have another number of frames in another epoch."""
        return self.settings.time_stretch is not None or bool((self.lengths != self.lengths[0]).any())

    def bounds(self) -> tuple[int, int]:
        """Return the fewest and the most frames that a sequence may have in any epoch."""
        lengths, stretch = self.lengths[self.is_long_enough], self.settings.time_stretch
        if stretch is None:
            return int(lengths.min()), int(lengths.max())
        slow, fast = (transforms.stretched_lengths(lengths, rate, shortest=self.shortest) for rate in stretch.rate)
        # Who is not stretched at all is in between, unless everything is made longer, or shorter.
        return int(min(fast.min(), lengths.min())), int(max(slow.max(), lengths.max()))

    def shortest_lengths(self) -> IntArray:
        """Return the fewest frames that each sequence may have in any epoch, `(n,)`."""
        lengths = np.where(self.is_long_enough, self.lengths, self.lengths[0]).min(axis=0)
        stretch = self.settings.time_stretch
        if stretch is None:
            return np.asarray(lengths)
        fastest = transforms.stretched_lengths(lengths, stretch.rate[1], shortest=self.shortest)
        return np.asarray(np.minimum(lengths, fastest))

    def moment(self, name: str, width: int) -> FloatArray:
        """Return `mean` or `deviation`, `(width,)`."""
        return np.broadcast_to(np.asarray(getattr(self, name), np.float32), (width,))


@dataclass(eq=False)
class AugmentedEpoch:
    """The sequences of one epoch: `[i] -> (time, d)` of its entry i, which is the sequence `indices[i]`, varied."""

    plan: Augmentation
    epoch: int
    indices: IntArray
    repeats: IntArray
    _last: tuple[int, FloatArray] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, entry: int) -> FloatArray:
        # Whoever makes a batch looks at its first sequence twice.
        last, entry = self._last, int(entry)
        if last is not None and last[0] == entry:
            return last[1]
        values = self._vary(entry)
        settings = self.plan.settings
        if self.shares[entry] > 0:
            other = self._vary(int(self.partners[entry]))
            values = transforms.mix_features(values, other, float(self.shares[entry]), float(self._places[entry]))
        if settings.noise is not None:
            rng = self.keys.generator(self.epoch, "noise", entry)
            is_on, amount = rng.random() < settings.noise.probability, rng.uniform(*settings.noise.deviation)
            if is_on:
                values = transforms.add_noise(values, self.plan.moment("deviation", values.shape[1]), amount, rng)
        if settings.spec_mask is not None:
            rng = self.keys.generator(self.epoch, "spec_mask", entry)
            if rng.random() < settings.spec_mask.probability:
                fill, orders = self.plan.moment("mean", values.shape[1]), self.plan.features.orders
                values = transforms.mask_spectrum(values, settings.spec_mask, fill, rng, orders=orders)
        for place, transform in enumerate(settings.own):
            rng = self.keys.generator(self.epoch, f"own {place}", entry)
            if rng.random() < transform.probability:
                values = self._apply(transform, values, rng, entry)
        self._last = (entry, values)
        return values

    def _apply(self, own: FeatureTransform, values: FloatArray, rng: np.random.Generator, entry: int) -> FloatArray:
        """Apply a user's own transform to an entry, and check its promises."""
        given = values.view()
        given.flags.writeable = False
        found: FloatArray = np.asarray(own.apply(given, rng), np.float32)
        if found.shape != values.shape or not np.isfinite(found).all():
            what = "a value that is not finite" if found.shape == values.shape else f"shape {found.shape}"
            raise ConfigError(
                f"augment.own: '{getattr(own, 'type', '')}' made {what} of the sequence "
                f"'{self.plan.source.ids[int(self.indices[entry])]}', which has shape {values.shape}. Return finite "
                "features of the same shape"
            )
        return found

    @cached_property
    def keys(self) -> SequenceKeys:
        """The keys of the random numbers of the entries."""
        return self.plan.keys.take(self.indices, self.repeats)

    @cached_property
    def variant(self) -> IntArray:
        """The variant of its sequence that each entry is, 0 being the sequence itself, `(n,)`."""
        drawn = (self._uniform("variant") * len(self.plan.lengths)).astype(np.int64)
        return np.where(self.plan.is_long_enough[drawn, self.indices], drawn, 0)

    @cached_property
    def rates(self) -> Vector:
        """The speed at which each entry is played, `(n,)`."""
        stretch = self.plan.settings.time_stretch
        if stretch is None:
            return np.ones(len(self))
        is_on, part = _switch(self._uniform("time_stretch"), stretch.probability)
        low, high = stretch.rate
        # As many get slower by some factor as get faster by it.
        return np.where(is_on, low * (high / low) ** part, 1.0)

    @cached_property
    def lengths(self) -> IntArray:
        """Frames of each entry, `(n,)`."""
        return transforms.stretched_lengths(self._variant_lengths, self.rates, shortest=self.plan.shortest)

    @cached_property
    def shifts(self) -> IntArray:
        """Frames by which each entry is moved to a later time, `(n,)`."""
        shift = self.plan.settings.time_shift
        if shift is None:
            return np.zeros(len(self), np.int64)
        is_on, part = _switch(self._uniform("time_shift"), shift.probability)
        most = (shift.fraction * self.lengths).astype(np.int64)
        return np.where(is_on, (part * (2 * most + 1)).astype(np.int64) - most, 0)

    @cached_property
    def gains(self) -> Vector:
        """Decibels by which each entry is louder, `(n,)`."""
        gain = self.plan.settings.gain
        if gain is None:
            return np.zeros(len(self))
        is_on, part = _switch(self._uniform("gain"), gain.probability)
        low, high = gain.decibels
        return np.where(is_on, low + (high - low) * part, 0.0)

    @cached_property
    def partners(self) -> IntArray:
        """The entry that is mixed into each, `(n,)`: any of the epoch."""
        order = np.lexsort((self.repeats, self.plan.ranks[self.indices]))
        return order[(self._uniform("mixup partner") * len(self)).astype(np.int64)]

    @cached_property
    def shares(self) -> Vector:
        """The weight of the partner of each entry, from 0 to a half, `(n,)`."""
        mixup = self.plan.settings.mixup
        if mixup is None:
            return np.zeros(len(self))
        from scipy.special import betaincinv

        is_on, part = _switch(self._uniform("mixup"), mixup.probability)
        share = betaincinv(mixup.alpha, mixup.alpha, part)
        # Who has the larger share gives the length. Of two that are drawn alike, either may be called the first.
        is_on &= self.partners != np.arange(len(self))
        return np.where(is_on, np.minimum(share, 1 - share), 0.0)

    @cached_property
    def label_shares(self) -> Vector:
        """The share of the partner in the label of each entry, `(n,)`."""
        return transforms.label_shares(self.shares, self.lengths, self.lengths[self.partners])

    def entries(self, indices: npt.ArrayLike, repeats: npt.ArrayLike) -> IntArray:
        """Return the entries that are the sequences at `indices`, each having come `repeats` times before, `(m,)`."""
        order, ordered = self._by_index
        return np.asarray(order[np.searchsorted(ordered, np.asarray(indices)) + np.asarray(repeats)])

    def mix(self, labels: Array, weights: Array) -> tuple[Array, Array]:
        """Return labels `(n, ...)` and weights `(n,)` of the entries, from those of all sequences, encoded."""
        labels, weights = labels[self.indices], weights[self.indices]
        if self.plan.settings.mixup is None:
            return labels, weights
        return transforms.mix_labels(labels, weights, self.partners, self.label_shares)

    def original_frames(self, entry: int) -> IntArray:
        """Return the frame of the original sequence for each frame of an entry, `(time,)`, from which its label
        comes."""
        lengths = self.plan.lengths[:, self.indices[entry]]
        return transforms.nearest_frames(self._positions(entry), int(lengths[self.variant[entry]]), int(lengths[0]))

    def _vary(self, entry: int) -> FloatArray:
        """Return an entry before another one is mixed into it."""
        plan, variant, index = self.plan, int(self.variant[entry]), int(self.indices[entry])
        values: FloatArray = np.asarray((plan.source if not variant else plan.variants[variant - 1])[index], np.float32)
        if self.shifts[entry] or self.lengths[entry] != len(values):
            values = transforms.frames_at(values, self._positions(entry))
        if self.gains[entry]:
            values = plan.features.with_gain(values, float(self.gains[entry]))
        return values

    def _positions(self, entry: int) -> Array:
        """Return the position in its variant of each frame of an entry, `(time,)`."""
        positions = transforms.stretch_positions(int(self._variant_lengths[entry]), int(self.lengths[entry]))
        shift, frames = self.plan.settings.time_shift, int(self.shifts[entry])
        return positions if shift is None or not frames else transforms.shift_positions(positions, frames, shift.fill)

    @cached_property
    def _by_index(self) -> tuple[IntArray, IntArray]:
        order = np.lexsort((self.repeats, self.indices))
        return order, self.indices[order]

    @cached_property
    def _variant_lengths(self) -> IntArray:
        return self.plan.lengths[self.variant, self.indices]

    @cached_property
    def _places(self) -> Vector:
        return self._uniform("mixup place")

    def _uniform(self, purpose: str) -> Vector:
        return self.keys.uniform(self.epoch, purpose)


@dataclass(frozen=True, eq=False)
class AugmentedFrameLabels:
    """Labels of frames in an epoch: each frame has the label of the one that it comes from.

    `encode(i, frames)` gives the labels `(time, C)` of some frames of an entry, NaN where there is none.
    """

    labels: Any
    epoch: AugmentedEpoch

    def encode(self, entry: int, frames: slice = slice(None)) -> Array:
        """Encode the labels of some frames of an entry."""
        index, encode = int(self.epoch.indices[entry]), getattr(self.labels, "encode", None)
        rows: Array = np.asarray(self.labels[index]) if encode is None else encode(index, slice(None))
        return rows[self.epoch.original_frames(entry)[frames]]


def _switch(uniform: Vector, probability: float) -> tuple[npt.NDArray[np.bool_], Vector]:
    """Return which numbers from [0, 1) are below a probability, and for these a new number from [0, 1)."""
    return uniform < probability, np.minimum(uniform / probability, 1 - 2.0**-53)
