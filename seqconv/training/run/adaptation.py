"""Numbers that layers take from the training sequences before the first step."""

from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt
from keras import ops

from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError
from seqconv.models import SequenceModel
from seqconv.models.stack import apply_trunk
from seqconv.prediction.compiled import rounded_width
from seqconv.prediction.random_features import NotFiniteError, RandomFeatures, qualifies

Frames = npt.NDArray[np.float32]
MOST_SEQUENCES = 64
MOST_FRAMES = 32
# Frames that are computed at once: thousands of channels of each would be gigabytes for a recording of an hour.
LONGEST = 4096
# The part of the values of a feature that may be cut off: more than one wild sequence of all that are drawn. And the
# deviation of all values below which rounding would tell.
MOST_BEYOND = 0.02
LEAST_DEVIATION = 0.005


def adapt_poolings(model: SequenceModel, train: Sequences, seed: int) -> None:
    """Give poolings what they take from the training frames, such as thresholds, unless `training.init` had it.

    At most 32 frames are drawn of each of at most 64 sequences, of those with a weight; of a long one, of an excerpt.

    Raises:
        ConfigError: the features are far from standardized, and fixed kernels would cut them off, or lose them.
    """
    poolings = [layer for layer in model.stack.poolings if not layer.is_adapted]
    limits = [layer.limit for layer in model.stack.layers() if hasattr(layer, "limit")]
    if not poolings and not limits:
        return
    rng = np.random.default_rng(seed)
    excerpts = [_excerpt(train[int(index)], rng) for index in rng.permutation(counted(train))[:MOST_SEQUENCES]]
    if limits:
        _check_scale(model, excerpts, min(limits))
    if poolings:
        features = RandomFeatures(model) if qualifies(model) else None
        frames = np.concatenate([_draw_frames(model, features, excerpt, rng) for excerpt in excerpts])
        for layer in poolings:
            layer.adapt(frames)


def counted(train: Sequences) -> npt.NDArray[np.int64]:
    """Return the training sequences whose weight is above 0."""
    return np.arange(len(train)) if train.weights is None else np.flatnonzero(train.weights > 0)


def _excerpt(sequence: Any, rng: np.random.Generator) -> Frames:
    """Return a sequence, or a part of one that is too long to be computed whole."""
    first = int(rng.integers(max(len(sequence) - LONGEST, 0) + 1))
    return np.asarray(sequence[first : first + LONGEST], np.float32)


def _check_scale(model: SequenceModel, excerpts: list[Frames], limit: float) -> None:
    """Check that features are in a range that layers with fixed kernels take as it is."""
    frames = ops.convert_to_numpy(model.feature_normalization(np.concatenate(excerpts)[None]))[0]
    beyond, deviation = (np.abs(frames) > limit).mean(axis=0), float(frames.std(dtype=np.float64))
    found, feature = "", int(beyond.argmax())
    if beyond[feature] > MOST_BEYOND:
        found = (
            f"{beyond[feature]:.1%} of the values of feature {feature} (counted from 0) are beyond {limit:g}, where "
            "they are cut off"
        )
    elif deviation < LEAST_DEVIATION:
        found = f"the deviation of these is {deviation:.1g}, which is rounded away"
    if found:
        raise ConfigError(
            f"random_convolutions take features of about one deviation, but {found}. Set features.normalize to "
            "'train', or standardize the arrays."
        )


def _draw_frames(
    model: SequenceModel, features: RandomFeatures | None, sequence: Frames, rng: np.random.Generator
) -> Frames:
    """Return frames of one sequence as they reach the poolings, `(n, channels)`."""
    if features is not None:
        places = np.sort(rng.permutation(len(sequence))[:MOST_FRAMES])
        # What overflows is left to the graph.
        with suppress(NotFiniteError):
            return features.frames_at(sequence, places)
    # Rows of few widths: JAX compiles each operation for each of them.
    row = np.zeros((1, rounded_width(len(sequence)), sequence.shape[1]), np.float32)
    row[0, : len(sequence)] = sequence
    is_real = np.arange(row.shape[1])[None] < len(sequence)
    flow = apply_trunk(model.stack, ops.convert_to_tensor(row), ops.convert_to_tensor(is_real), training=False)
    real = np.flatnonzero(ops.convert_to_numpy(flow.segments)[0])
    drawn = rng.permutation(real)[:MOST_FRAMES]
    return np.asarray(ops.convert_to_numpy(ops.take(flow.features[0], np.sort(drawn), axis=0)))
