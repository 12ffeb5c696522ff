"""Batches as a `tf.data` dataset, assembled in the background while the last step computes."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from seqconv.batching import FrameTargets, Layout, make_batch

PREFETCHED_BATCHES = 4


def batch_dataset(
    layouts: Sequence[Layout], source: Any, labels: np.ndarray | FrameTargets, weights: np.ndarray, *, loss_scale: float
) -> Any:
    """A `tf.data.Dataset` of `(inputs, labels, weights)`, one element a layout, of known cardinality.

    Args:
        layouts: the steps to yield, in order.
        source: sequences; `source[i]` is `(time, num_features)`.
        labels: encoded labels of all sequences, `(n, num_outputs)`, or of their frames.
        weights: weight of each sequence, `(n,)`.
        loss_scale: the constant c by which the loss of a step is divided: weights come out as `weight / c`.
    """
    import tensorflow as tf

    def generate() -> Iterator[tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]]:
        for layout in layouts:
            batch = make_batch(layout, source, labels=labels, weights=weights)
            yield batch.as_inputs(), np.asarray(batch.labels), batch.weights / np.float32(loss_scale)

    num_outputs = labels.num_outputs if isinstance(labels, FrameTargets) else labels.shape[1]
    signature = (
        {
            "features": tf.TensorSpec((None, None, source.num_features), tf.float32),
            "segments": tf.TensorSpec((None, None), tf.int32),
            "lengths": tf.TensorSpec((None, None), tf.int32),
        },
        tf.TensorSpec((None, None, num_outputs), tf.float32),
        tf.TensorSpec((None, None), tf.float32),
    )
    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(layouts)))
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(PREFETCHED_BATCHES).with_options(options)
