"""Lengths, geometries and strategies of plans."""

import numpy as np

from seqconv.geometry import TimeLayer

STRATEGIES = ("packed", "bucketed", "padded", "single")
GEOMETRIES = (
    (),
    (TimeLayer(5),),
    (TimeLayer(5, stride=2), TimeLayer(3, dilation=2), TimeLayer(3, stride=3, padding="causal")),
)


def prompts_like(num_sequences: int, seed: int = 0) -> np.ndarray:
    """Lengths as of telephone prompts at 100 frames a second: median 1.4 s, up to a minute and more."""
    drawn = np.exp(np.random.default_rng(seed).normal(np.log(140), 1.0, num_sequences))
    return np.clip(drawn, 20, 8500).astype(np.int64)
