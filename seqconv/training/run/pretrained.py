"""The model that a run begins with: read, and compared with the config, before any other work."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqconv.config import Config
from seqconv.errors import ConfigError, ModelError
from seqconv.features.kinds import FeatureKind, Precomputed
from seqconv.models import SequenceModel, load_model
from seqconv.models.blocks import Block
from seqconv.models.card import ModelCard
from seqconv.models.model_files import find_model_file
from seqconv.models.settings import ModelConfig
from seqconv.training.run.runtime import random_states_kept

# They act in training alone: a fine-tuned model may have more or less of them.
_OF_TRAINING = ("dropout", "spatial_dropout", "stochastic_depth")


@dataclass(frozen=True)
class InitialModel:
    """A trained model from a file. `weights`: by name of the layer. `digest`: of the content of the file."""

    path: Path
    digest: str
    config: ModelConfig
    card: ModelCard
    num_features: int
    weights: dict[str, list[np.ndarray]]


def read_initial(config: Config) -> InitialModel | None:
    """Read the model in `training.init`, None if there is none.

    Raises:
        ModelError: there is no such file, or it holds no model of seqconv.
        ConfigError: its features or its blocks are others than the config's: lists all differences.
    """
    if config.training.init is None:
        return None
    path = find_model_file(config.training.init)
    # Its weights are drawn before they are read: the weights that the run draws must not depend on that.
    with random_states_kept():
        model = load_model(path)
    if not isinstance(model, SequenceModel):
        raise ModelError(
            f"training.init: '{path}' holds a {type(model).__name__}, whose layers are no blocks of a config. Name the "
            "model.keras of a run, of an average that of a member (RUN/members/0); what another network makes of a "
            "recording can be its features (features.kind: precomputed)."
        )
    weights = {layer.name: layer.get_weights() for layer in model.stack.layers() if layer.weights}
    initial = InitialModel(path, content_hash(path), model.config, model.card, model.num_features, weights)
    _check(config, initial)
    return initial


def content_hash(path: str | Path) -> str:
    """Hash the content of a file.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
    except OSError as error:
        raise ModelError(
            f"training.init: '{path}' cannot be read ({error.strerror}). If it was moved, --set training.init=FILE"
        ) from error


def _check(config: Config, initial: InitialModel) -> None:
    features = list(find_feature_differences(config.features, initial))
    blocks = list(find_block_differences(config.model, initial.config, config.training.init_blocks))
    remedies = []
    if features:
        remedies.append("Give the settings that its features were made with, or leave the section features out.")
    if blocks:
        count = _count_equal(config.model, initial.config)
        some = f", or set training.init_blocks to {count} to begin with its first {count} only" if count else ""
        remedies.append(f"Leave the section model out to have its blocks{some}.")
    if remedies:
        problem = f"training.init: '{initial.path}' is another model than this config's:"
        raise ConfigError("\n  ".join([problem, *features, *blocks]) + "\n" + " ".join(remedies))


def find_feature_differences(wanted: FeatureKind, initial: InitialModel) -> Iterator[str]:
    """Yield settings with which a frame would mean something else than to the trained weights."""
    used = initial.card.features
    if used is None:
        return
    names = {"kind", "normalize"}
    if isinstance(wanted, Precomputed) and isinstance(used, Precomputed):
        if wanted.frame_rate and used.frame_rate:
            names.add("frame_rate")
    elif wanted.kind == used.kind:
        names |= set(type(wanted).model_fields)
    for name in sorted(names):
        ours, theirs = getattr(wanted, name), getattr(used, name)
        if ours != theirs:
            yield f"features.{name}: {ours!r} here, {theirs!r} in the file"


def find_block_differences(wanted: ModelConfig, there: ModelConfig, first: int | None = None) -> Iterator[str]:
    """Yield blocks that compute something else; only the `first` ones are compared, or all.

    >>> shallow, deep = ({"blocks": [{"filters": 8}] * count} for count in (1, 2))
    >>> list(find_block_differences(ModelConfig.model_validate(deep), ModelConfig.model_validate(shallow)))
    ['model.blocks.1: a conv here, no such block in the file']
    """
    count = first or max(len(wanted.blocks), len(there.blocks))
    for index in range(count):
        place = f"model.blocks.{index}"
        if index >= len(there.blocks):
            yield f"{place}: a {_name(wanted.blocks[index])} here, no such block in the file"
        elif index >= len(wanted.blocks):
            yield f"{place}: no such block here, a {_name(there.blocks[index])} in the file"
        else:
            yield from _differences(place, wanted.blocks[index], there.blocks[index])


def _differences(place: str, wanted: Block, there: Block) -> Iterator[str]:
    ours, theirs = _computed(wanted), _computed(there)
    names = ["type"] if ours["type"] != theirs["type"] else list(ours)
    for name in names:
        if ours[name] != theirs[name]:
            yield f"{place}.{name}: {ours[name]!r} here, {theirs[name]!r} in the file"


def _name(block: Block) -> str:
    return Block.registry.name_of(block)


def _computed(block: Block) -> dict[str, Any]:
    """Return the settings of a block on which its answer depends."""
    values = {name: value for name, value in block.model_dump().items() if name not in _OF_TRAINING}
    if values.get("norm") != "group" and "norm_groups" in values:
        values["norm_groups"] = None
    return values


def _count_equal(wanted: ModelConfig, there: ModelConfig) -> int:
    pairs = zip(wanted.blocks, there.blocks, strict=False)
    equal = [_computed(ours) == _computed(theirs) for ours, theirs in pairs]
    return equal.index(False) if False in equal else len(equal)
