"""All parts of a run, ready to start: data, model, plan, optimizer."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import keras
import numpy as np

from seqconv.batching import FrameTargets, Plan, TokenTargets
from seqconv.config import Config
from seqconv.config.averaging import describe_reach
from seqconv.data.datasets import Datasets
from seqconv.data.sampling import draw_by_class
from seqconv.features.kinds import FeatureKind, Precomputed
from seqconv.features.statistics import FrameMoments
from seqconv.models import SequenceModel, build_model
from seqconv.models.card import PLAIN_FORMAT, ModelCard
from seqconv.text import package_version
from seqconv.training.run.adaptation import adapt_poolings, counted
from seqconv.training.run.batches import Tell, find_budget, plan_batches
from seqconv.training.run.checks import check_data, check_learnable, check_output_frames
from seqconv.training.run.pretrained import InitialModel, read_initial
from seqconv.training.run.training_set import (
    Labels,
    TrainingSet,
    augment_training,
    encode_labels,
    needs_moments,
    with_variants,
)
from seqconv.training.run.weight_transfer import Transfer, take_over
from seqconv.training.step.optimization import compile_model
from seqconv.training.step.train_step import CompiledStep


@dataclass(frozen=True)
class RunSetup:
    """A run that has not started yet.

    `training_set`: the training sequences with their labels and weights, as each epoch sees them.
    `loss_scale` is the constant c that the loss of each step is divided by; `config` holds it if there are steps, and
    every other choice that was left to the run. `step` is what `model.fit` calls. `transfer`: what was
    taken from `training.init`.
    """

    config: Config
    data: Datasets
    model: SequenceModel
    plan: Plan
    training_set: TrainingSet
    loss_scale: float
    steps: list[int]
    step: CompiledStep
    notes: list[str]
    transfer: Transfer | None = None


class Checked(NamedTuple):
    """A run whose model, data and labels fit each other. `moments`: of the training frames, where they are needed."""

    config: Config
    data: Datasets
    model: SequenceModel
    moments: FrameMoments | None
    labels: Labels
    weights: np.ndarray
    transfer: Transfer | None


def check(config: Config, data: Datasets, initial: InitialModel | None = None) -> Checked:
    """Build the model, and check that it can be trained on these sequences.

    Raises:
        ConfigError, ManifestError: it cannot be.
    """
    config = _settled(config, data)
    num_features, num_outputs = data.train.num_features, data.target.num_outputs
    model = build_model(config.model, num_features=num_features, num_outputs=num_outputs, card=make_card(config, data))
    with_moments = (initial is None and config.features.normalize == "train") or needs_moments(config)
    data, moments = check_data(config, data, model, with_moments=with_moments)
    labels, weights = encode_labels(config, data, model)
    transfer = None if initial is None else take_over(config, model, data.target, initial)
    check_learnable(config, model, () if transfer is None else transfer.reused)
    return Checked(config, data, model, moments, labels, weights, transfer)


def prepare(config: Config, data: Datasets, tell: Tell | None = None, initial: InitialModel | None = None) -> RunSetup:
    """Build and compile the model, and plan the batches.

    `tell` is called with lines for the user while `batching.frames_per_batch: auto` is measured. `initial` is what
    `read_initial(config)` returns, if that was read before.

    Raises:
        ConfigError, ManifestError: what cannot be trained or scored, before any step.
    """
    initial = initial or read_initial(config)
    config, data, model, seen, labels, weights, transfer = check(config, data, initial)
    moments = None if seen is None else seen.statistics()
    if initial is None and config.features.normalize == "train" and moments is not None:
        model.feature_normalization.adapt(*moments)
    adapt_poolings(model, data.train, config.seed)
    data = with_variants(config, data)
    classes = labels.labels if isinstance(labels, FrameTargets | TokenTargets) else labels
    sampling = draw_by_class(config.training.sampling, data.target, classes, data.train.lengths, seed=config.seed)
    augmented = augment_training(config, data, shortest=model.min_frames, moments=moments, sampling=sampling)
    if augmented is not None:
        shortest = augmented.augmentation.shortest_lengths()
        check_output_frames(data, model, "train", shortest, " where augmentation makes it shortest")
    training_set = TrainingSet(data.train, labels, weights, augmented, sampling)
    if config.batching.frames_per_batch == "auto":
        frames = find_budget(config, training_set, model, tell)
        config = config.with_(batching={"frames_per_batch": frames})
        model.card = replace(model.card, frames_per_batch=frames)
    return replace(equip(config, data, model, training_set), transfer=transfer)


def equip(config: Config, data: Datasets, model: SequenceModel, training_set: TrainingSet) -> RunSetup:
    """Return the setup of a model that is ready to be trained on this: its plan, optimizer and step.

    Raises:
        ConfigError: the model cannot be trained in batches of this kind.
    """
    plan, notes = plan_batches(config, model, data.train.lengths, training_set.draw)
    training, size = config.training, config.batching.sequences_per_step
    if training_set.sampling is not None:
        notes = [*notes, f"training.sampling {training.sampling}: {training_set.sampling}"]
    steps = [plan.num_steps(epoch) for epoch in range(training.epochs)]
    notes = [*data.notes, *notes, *describe_reach(training.averaging, sum(steps))]
    if keras.backend.backend() == "tensorflow" and training.jit_compile is True and training.deterministic is not False:
        notes.append(
            "training.jit_compile: XLA runs without TensorFlow's op determinism; on GPUs, the same seed then gives "
            "nearly the same run"
        )
    loss_scale = training.loss_scale
    if loss_scale is None:
        # The same in every layout for a batch size, however full the last step of an epoch is.
        loss_scale = plan.mean_sequences if size is None else float(min(size, plan.num_sequences))
    if not training.is_closed_form:
        config = config.with_(training={"loss_scale": loss_scale})
    compile_model(config, model, steps)
    step = CompiledStep(model, plan.shapes)
    return RunSetup(config, data, model, plan, training_set, loss_scale, steps, step, notes)


def _settled(config: Config, data: Datasets) -> Config:
    """Return the config with what the model chooses by the training lengths; a ridge takes one epoch."""
    rows = counted(data.train)
    # That none has a weight is said where labels are encoded.
    fitted = config.model.fitted_to(data.train.lengths[rows] if len(rows) else data.train.lengths)
    sections: dict[str, Any] = {}
    if fitted != config.model:
        sections["model"] = {"blocks": fitted.model_dump(mode="json")["blocks"]}
    if config.training.is_closed_form:
        sections["training"] = {"epochs": 1}
        sections.setdefault("model", {})["standardize_pooled"] = True
    return config.with_(**sections) if sections else config


def _named_features(settings: FeatureKind, data: Datasets) -> FeatureKind:
    """Return feature settings with the columns that were read, so that tables are read by name at prediction."""
    names = data.train.table_names.used
    if not names or not isinstance(settings, Precomputed) or settings.columns is not None:
        return settings
    return settings.model_copy(update={"columns": names})


def make_card(config: Config, data: Datasets) -> ModelCard:
    """Return the card of a model that is trained so."""
    target, events, frames = config.target, config.evaluation.events, config.batching.frames_per_batch
    return ModelCard(
        target=data.target,
        features=_named_features(config.features, data),
        segmentation=config.data_spec.segmentation,
        label_column=target.column,
        label_columns=target.columns,
        separator=target.separator,
        background=target.background,
        median=events.median,
        max_gap=events.max_gap,
        min_seconds=events.min_seconds,
        batch_size=config.batching.sequences_per_step,
        # That of auto has not been measured yet.
        frames_per_batch=None if frames == "auto" else frames,
        name=config.name,
        format_version=PLAIN_FORMAT,
        seqconv_version=package_version(),
    )
