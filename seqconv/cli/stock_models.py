"""Options for Keras models that seqconv did not make: the meaning of their outputs and their features."""

import argparse
from typing import TYPE_CHECKING, Any

from seqconv.cli.options import Group, given, settable
from seqconv.errors import ConfigError

if TYPE_CHECKING:
    from seqconv.config import Config
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


def check_card_is_kept(arguments: argparse.Namespace) -> None:
    """Refuse options that a model's card already answers.

    Raises:
        ConfigError: names them.
    """
    named = [text for text in arguments.set if text.startswith(MODEL_SECTIONS)] + given(arguments, "--labels")
    if named:
        raise ConfigError(
            f"{', '.join(named)}: the model carries its own labels, feature settings and windows, which were fixed by "
            "training. Leave this out."
        )


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
