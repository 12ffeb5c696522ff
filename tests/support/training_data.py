"""Small labeled sequences, and settings with which a run takes a second or two."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqconv.data.sequences import Sequences

MODEL = {"defaults": {"norm": "none", "dropout": 0.0}, "blocks": [{"filters": 6, "kernel_size": 3}]}
NUM_FEATURES = 3


def toned(labels: Sequence[int], *, seed: int = 0, shortest: int = 4) -> list[np.ndarray]:
    """A sequence `(time, 3)` for each label: noise of 4 to 20 frames around a level that the label sets."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(shortest, 21, len(labels))
    shape = (1, NUM_FEATURES)
    return [
        (rng.normal(size=(length, NUM_FEATURES)) + 0.8 * label * np.ones(shape)).astype("float32")
        for length, label in zip(lengths, labels, strict=True)
    ]


def classified(count: int = 40, *, seed: int = 0, **options: Any) -> Sequences:
    """Sequences of the classes "low", "mid" and "top", the first of which is the most frequent."""
    levels = [(0, 0, 1, 2)[i % 4] for i in range(count)]
    names = np.array(["low", "mid", "top"])
    return Sequences(toned(levels, seed=seed), names[levels].tolist(), **options)


def quick(**sections: Any) -> dict[str, Any]:
    """A config of a second or two; sections are merged into it."""
    base: dict[str, Any] = {
        "model": MODEL,
        "training": {"epochs": 2, "learning_rate": 1e-2},
        # The report takes longer than the run.
        "evaluation": {"bootstrap": 0, "report": False},
        "batching": {"batch_size": 8},
    }
    return {**base, **{name: {**base.get(name, {}), **values} if isinstance(values, dict) else values
                       for name, values in sections.items()}}  # fmt: skip


CLASSES = np.array(["low", "mid", "top"], object)
STRIDED_FRAMES = {
    "defaults": {"norm": "batch"},
    "blocks": [{"filters": 6, "kernel_size": 5, "strides": 2}, {"filters": 5, "kernel_size": 3, "dilation_rate": 2}],
    "pooling": "frames",
}
PLAIN_FRAMES = {"blocks": [{"filters": 6, "kernel_size": 3}], "pooling": "frames", "dense_units": [4]}


def framed(count: int, seed: int = 0, *, missing: float = 0.15) -> Sequences:
    """Sequences of 3 features whose level jumps between three classes; the class of each frame, some of them empty."""
    rng = np.random.default_rng(seed)
    features, labels = [], []
    for length in rng.integers(4, 60, count):
        levels = np.repeat(rng.integers(3, size=length), rng.integers(3, 9))[:length]
        features.append((rng.normal(size=(length, NUM_FEATURES)) + 2.5 * levels[:, None]).astype("float32"))
        labels.append(np.where(rng.random(length) < missing, "", CLASSES[levels]))
    return Sequences(features, labels)
