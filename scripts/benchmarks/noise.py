"""Features of the right size and no meaning: noise costs a network what speech does."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from benchmarks.lengths import Lengths
from benchmarks.networks import NUM_CLASSES, NUM_FEATURES

SEED = 0


@dataclass(frozen=True)
class NoiseData:
    """Sequences of given lengths in memory, with a class each; `name` is that of the lengths."""

    name: str
    lengths: Lengths

    @cached_property
    def frames(self) -> npt.NDArray[np.float32]:
        """The frames of all sequences one after the other, `(sum of lengths, NUM_FEATURES)`."""
        rng = np.random.default_rng(SEED)
        return rng.standard_normal((int(self.lengths.sum()), NUM_FEATURES), dtype=np.float32)

    @cached_property
    def arrays(self) -> list[npt.NDArray[np.float32]]:
        """Views of the sequences, `(time, NUM_FEATURES)`."""
        return np.split(self.frames, np.cumsum(self.lengths)[:-1])

    @cached_property
    def classes(self) -> Lengths:
        """The class of each sequence; every class is there."""
        return np.random.default_rng(SEED).permutation(np.arange(len(self.lengths)) % NUM_CLASSES)
