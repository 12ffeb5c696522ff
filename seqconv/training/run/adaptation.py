"""Numbers that layers take from the training sequences before the first step."""

import numpy as np
import numpy.typing as npt
from keras import ops

from seqconv.data.sequences import Sequences
from seqconv.layers import MaskedThresholdPooling1D
from seqconv.models import SequenceModel
from seqconv.models.stack import apply_trunk
from seqconv.prediction.compiled import rounded_width
from seqconv.prediction.random_features import RandomFeatures, qualifies

MOST_SEQUENCES = 64
MOST_FRAMES = 128


def adapt_thresholds(model: SequenceModel, train: Sequences, seed: int) -> None:
    """Set the thresholds of poolings that have some, but for those of `training.init`, to quantiles of what reaches them.

    Every sequence counts alike: at most 128 frames are drawn of each, of at most 64 sequences.
    """
    poolings = [layer for layer in model.stack.poolings if isinstance(layer, MaskedThresholdPooling1D)]
    poolings = [layer for layer in poolings if not layer.is_adapted]
    if not poolings:
        return
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(train))[:MOST_SEQUENCES]
    features = RandomFeatures(model) if qualifies(model) else None
    frames = np.concatenate([_draw_frames(model, features, np.asarray(train[int(index)]), rng) for index in chosen])
    for layer in poolings:
        layer.adapt(frames)


def _draw_frames(
    model: SequenceModel,
    features: RandomFeatures | None,
    sequence: npt.NDArray[np.float32],
    rng: np.random.Generator,
) -> npt.NDArray[np.float32]:
    """Return frames of one sequence as they reach the poolings, `(n, channels)`."""
    if features is not None and np.isfinite(sequence).all():
        return features.frames_at(sequence, np.sort(rng.permutation(len(sequence))[:MOST_FRAMES]))
    # Rows of few widths: JAX compiles each operation for each of them.
    row = np.zeros((1, rounded_width(len(sequence)), sequence.shape[1]), np.float32)
    row[0, : len(sequence)] = sequence
    is_real = np.arange(row.shape[1])[None] < len(sequence)
    flow = apply_trunk(model.stack, ops.convert_to_tensor(row), ops.convert_to_tensor(is_real), training=False)
    real = np.flatnonzero(ops.convert_to_numpy(flow.segments)[0])
    drawn = rng.permutation(real)[:MOST_FRAMES]
    return np.asarray(ops.convert_to_numpy(ops.take(flow.features[0], np.sort(drawn), axis=0)))
