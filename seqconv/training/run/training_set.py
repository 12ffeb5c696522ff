"""The training sequences with their labels, as each epoch of a run sees them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from seqconv.batching import FrameTargets, Layout
from seqconv.batching.epoch_sampling import EpochSampler
from seqconv.config import Config
from seqconv.data.augmentation.draws import AugmentedDraw
from seqconv.data.augmentation.epochs import Augmentation, AugmentedEpoch, AugmentedFrameLabels
from seqconv.data.datasets import Datasets
from seqconv.data.sequences import Sequences
from seqconv.training.run.labels import Labels
from seqconv.training.step.prefetch import StepData, assemble


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
        return held.mix(self.labels, self.weights)


def augment_training(
    config: Config,
    data: Datasets,
    *,
    shortest: int,
    moments: tuple[np.ndarray, np.ndarray] | None = None,
    sampling: EpochSampler | None = None,
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
    mean, variance = moments if moments is not None else (np.zeros(1), np.ones(1))
    augmentation = Augmentation(
        config.augment,
        data.train,
        config.features,
        seed=config.seed,
        mean=mean,
        deviation=np.sqrt(variance),
        variants=data.variants,
        shortest=shortest,
    )
    return AugmentedDraw(augmentation, sampling)


def with_variants(config: Config, data: Datasets) -> Datasets:
    """Return the datasets with the variants of the training recordings, if the config asks for them; and a note.

    Raises:
        ConfigError, AudioError: they cannot be made.
    """
    notes = []
    if config.augment.names:
        notes.append(f"augment: {', '.join(config.augment.names)}, on the training sequences alone")
    settings = config.audio_augment
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
