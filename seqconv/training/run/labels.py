"""Labels and weights of the training sequences, as batches take them."""

from dataclasses import replace

import numpy as np

from seqconv.batching import FrameTargets
from seqconv.config import Config
from seqconv.data.class_weights import class_weights, frame_class_weights
from seqconv.data.datasets import Datasets
from seqconv.errors import ConfigError, ManifestError
from seqconv.models import SequenceModel
from seqconv.tasks.frame_labels import FrameLabels

Labels = np.ndarray | FrameTargets


def encode_labels(config: Config, data: Datasets, model: SequenceModel) -> tuple[Labels, np.ndarray]:
    """Encode labels, `(n, num_outputs)` or those of frames, and the weight of each sequence `(n,)`.

    Of several labels, those that are missing are NaN; a sequence of which none is known has weight 0.

    Raises:
        ConfigError: nothing has a weight, or a class weight is of no class.
        ManifestError: no frame that the model sees has a label.
    """
    train, class_weight = data.train, config.training.class_weight
    weights = np.ones(len(train), "float32") if train.weights is None else train.weights
    labels: Labels
    encoded: np.ndarray
    if model.predicts_frames:
        labels = _encode_frames(config, data, model)
    else:
        labels = encoded = data.labels_of("train")
        weights = np.asarray(weights * class_weights(data.target, encoded, class_weight), "float32")
        weights = np.where(data.target.definition.is_labeled(encoded), weights, np.float32(0))
    if not weights.any():
        raise ConfigError(
            f"all {len(weights)} training sequences have weight 0: there is nothing to learn from. Look at the column "
            "'weight' and at training.class_weight."
        )
    return labels, weights


def _encode_frames(config: Config, data: Datasets, model: SequenceModel) -> FrameTargets:
    labels = data.target.encode_frames(data.labels_of("train"), ids=data.train.ids)
    stride, class_weight = model.total_stride, config.training.class_weight
    counts = count_labeled(labels, stride)
    if not counts.any():
        raise ManifestError(
            f"the model predicts {every(stride)}, and none of these has a label in the training sequences. "
            "Give the blocks smaller strides, or label more frames."
        )
    share = float(np.count_nonzero(counts) / counts.sum()) if config.target.frame_weight == "frame" else None
    is_partial = data.target.definition.may_be_partial
    frames = FrameTargets(labels, data.target.num_outputs, stride, frame_weight=share, may_be_partial=is_partial)
    if class_weight is None:
        return frames
    return replace(frames, class_weights=frame_class_weights(data.target, frames, len(labels), class_weight))


def count_labeled(labels: FrameLabels, stride: int) -> np.ndarray:
    """Count the labeled frames of each sequence among every `stride`-th."""
    step = slice(None, None, stride)
    return np.array([np.count_nonzero(labels.is_labeled(index, step)) for index in range(len(labels))])


def describe_frames(config: Config, data: Datasets, model: SequenceModel) -> str:
    """Describe which frames the model predicts, and how many of them have a label."""
    stride, seconds = model.total_stride, config.features.seconds_per_frame
    clock = "" if seconds is None else f" ({stride * seconds * 1000:g} ms)"
    counts = {}
    for name, part in data.parts().items():
        labels = data.labels_of(name)
        counts[name] = int(count_labeled(labels, stride).sum()), int((-(-part.lengths // stride)).sum())
    if all(labeled == total for labeled, total in counts.values()):
        told = ", ".join(f"{name} {total:,}" for name, (_, total) in counts.items())
        return f"{every(stride)}{clock}, all labeled: {told}"
    told = ", ".join(f"{name} {labeled:,} of {total:,}" for name, (labeled, total) in counts.items())
    return f"{every(stride)}{clock}, labeled are {told}; the others are neither learned nor scored"


def every(stride: int) -> str:
    """Say in words which frames have a prediction.

    >>> every(1), every(2), every(11)
    ('every frame', 'every 2nd frame', 'every 11th frame')
    """
    if stride == 1:
        return "every frame"
    ending = {1: "st", 2: "nd", 3: "rd"}.get(stride % 10, "th") if stride % 100 not in (11, 12, 13) else "th"
    return f"every {stride}{ending} frame"
