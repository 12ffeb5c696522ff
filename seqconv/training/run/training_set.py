"""The training sequences with their labels, as each epoch of a run sees them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from seqconv.batching import FrameTargets, Layout, TokenTargets
from seqconv.batching.epoch_sampling import EpochSampler
from seqconv.config import Config
from seqconv.data.augmentation.epochs import Augmentation, AugmentedEpoch, AugmentedFrameLabels
from seqconv.data.class_weights import class_weights, frame_class_weights
from seqconv.data.datasets import Datasets
from seqconv.data.sequences import Sequences
from seqconv.errors import ConfigError, ManifestError
from seqconv.models import SequenceModel
from seqconv.sources import IntArray
from seqconv.tasks.frame_labels import FrameLabels
from seqconv.training.step.prefetch import StepData, assemble

Labels = np.ndarray | FrameTargets | TokenTargets
Moments = tuple[np.ndarray, np.ndarray]


class AugmentedDraw:
    """An `EpochSampler`: the entries of another one, or every sequence once, each as long as augmentation makes it."""

    def __init__(self, augmentation: Augmentation, drawn: EpochSampler | None = None) -> None:
        self.augmentation, self.drawn = augmentation, drawn
        # As of a plan, two are enough: this epoch and the next.
        self.epoch = lru_cache(maxsize=2)(self._epoch)

    def _epoch(self, epoch: int) -> AugmentedEpoch:
        """Return the sequences of an epoch; entry i is entry i of the sampler."""
        return self.augmentation.epoch(epoch, None if self.drawn is None else self.drawn.indices(epoch))

    def indices(self, epoch: int) -> IntArray:
        """Return the sequences of an epoch by index, `(n,)`."""
        return self.epoch(epoch).indices

    def lengths(self, epoch: int) -> IntArray:
        """Return the frames of each entry, `(n,)`."""
        return self.epoch(epoch).lengths

    def bounds(self) -> tuple[int, int]:
        """Return the fewest and the most frames that any entry may have."""
        return self.augmentation.bounds()


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """The training data of a run.

    `labels` and `weights` are those of the sequences, encoded: `(n, num_outputs)`, or of frames, and `(n,)`.
    `sampling`: which sequences an epoch draws; None: every one once. `augmented`: how those are varied; None: not.
    """

    sequences: Sequences
    labels: Labels
    weights: np.ndarray
    augmented: AugmentedDraw | None = None
    sampling: EpochSampler | None = None

    @property
    def draw(self) -> EpochSampler | None:
        """The sampler of a plan's epochs, unless they take every sequence once, in its own length."""
        if self.augmented is not None and self.augmented.augmentation.changes_lengths:
            return self.augmented
        return self.sampling

    def steps(self, epoch: int, layouts: Iterable[Layout], *, loss_scale: float) -> Iterator[StepData]:
        """Return the data of some steps of an epoch."""
        if self.augmented is None:
            return assemble(layouts, self.sequences, self.labels, self.weights, loss_scale=loss_scale)
        held = self.augmented.epoch(epoch)
        placed = (replace(layout, indices=held.entries(layout.indices, layout.repeat)) for layout in layouts)
        return assemble(placed, held, *self._labels_of(held), loss_scale=loss_scale)

    def _labels_of(self, held: AugmentedEpoch) -> tuple[Labels, np.ndarray]:
        if isinstance(self.labels, FrameTargets):
            moved = replace(self.labels, labels=AugmentedFrameLabels(self.labels.labels, held))
            return moved, self.weights[held.indices]
        if isinstance(self.labels, TokenTargets):
            return self.labels.take(held.indices), self.weights[held.indices]
        return held.mix(self.labels, self.weights)


def augment_training(
    config: Config, data: Datasets, shortest: int, moments: Moments | None = None, sampling: EpochSampler | None = None
) -> AugmentedDraw | None:
    """Return the variations of the training sequences, if the config asks for any.

    Args:
        config: of the run.
        data: its splits, and the variants of the training recordings.
        shortest: frames that the model needs.
        moments: mean and variance of each feature over the training frames, `(d,)` both; None where `needs_moments`
            says that they are not looked at.
        sampling: which sequences an epoch draws; None: every one once.
    """
    if not config.augment.names and not data.variants:
        return None
    mean, variance = moments or (np.zeros(1), np.ones(1))
    augmentation = Augmentation(
        config.augment, data.train, config.features, config.seed, mean, np.sqrt(variance), data.variants, shortest
    )
    return AugmentedDraw(augmentation, sampling)


def with_variants(config: Config, data: Datasets) -> Datasets:
    """Return the datasets with the variants of the training recordings, if the config asks for them; and a note.

    Raises:
        ConfigError, AudioError: they cannot be made.
    """
    settings, names = config.audio_augment, ", ".join(config.augment.names)
    notes = [f"augment: {names}, on the training sequences alone"] if names else []
    if not settings.names:
        return replace(data, notes=[*data.notes, *notes])
    from seqconv.data.augmentation.variants import build_variants

    stores = build_variants(data.train, settings, cache_dir=config.data.cache_dir, num_workers=config.data.num_workers)
    count = "1 variant" if settings.variants == 1 else f"{settings.variants} variants"
    notes.append(
        f"audio_augment: {count} of each of {len(data.train):,} training sequences ({', '.join(settings.names)})"
    )
    return replace(data, variants=tuple(stores), notes=[*data.notes, *notes])


def needs_moments(config: Config) -> bool:
    """Whether augmentation uses mean and variance of the training frames, and these are not 0 and 1."""
    uses = config.augment.noise is not None or config.augment.spec_mask is not None
    return uses and config.features.normalize != "recording"


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
    if data.target.kind == "frame":
        labels = _encode_frames(config, data, model)
    elif data.target.definition.joins_frames:
        labels = TokenTargets(data.labels_of("train"), model.time_geometry)
    else:
        encoded: np.ndarray = data.labels_of("train")
        labels, weights = encoded, np.asarray(weights * class_weights(data.target, encoded, class_weight), "float32")
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
        shown = ", ".join(f"{name} {total:,}" for name, (_, total) in counts.items())
        return f"{every(stride)}{clock}, all labeled: {shown}"
    shown = ", ".join(f"{name} {labeled:,} of {total:,}" for name, (labeled, total) in counts.items())
    return f"{every(stride)}{clock}, labeled are {shown}; the others are neither learned nor scored"


def every(stride: int) -> str:
    """Say in words which frames have a prediction.

    >>> every(1), every(2), every(11)
    ('every frame', 'every 2nd frame', 'every 11th frame')
    """
    if stride == 1:
        return "every frame"
    ending = {1: "st", 2: "nd", 3: "rd"}.get(stride % 10, "th") if stride % 100 not in (11, 12, 13) else "th"
    return f"every {stride}{ending} frame"
