"""Targets of a model whose frames together say the tokens of a sequence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqconv.batching.layouts import Layout
from seqconv.errors import ConfigError
from seqconv.geometry import TimeLayer, output_length, total_stride

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TokenTargets:
    """Labels of sequences that a loss over the frames of a row reads, for `make_batch`.

    Args:
        labels: (n, S), encoded, indexed by sequence.
        time_geometry: of the model; it says which output frames a sequence has.

    >>> from seqconv.batching import plan_packed
    >>> layout = plan_packed([3, 4], shuffle=False).epoch(0)[0]
    >>> labels, weights = TokenTargets(np.array([[7], [8]])).place(layout, np.ones(2))
    >>> labels[0, :2].tolist()  # first output frame, number of output frames, label
    [[0, 3, 7], [3, 4, 8]]
    """

    labels: NDArray[Any]
    time_geometry: Sequence[TimeLayer] = ()

    def take(self, indices: IntArray) -> "TokenTargets":
        """Return the targets of some sequences, in the order of `indices`."""
        return TokenTargets(self.labels[indices], self.time_geometry)

    def place(self, layout: Layout, weights: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return labels (rows, K, 2 + S) and weights (rows, K), all 0 in an unused slot.

        A label has, before it, the first output frame of its sequence in the row, and the number of these.
        """
        stride = total_stride(self.time_geometry)
        if np.any(layout.start % stride):
            raise ConfigError(
                f"sequences of this layout start between the output frames of a model with total stride {stride}. "
                "Plan with time_geometry=model.time_geometry"
            )
        shape = (layout.rows, layout.num_slots)
        labels, placed = np.zeros((*shape, 2 + self.labels.shape[1]), np.int32), np.zeros(shape, np.float32)
        at = layout.row, layout.slot
        labels[(*at, 0)] = layout.start // stride
        labels[(*at, 1)] = [output_length(length, self.time_geometry) for length in layout.length.tolist()]
        labels[(*at, slice(2, None))] = self.labels[layout.indices]
        placed[at] = weights
        return labels, placed
