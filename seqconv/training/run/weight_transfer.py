"""Fine-tuning: the weights that a run takes over, those that it freezes, and those that start from random values."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import keras
import numpy as np

from seqconv.config import Config
from seqconv.errors import ConfigError, list_some
from seqconv.models import PoolingHead, SequenceModel
from seqconv.tasks.target import Target
from seqconv.text import amount
from seqconv.training.run.pretrained import InitialModel

State = Literal["reused", "frozen", "new"]


class Part(NamedTuple):
    """A part of the model, and the origin of its weights; `reason` says why they are new, `layers` names its layers."""

    name: str
    state: State
    num_weights: int
    reason: str = ""
    layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Transfer:
    """The parts taken over from the model that a run begins with."""

    initial: InitialModel
    parts: list[Part]

    def __str__(self) -> str:
        lines = [str(self.initial.path)]
        for state in ("reused", "frozen", "new"):
            if parts := [part for part in self.parts if part.state == state]:
                names = ", ".join(f"{part.name} ({part.reason})" if part.reason else part.name for part in parts)
                count = sum(part.num_weights for part in parts)
                lines.append(f"{state.capitalize()}: {names}; {amount(count, 'weight')}")
        return ". ".join(lines)

    @property
    def reused(self) -> list[str]:
        """Names of the layers whose weights are those of the trained model."""
        return [layer for part in self.parts if part.state != "new" for layer in part.layers]

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `transfer.json`."""
        parts = [dict(zip(("part", "state", "weights", "reason"), part[:4], strict=True)) for part in self.parts]
        return {"init": str(self.initial.path), "content": self.initial.digest, "parts": parts}


def take_over(config: Config, model: SequenceModel, target: Target, initial: InitialModel) -> Transfer:
    """Give a new model the weights of a trained one, and freeze the blocks of `training.freeze`.

    Features are normalized as they were for the trained weights. Blocks are taken as `training.init_blocks` says; then
    as much of the head as is equal: its poolings, its dense layers, and the last one where the labels are the same. The
    last layer of a regression is rescaled, so that it predicts what it predicted, whatever the values to come.

    Raises:
        ConfigError: the sequences have another number of features.
    """
    if model.num_features != initial.num_features:
        raise ConfigError(
            f"training.init: the model in '{initial.path}' takes {initial.num_features} features in a frame, the "
            f"sequences have {model.num_features}. Extract the same features, or train without training.init."
        )
    parts = []
    if config.features.normalize == "train":
        parts.append(_take_or_leave("normalization of the features", [model.feature_normalization], initial))
    parts += [_take_block(config, model, initial, index) for index in range(len(model.config.blocks))]
    parts += _take_head(config, model, target, initial)
    return Transfer(initial, [part for part in parts if part.num_weights])


def _take_block(config: Config, model: SequenceModel, initial: InitialModel, index: int) -> Part:
    layers, name = model.stack.layers_of_block(index), f"block {index}"
    first = config.training.init_blocks
    reason = "" if first is None or index < first else f"training.init_blocks is {first}"
    part = _take_or_leave(name, layers, initial, reason)
    if reason or index not in config.training.freeze:
        return part
    for layer in layers:
        layer.trainable = False
    return part._replace(state="frozen")


def _take_head(config: Config, model: SequenceModel, target: Target, initial: InitialModel) -> Iterator[Part]:
    """Take over from the blocks on, layer by layer, until one differs: later layers have never seen its output."""
    ours, theirs, first = model.config, initial.config, config.training.init_blocks
    dense = {layer.name: layer for layer in model.stack.dense}
    is_behind_all = first is None or first == len(ours.blocks) == len(theirs.blocks)
    reason = "" if is_behind_all else "other blocks before it"
    if not reason and ours.pooling != theirs.pooling:
        names = (", ".join(map(PoolingHead.registry.name_of, settings.pooling)) for settings in (theirs, ours))
        reason = "the pooling in the file is {}, here {}".format(*names)
    yield _take_or_leave("pooling", list(model.stack.poolings), initial, reason)
    for index, units in enumerate(ours.dense_units):
        there = theirs.dense_units[index] if index < len(theirs.dense_units) else None
        if not reason and there != units:
            reason = f"{there or 'no'} units in the file, here {units}"
        yield _take_or_leave(f"dense layer {index}", [dense[f"dense{index}"]], initial, reason)
    if not reason and len(ours.dense_units) < len(theirs.dense_units):
        reason = f"{len(theirs.dense_units)} dense layers before it in the file, here {len(ours.dense_units)}"
    before = initial.card.target
    reason = reason or _other_labels(target, before)
    last = dense["logits"]
    yield _take_or_leave("logits", [last], initial, reason)
    if not reason and target.std is not None and before is not None and before.std is not None:
        _rescale(last, before, target)


def _take_or_leave(name: str, layers: list[keras.layers.Layer], initial: InitialModel, reason: str = "") -> Part:
    """Take over the weights of these layers, unless there is a reason not to."""
    count = sum(int(np.prod(weight.shape)) for layer in layers for weight in layer.weights)
    for layer in layers:
        if layer.weights and not reason:
            layer.set_weights(initial.weights[layer.name])
    return Part(name, "new" if reason else "reused", count, reason, tuple(layer.name for layer in layers))


def _other_labels(ours: Target, theirs: Target | None) -> str:
    if theirs is None:
        return "the file does not say what its outputs mean"
    if (ours.task, ours.kind) != (theirs.task, theirs.kind):
        return f"{theirs.task} in the file, here {ours.task}"
    if ours.names != theirs.names:
        return f"the file has the labels {list_some(theirs.names)}, here {list_some(ours.names)}"
    return ""


def _rescale(layer: keras.layers.Layer, before: Target, now: Target) -> None:
    """Rescale the last layer to the same values in their own unit, if mean and deviation of the outputs differ."""
    kernel, bias = (np.asarray(weight, np.float64) for weight in layer.get_weights())
    factor = np.asarray(before.std) / np.asarray(now.std)
    offset = (np.asarray(before.mean) - np.asarray(now.mean)) / np.asarray(now.std)
    layer.set_weights([kernel * factor, bias * factor + offset])
