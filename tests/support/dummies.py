"""Small made-up data that several tests share."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def random_sequences(rng: np.random.Generator, lengths: Sequence[int], d: int) -> list[npt.NDArray[np.float32]]:
    """One normal random array `(length, d)` for each length."""
    return [rng.standard_normal((length, d)).astype(np.float32) for length in lengths]
