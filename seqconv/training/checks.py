"""What would stop a run after hours, said before its first step: every problem of the data in one error."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

from seqconv.config import Config
from seqconv.config.features import FeatureSettings
from seqconv.errors import ConfigError, ManifestError, SeqconvError, list_some
from seqconv.evaluation.answers import frame_truth
from seqconv.features import num_features
from seqconv.metrics import score
from seqconv.models import SequenceModel
from seqconv.outputs import true_values
from seqconv.sequences import Sequences
from seqconv.store.index import identity
from seqconv.training.datasets import Datasets


def check_packages(config: Config) -> None:
    """Whether what the config switches on is installed.

    Raises:
        ConfigError: TensorBoard is not.
    """
    if config.training.tensorboard and find_spec("tensorboard") is None:
        raise ConfigError(
            "training.tensorboard is true, but TensorBoard is not installed. Install it with: pip install tensorboard, "
            "or set training.tensorboard to false."
        )


def check_data(config: Config, data: Datasets, model: SequenceModel) -> None:
    """Whether model, splits and config fit each other.

    Raises:
        ManifestError: labels that training lacks, sequences too short for the model, splits with different features,
            features that the config cannot have made, a monitored score that the validation split cannot have.
    """
    problems = list(_find_feature_problems(config, data))
    for name, part in data.parts().items():
        problems += _find_label_problems(name, part, data)
        problems += _find_short(name, part, model)
    if not problems:
        problems += _find_monitor_problems(config, data, model.total_stride)
    if len(problems) == 1:
        raise ManifestError(problems[0])
    if problems:
        raise ManifestError("\n  ".join([f"{len(problems)} problems", *problems]))


def _find_feature_problems(config: Config, data: Datasets) -> Iterator[str]:
    settings, expected = config.features, num_features(config.features)
    found = {name: part.num_features for name, part in data.parts().items()}
    if len(set(found.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in found.items())
        yield f"the splits have different numbers of features: {counts}. Extract all with the same settings."
    elif expected is not None and found["train"] != expected:
        yield (
            f"features.kind is '{settings.kind}', which has {expected} features with these settings, but the sequences "
            f"have {found['train']}. Give the settings that they were made with, or set features.kind to 'precomputed'."
        )
    for name, part in data.parts().items():
        if part.feature_settings is not None:
            yield from _find_other_settings(name, settings, part.feature_settings)
        elif settings.normalize == "recording":
            yield (
                f"{name}: features.normalize is 'recording', which happens when features are extracted, but the "
                "sequences came as arrays. Normalize the arrays and set it to 'none', or set it to 'train'."
            )


def _find_other_settings(name: str, wanted: FeatureSettings, used: FeatureSettings) -> Iterator[str]:
    """The model tells prediction how to extract features: it must say what was done."""
    if wanted.kind == used.kind == "precomputed":
        return
    ours, theirs = identity(wanted), identity(used)
    for key in sorted({*ours, *theirs}):
        if ours.get(key) != theirs.get(key):
            value, was = getattr(wanted, key), getattr(used, key)
            yield f"{name}: features.{key} is {value!r}, but the features were extracted with {was!r}."


def _find_label_problems(name: str, part: Sequences, data: Datasets) -> Iterator[str]:
    try:
        if data.target.kind == "frame":
            data.target.frame_labels(part.labels, ids=part.ids)
        else:
            true_values(data.target, part.labels, part.ids)
    except SeqconvError as error:
        yield f"{name}: {error}"


def _find_short(name: str, part: Sequences, model: SequenceModel) -> Iterator[str]:
    short = np.flatnonzero(part.lengths < model.min_frames)
    if len(short):
        named = list_some(f"{part.ids[i]} ({part.lengths[i]} frames)" for i in short)
        yield (
            f"{name}: {len(short)} sequences are shorter than the {model.min_frames} frames that the model needs: "
            f"{named}. Leave them out, or let the blocks of the model have padding 'same'."
        )


def _find_monitor_problems(config: Config, data: Datasets, stride: int) -> Iterator[str]:
    """Some scores do not exist for some labels, whatever the model says: an area under the curve of a single class."""
    name = config.monitor.removeprefix("val_")
    target, valid = data.target, data.valid
    if target.kind == "frame":
        truth = frame_truth(target, valid, stride)
        targets = truth.targets[truth.is_labeled]
        if not len(targets):
            yield "no frame of valid that the model predicts has a label, so that no epoch could be called the best."
            return
    else:
        targets = true_values(target, valid.labels, valid.ids)
    scores: dict[str, Any] = {"loss": 0.0, **score(target.task, targets, _guesses(targets, target.task), target.names)}
    if scores.get(name) is None:
        reason = scores["notes"].get(name, "it is undefined for these labels")
        yield (
            f"training.monitor is '{config.monitor}', but the {len(valid)} sequences of valid have no such score: "
            f"{reason}. Set training.monitor to 'val_loss', or choose other sequences for valid."
        )


def _guesses(targets: np.ndarray, task: str) -> np.ndarray:
    noise = np.random.default_rng(0).uniform(0.1, 0.9, targets.shape)
    if task == "regression":
        return np.asarray(targets + noise)
    return noise / noise.sum(axis=1, keepdims=True) if task == "classification" else noise
