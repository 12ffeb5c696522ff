"""Options for Keras models that seqconv did not make: the meaning of their outputs and their features."""

import argparse
from pathlib import Path
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


def find_card(arguments: argparse.Namespace) -> "ModelCard":
    """Find the model file, load the plugins, and read the card, which is empty for a stock model.

    None of this needs Keras, unless a plugin does: what is wrong with a path is said at once.

    Raises:
        ModelError: there is no model file.
        ConfigError: options that the card already answers.
    """
    from seqconv.models.card import read_card
    from seqconv.models.model_files import find_model_file, read_file_card
    from seqconv.parts.plugins import load_plugins

    arguments.model = str(find_model_file(arguments.model))
    if arguments.plugin:
        # It may import Keras, which is to start quietly, on the backend that was chosen.
        start_keras()
    load_plugins(arguments.plugin)
    # A card that cannot be read is an error of loading, which says more.
    card = read_file_card(Path(arguments.model)) or read_card(open_stored(arguments))
    named = [text for text in arguments.set if text.startswith(MODEL_SECTIONS)] + given(arguments, "--labels")
    if named and not card.is_empty:
        raise ConfigError(
            f"{', '.join(named)}: the model carries its own labels, feature settings and windows, which were fixed by "
            "training. Leave this out."
        )
    return card


def open_stored(arguments: argparse.Namespace) -> Any:
    """Start Keras, and load the model that `find_card` has found."""
    start_keras()
    from seqconv.models.factory import open_model

    return open_model(arguments.model)


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
