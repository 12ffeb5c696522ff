"""Several channels become one: their mean, or the one that was chosen."""

from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import AudioError

Samples = npt.NDArray[np.float32]

# Of the power of the channels; of two that have nothing in common, half is left.
_LEAST_POWER = 1e-3


class Mixer:
    """One channel from blocks of several: number `channel`, from 0, or for None their mean.

    >>> mixer = Mixer(2, None)
    >>> mixer.mix(np.array([[1, 3], [2, 2]], np.float32))
    array([2., 2.], dtype=float32)
    """

    def __init__(self, num_channels: int, channel: int | None):
        """Begin with the first block.

        Raises:
            AudioError: there is no such channel. It does not name the file.
        """
        if channel is not None and channel >= num_channels:
            raise AudioError(f"has no channel {channel} (features.channel): it has {num_channels}, and the first is 0")
        self._num_channels, self._channel = num_channels, channel
        self._before, self._after = 0.0, 0.0

    def mix(self, block: npt.NDArray[Any]) -> Samples:
        """Return the samples `(n,)` of a block `(n, channels)`, or `(n,)`."""
        if block.ndim == 1 or self._num_channels == 1:
            return block.reshape(-1)
        if self._channel is not None:
            return np.ascontiguousarray(block[:, self._channel])
        # The caller counts infinite samples and refuses them.
        with np.errstate(over="ignore", invalid="ignore"):
            mixed: Samples = block.mean(axis=1, dtype=np.float32)
            self._before += float(np.vdot(block, block)) / self._num_channels
            self._after += float(np.vdot(mixed, mixed))
        return mixed

    def check(self) -> None:
        """Check, after the last block, that the mean is not silence where the channels are none.

        Raises:
            AudioError: they cancel each other. It does not name the file.
        """
        if self._after < _LEAST_POWER * self._before < np.inf:
            raise AudioError(
                f"its {self._num_channels} channels cancel each other (they are in opposite phase), so that their mean "
                f"has {self._after / self._before:.1g} of their power. Choose one of them: features.channel: 0"
            )
