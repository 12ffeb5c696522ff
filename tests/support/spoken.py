"""Sequences that say tokens: a stretch of frames for each, between others that say nothing."""

import numpy as np

from seqconv.data.sequences import Sequences

LETTERS = "abc"
TOKENS = {
    "target": {"task": "tokens"},
    "model": {
        "defaults": {"norm": "batch"},
        "blocks": [{"filters": 16, "kernel_size": 5}, {"filters": 16, "kernel_size": 3, "strides": 2}],
        "pooling": "frames",
    },
    "training": {"epochs": 6, "learning_rate": 1e-2},
}


def spoken(count: int, seed: int = 0, *, most: int = 5) -> Sequences:
    """Texts of 1 to `most` letters, in 4 features: each letter raises one of them."""
    rng = np.random.default_rng(seed)
    features, labels = [], []
    for _ in range(count):
        tokens = rng.integers(len(LETTERS), size=rng.integers(1, most + 1))
        parts = [np.zeros((rng.integers(2, 6), 4))]
        for token in tokens:
            parts += [np.tile(3.0 * np.eye(4)[token], (rng.integers(4, 9), 1)), np.zeros((rng.integers(2, 6), 4))]
        frames = np.concatenate(parts)
        features.append((frames + rng.normal(scale=0.5, size=frames.shape)).astype("float32"))
        labels.append("".join(LETTERS[token] for token in tokens))
    return Sequences(features, labels)
