"""Checks of what would stop a run after hours, made before its first step: every problem of the data in one error."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from importlib.util import find_spec
from operator import attrgetter
from typing import Any

import numpy as np

from seqconv.config import Config
from seqconv.data.datasets import Datasets
from seqconv.data.diagnostics import Survey, describe_classes, describe_survey, survey
from seqconv.data.leakage import Leak, describe_leaks, find_leaks
from seqconv.errors import ConfigError, ManifestError, SeqconvError, list_some
from seqconv.evaluation.predictions import frame_truth
from seqconv.evaluation.slices import slice_indices
from seqconv.evaluation.threshold_selection import check_thresholds
from seqconv.features import FeatureKind, num_features
from seqconv.features.kinds import Precomputed
from seqconv.features.statistics import FrameMoments
from seqconv.features.store.index import identity
from seqconv.geometry import output_length
from seqconv.models import SequenceModel
from seqconv.sources import IntArray
from seqconv.training.output.mlflow import check_mlflow

CHOSEN_ON_VALID = ("training.monitor", "training.early_stopping", "evaluation.thresholds", "evaluation.calibration")


def check_packages(config: Config) -> None:
    """Check that the packages that the config needs are installed.

    Raises:
        ConfigError: TensorBoard, or MLflow, is not.
    """
    if config.training.mlflow is not None:
        check_mlflow()
    if config.training.tensorboard and find_spec("tensorboard") is None:
        raise ConfigError(
            "training.tensorboard is true, but TensorBoard is not installed. Install it with: pip install tensorboard, "
            "or set training.tensorboard to false."
        )


def check_single(config: Config) -> None:
    """Check that a config says what is trained.

    Raises:
        ConfigError: it leaves that to a search.
    """
    if config.recipe is not None:
        raise ConfigError(
            f"recipe: {config.recipe} tries several models, and this trains one. Use seqconv train, or "
            "seqconv.experiments.train_recipe in Python."
        )


def check_data(
    config: Config, data: Datasets, model: SequenceModel, *, with_moments: bool = False
) -> tuple[Datasets, FrameMoments | None]:
    """Look at the data once, and check whether model, splits and config fit each other.

    Returns:
        The datasets with `contents`, and with notes of what does not stop a run and should be known: leaks where
        `data.on_leak` is "warn", features that never change, silent sequences, classes with a single training sequence
        or with none in a split. And the moments of the training frames, where they were asked for.

    Raises:
        ManifestError: labels that training lacks, sequences too short for the model, sequences or splits with different
            features, features that the config cannot have made or that all are constant, sequences in two splits, a
            monitored score that the validation split cannot have.
    """
    surveys = {name: survey(part, with_moments=with_moments and name == "train") for name, part in data.parts().items()}
    contents = {name: found.contents for name, found in surveys.items() if found.contents is not None}
    data = replace(data, contents=contents)
    problems = [*_find_feature_problems(config, data), *_find_survey_problems(data, surveys)]
    for name in data.parts():
        problems += _find_split_problems(name, config, data, model)
    problems += _complaints(check_thresholds, config.evaluation, data.target)
    problems += _find_choices_without_valid(config, data)
    leaks = [] if any(found.misshapen for found in surveys.values()) else find_leaks(data.parts(), data.contents)
    # The check of a manifest has reported its groups.
    leaks = [leak for leak in leaks if data.splits is None or leak.kind != "group"]
    if leaks and config.data.on_leak == "error":
        found = ". ".join(describe_leaks(leaks, data.parts()))
        problems.append(f"{found}. {_leak_remedy(leaks, data)}, or set data.on_leak to 'warn' to train anyway.")
    if not problems:
        problems += _find_monitor_problems(config, data, model.total_stride)
    if problems:
        count = [f"{len(problems)} problems"] if len(problems) > 1 else []
        raise ManifestError("\n  ".join([*count, *problems]))
    encoded = {name: data.labels_of(name) for name in data.parts()}
    notes = [
        *(f"leak: {line}" for line in describe_leaks(leaks, data.parts())),
        *(line for name, part in data.parts().items() for line in describe_survey(name, part, surveys[name])),
        *describe_classes(data.parts(), data.target, encoded),
    ]
    return replace(data, notes=[*data.notes, *notes]), surveys["train"].moments


def check_output_frames(data: Datasets, model: SequenceModel, split: str, lengths: IntArray, how: str = "") -> None:
    """Check that sequences of these lengths give as many output frames as their labels need.

    Args:
        data: its labels can be encoded.
        model: says how many output frames there are.
        split: of the sequences.
        lengths: in frames, `(n,)`; of sequences that are varied, the fewest.
        how: why they are that short.

    Raises:
        ManifestError: names those that do not, the frames that they need, and the remedy.
    """
    try:
        needed = data.target.definition.frames_needed(data.labels_of(split))
    except ManifestError:
        # That is reported by itself.
        return
    if needed is None:
        return
    given = np.array([output_length(length, model.time_geometry) for length in lengths.tolist()])
    short = np.flatnonzero(given < needed)
    if len(short):
        ids = data.parts()[split].ids
        named = list_some(f"{ids[i]} ({given[i]} output frames{how}, needs {needed[i]})" for i in short)
        raise ManifestError(
            f"{len(short)} sequences have fewer output frames than their labels need, which is one for each token, and "
            f"one more between two that are the same: {named}. The total stride of the model is {model.total_stride}: "
            "give the blocks smaller strides, or leave these sequences out."
        )


def check_learnable(config: Config, model: SequenceModel, reused: Collection[str]) -> None:
    """Check that what has to be learned can be, with this solver.

    Args:
        config: of the run.
        model: its layers before the head.
        reused: names of layers whose weights are those of `training.init`.

    Raises:
        ConfigError: a layer has weights that would stay as they were drawn.
    """
    stack = model.stack
    before = [layer.name for layer in stack.layers() if layer.trainable_weights and layer not in stack.dense]
    drawn = [name for name in before if name not in reused]
    if config.training.is_closed_form and drawn:
        raise ConfigError(
            f"training.solver 'ridge' fits the last layer alone, but {list_some(drawn)} have weights to learn, which "
            "would stay as they were drawn. Begin with a trained model (training.init), use blocks without such "
            "weights (type: random_convolutions), or set training.solver to gradient."
        )
    if (
        not config.training.is_closed_form
        and drawn
        and stack.poolings
        and not any(p.has_gradient for p in stack.poolings)
    ):
        raise ConfigError(
            f"model.pooling counts frames above thresholds, which has no gradient, but {list_some(drawn)} have weights "
            "to learn. Add a pooling such as mean, or 'mean' to the statistics of thresholds."
        )


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


def _find_survey_problems(data: Datasets, surveys: dict[str, Survey]) -> Iterator[str]:
    for name, part in data.parts().items():
        if wrong := surveys[name].misshapen:
            shown = list_some(f"{sequence} {shape}" for sequence, shape in wrong.items())
            yield (
                f"{name}: {len(wrong)} sequences have not the shape that their source declares, the frames in its "
                f"lengths and {part.num_features} features: {shown}. Extract all with the same settings."
            )
    train = data.train
    if not surveys["train"].misshapen and len(surveys["train"].still_features) == train.num_features:
        yield (
            f"all {train.num_features} features have one value in all {surveys['train'].num_frames:,} training frames: "
            "there is nothing to learn from. Look at the section features and at the recordings."
        )


def _leak_remedy(leaks: list[Leak], data: Datasets) -> str:
    known = {split: {leak.ids[1] for leak in leaks if leak.splits[1] == split} for split in ("valid", "test")}
    for split, ids in known.items():
        if data.splits is None and split in data.parts() and len(ids) == len(data.parts()[split]):
            remedy = f"Pass other sequences as {split}_data, or none"
            return f"{remedy}: a part of train_data is then set aside" if split == "valid" else remedy
    return "Leave one of each two out, or put both into one split; if splits are made, give both the same group"


def _find_other_settings(name: str, wanted: FeatureKind, used: FeatureKind) -> Iterator[str]:
    """Find settings that differ from the actual extraction: the model passes them to prediction."""
    if isinstance(wanted, Precomputed) and isinstance(used, Precomputed):
        return
    ours, theirs = identity(wanted), identity(used)
    for key in sorted({*ours, *theirs}):
        if ours.get(key) != theirs.get(key):
            value, was = getattr(wanted, key, None), getattr(used, key, None)
            yield f"{name}: features.{key} is {value!r}, but the features were extracted with {was!r}."


def _find_split_problems(name: str, config: Config, data: Datasets, model: SequenceModel) -> Iterator[str]:
    part = data.parts()[name]
    yield from (f"{name}: {line}" for line in _complaints(data.labels_of, name))
    short = np.flatnonzero(part.lengths < model.min_frames)
    if len(short):
        named = list_some(f"{part.ids[i]} ({part.lengths[i]} frames)" for i in short)
        yield (
            f"{name}: {len(short)} sequences are shorter than the {model.min_frames} frames that the model needs: "
            f"{named}. Leave them out, or let the blocks of the model have padding 'same'."
        )
    else:
        yield from (f"{name}: {line}" for line in _complaints(check_output_frames, data, model, name, part.lengths))
    for column in config.evaluation.slices if name != "train" else ():
        complaints = _complaints(slice_indices, part, [column], config.evaluation.length_bins)
        yield from (f"evaluation.slices: {name}: {line}" for line in complaints)


def _complaints(check: Callable[..., object], *arguments: Any) -> Iterator[str]:
    """Yield the message of the error that a check raises, if it raises one."""
    try:
        check(*arguments)
    except SeqconvError as error:
        yield str(error)


def _find_choices_without_valid(config: Config, data: Datasets) -> Iterator[str]:
    """Find choices that are made on valid, if there is no valid."""
    keys = [key for key in CHOSEN_ON_VALID if attrgetter(key)(config) is not None]
    if data.valid is None and keys:
        yield (
            f"{', '.join(keys)}: chosen by the scores of valid, but split.valid is 0, and no valid was given. Set "
            f"{'it' if len(keys) == 1 else 'them'} to null, or split.valid above 0."
        )


def _find_monitor_problems(config: Config, data: Datasets, stride: int) -> Iterator[str]:
    """Find scores that do not exist for these labels, whatever the model: an area under the curve of a single class."""
    name = config.monitor.removeprefix("val_")
    target, valid = data.target, data.valid
    if valid is None:
        return
    if target.kind == "frame":
        truth = frame_truth(target, valid, stride)
        targets = truth.targets[truth.is_labeled]
        if not len(targets):
            yield "no frame of valid that the model predicts has a label, so that no epoch could be called the best."
            return
    elif target.definition.class_names(target.names):
        targets = data.labels_of("valid").astype(np.float64)
    else:
        targets = target.definition.truth(target, valid.labels, valid.ids)
    guesses = target.definition.guess(targets)
    if guesses is None:
        return
    scores: dict[str, Any] = {"loss": 0.0, **target.definition.score(targets, guesses, target.names)}
    if scores.get(name) is None:
        reason = scores["notes"].get(name, "it is undefined for these labels")
        yield (
            f"training.monitor is '{config.monitor}', but the {len(valid)} sequences of valid have no such score: "
            f"{reason}. Set training.monitor to 'val_loss', or choose other sequences for valid."
        )
