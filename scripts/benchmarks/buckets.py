"""Buckets as a careful user of `tf.data` sets them, and the length-grouped order of Hugging Face's sampler."""

from typing import Any

import numpy as np

from benchmarks.lengths import Lengths

NUM_BUCKETS = 16
# Of `get_length_grouped_indices` in transformers/trainer_pt_utils.py.
MOST_BATCHES_TOGETHER = 50


def hand_set_boundaries(lengths: Lengths) -> Lengths:
    """Inclusive upper bounds of buckets that hold about equally many frames each; the last is the longest length.

    As many sequences in each would leave one bucket for all that is long: padding of 1.6 frames for each real one, on
    the prompts, where these need 0.18.

    >>> hand_set_boundaries(np.array([1] * 1000 + [1000]))
    array([   1, 1000])
    """
    ordered = np.sort(lengths)
    frames = np.cumsum(ordered)
    shares = frames[-1] * np.arange(1, NUM_BUCKETS + 1) / NUM_BUCKETS
    return np.unique(ordered[np.searchsorted(frames, shares)])


def doubling_boundaries(lengths: Lengths) -> Lengths:
    """Inclusive upper bounds of 32, 64, 128 frames and so on, as tutorials set them; the last is the longest length.

    >>> doubling_boundaries(np.array([20, 100]))
    array([ 32,  64, 100])
    """
    longest = int(lengths.max())
    return np.append(32 << np.arange(max(0, (longest - 1).bit_length() - 5)), longest)


def bucket_by_length(dataset: Any, boundaries: Lengths, frames_per_batch: int) -> Any:
    """`tf.data.Dataset.bucket_by_sequence_length` of `(features, ...)`: fixed shapes, each within the frame budget."""
    import tensorflow as tf

    sizes = [max(1, frames_per_batch // int(width)) for width in boundaries]
    return dataset.bucket_by_sequence_length(
        lambda features, *_: tf.shape(features)[0],
        # tf.data's bounds are exclusive, and padding goes up to one frame less.
        bucket_boundaries=(boundaries + 1).tolist(),
        bucket_batch_sizes=[*sizes, 1],
        pad_to_bucket_boundary=True,
    )


def group_by_length(lengths: Lengths, batch_size: int, seed: int) -> list[Lengths]:
    """Batches in the order of Hugging Face's LengthGroupedSampler: shuffled, then sorted within mega-batches.

    Algorithm of `get_length_grouped_indices` (transformers, trainer_pt_utils.py), with NumPy's sorting.

    >>> [batch.tolist() for batch in group_by_length(np.array([5, 1, 9, 7]), 2, seed=0)]
    [[2, 0], [3, 1]]
    """
    together = max(1, min(len(lengths) // (batch_size * 4), MOST_BATCHES_TOGETHER))
    shuffled = np.random.default_rng(seed).permutation(len(lengths))
    size = together * batch_size
    parts = [shuffled[first : first + size] for first in range(0, len(shuffled), size)]
    parts = [part[np.argsort(-lengths[part], kind="stable")] for part in parts]
    longest = int(np.argmax([lengths[part[0]] for part in parts]))
    # The longest sequence comes first, so that memory runs out at once if it does.
    parts[0][0], parts[longest][0] = parts[longest][0], parts[0][0]
    order = np.concatenate(parts)
    return [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
