"""Options for Keras models that seqconv did not make: the meaning of their outputs and their features."""

import argparse
from typing import TYPE_CHECKING, Any

from seqconv.cli.options import Group, given, settable
from seqconv.config.backends import start_keras
from seqconv.errors import ConfigError

if TYPE_CHECKING:
    from seqconv.config import Config
    from seqconv.models.card import ModelCard
    from seqconv.tasks.target import Target

MODEL_SECTIONS = ("features.", "target.", "data.windows", "data.events_as")


STOCK_OPTIONS = Group(
    {
        "--labels A,B,C": "class names, in the order of the model's outputs",
        "--config FILE": "a config whose sections features and target say how to read",
        **settable("features.kind=mfcc or --set target.task=multilabel", "set one key"),
    },
    "stock Keras models",
    "a model of seqconv knows all of this by itself",
)


def open_own_or_stock(arguments: argparse.Namespace) -> "tuple[Any, ModelCard]":
    """Start Keras, load the plugins, the model and its card, which is empty for a stock model.

    Raises:
        ConfigError: options that the card already answers.
    """
    start_keras()
    from seqconv.models.card import read_card
    from seqconv.models.factory import open_model
    from seqconv.parts.plugins import load_plugins

    load_plugins(arguments.plugin)
    model = open_model(arguments.model)
    card = read_card(model)
    named = [text for text in arguments.set if text.startswith(MODEL_SECTIONS)] + given(arguments, "--labels")
    if named and not card.is_empty:
        raise ConfigError(
            f"{', '.join(named)}: the model carries its own labels, feature settings and windows, which were fixed by "
            "training. Leave this out."
        )
    return model, card


def stock_target(model: Any, labels: str | None, config: "Config") -> "Target":
    """Return the meaning of a stock model's outputs, from the command line. Regression counts as in original units.

    Raises:
        ConfigError: the class names are missing.
    """
    from seqconv.tasks.target import Target

    settings = config.target
    given = tuple(labels.split(",")) if labels else ()
    found = settings.definition.target_of_outputs(given, settings.columns or (), settings.column)
    if not found.names:
        raise ConfigError(
            f"model '{model.name}' was not made by seqconv and does not know the names of its outputs. "
            "Pass --labels A,B,C in the order of the outputs."
        )
    return Target(settings.task, found.names, settings.separator, found.mean, found.std)
