"""The sequences of each epoch of a plan, if augmentation makes sequences longer or shorter."""

from dataclasses import dataclass, field

from seqconv.batching.epoch_sampling import EpochSampler
from seqconv.data.augmentation.epochs import Augmentation, AugmentedEpoch
from seqconv.sources import IntArray


@dataclass(frozen=True, eq=False)
class AugmentedDraw:
    """An `EpochSampler`: the entries of another one, or every sequence once, each as long as augmentation makes it."""

    augmentation: Augmentation
    drawn: EpochSampler | None = None
    _epochs: dict[int, AugmentedEpoch] = field(default_factory=dict, repr=False)

    def epoch(self, epoch: int) -> AugmentedEpoch:
        """Return the sequences of an epoch; entry i is entry i of the sampler."""
        found = self._epochs.get(epoch)
        if found is None:
            found = self.augmentation.epoch(epoch, None if self.drawn is None else self.drawn.indices(epoch))
            # As of a plan, two are enough: this one and the next. Batches are made in another thread.
            for old in list(self._epochs)[: max(0, len(self._epochs) - 1)]:
                self._epochs.pop(old, None)
            self._epochs[epoch] = found
        return found

    def indices(self, epoch: int) -> IntArray:
        """Return the sequences of an epoch by index, `(n,)`."""
        return self.epoch(epoch).indices

    def lengths(self, epoch: int) -> IntArray:
        """Return the frames of each entry, `(n,)`."""
        return self.epoch(epoch).lengths

    def bounds(self) -> tuple[int, int]:
        """Return the fewest and the most frames that any entry may have."""
        return self.augmentation.bounds()
