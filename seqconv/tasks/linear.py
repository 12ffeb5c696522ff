"""The part of a task that a head in closed form needs: targets of least squares, and their unit."""

import numpy as np

from seqconv.metrics.checks import FloatArray
from seqconv.tasks.forms import Array


class LinearTask:
    """A task whose encoded labels are what least squares are fitted to, and whose outputs are these."""

    def linear_targets(self, encoded: Array) -> FloatArray:
        """Return what least squares are fitted to, `(n, num_outputs)`; NaN where a label is missing."""
        return np.asarray(encoded, np.float64)

    def linear_scale(self, encoded: Array, outputs: FloatArray) -> float:
        """Choose the factor that turns outputs of least squares into what the model returns.

        Args:
            encoded: labels, NaN where one is missing.
            outputs: of a fit that has not seen them.
        """
        return 1.0
