"""Recipes: settings of model and training under one name, as defaults under what a config says itself."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from seqconv.parts.keys import merge, plain_values

AUTO = "auto"
BUDGET = "120s"
"""The time of `recipe: auto`, where none is given."""

LEAST_SECONDS = 10
SIX_FORMS = ("frames", "differences", "compressed", "smoothed", "standardized", "standardized_smoothed")
"""Inputs of random convolutions for signals of one or few features."""

# All is learned from: what these recipes train, they train for a fixed number of epochs, or fit at once.
_SPLIT = {"valid": 0}


def _rocket(**options: Any) -> dict[str, Any]:
    blocks = [{"type": "random_convolutions", **options}, {"type": "length"}]
    model = {"blocks": blocks, "pooling": ["thresholds", "max"]}
    return {"split": _SPLIT, "model": model, "training": {"solver": "ridge"}}


_DEEP_SIGNALS: dict[str, Any] = {
    "split": _SPLIT,
    "batching": {"batch_size": 16},
    "model": {
        "defaults": {"norm": "batch", "activation": "relu", "dropout": 0.1},
        "blocks": [
            {"type": "length", "reference": 100},
            {"filters": 32, "kernel_size": 5, "strides": 2},
            {"type": "inception", "filters": 32, "kernel_sizes": [5, 11, 23], "depth": 3},
        ],
        "pooling": ["mean", "max"],
        "dense_dropout": 0.3,
    },
    "training": {"epochs": 120, "learning_rate": 2e-3, "schedule": "cosine", "warmup_epochs": 2},
}
_DEEP_RECORDINGS: dict[str, Any] = {
    "split": _SPLIT,
    "batching": {"batch_size": 32},
    "model": {
        "defaults": {"norm": "batch", "activation": "relu", "dropout": 0.1},
        "blocks": [
            {"filters": 64, "kernel_size": 5},
            {"filters": 128, "kernel_size": 5, "strides": 2},
            {"filters": 128, "kernel_size": 3, "repeat": 2},
        ],
        "pooling": ["mean", "max"],
    },
    "training": {"epochs": 20, "learning_rate": 2e-3, "schedule": "cosine", "warmup_epochs": 1},
}
PRESETS = {
    "rocket": {"signals": _rocket(inputs=list(SIX_FORMS)), "recordings": _rocket(num_dilations=8)},
    "deep": {"signals": _DEEP_SIGNALS, "recordings": _DEEP_RECORDINGS},
}
"""Settings by recipe, for signals that are taken as they are, and for recordings of which features are computed."""

NAMES = (*PRESETS, AUTO)
KEPT = ("class_weight", "deterministic", "device", "jit_compile", "checkpoint", "tensorboard", "epochs")
"""Keys of `training` that every recipe leaves to the user; the epochs are those of networks."""

REPLACED = ("batching", "model", "training", "augment", "audio_augment")
"""Sections that a recipe of the command line takes the place of, but for some keys of `training`."""

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)\s*")


def budget_seconds(text: str) -> float:
    """Return the seconds that a text such as `120s`, `5min` or `1h` says.

    Raises:
        ValueError: it says none, or too few.

    >>> budget_seconds("5min")
    300.0
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError("no time. Write a number and its unit, such as 120s, 5min or 1h")
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds < LEAST_SECONDS:
        raise ValueError(f"too short to try anything. Give at least {LEAST_SECONDS}s")
    return seconds


def preset(name: str, features: object) -> dict[str, Any]:
    """Return a copy of the sections of a recipe.

    Args:
        name: rocket or deep.
        features: the section `features` of the config; of its kind the recipe depends.
    """
    is_signal = isinstance(features, Mapping) and features.get("kind") == "precomputed"
    found: dict[str, Any] = plain_values(PRESETS[name]["signals" if is_signal else "recordings"])
    return found


def fill_in(values: dict[str, Any], name: object, features: object) -> Iterator[str]:
    """Put a recipe under the values of a config; yield what keeps it from that.

    Args:
        values: a config as it was written; it is changed.
        name: of the recipe; of another value, validation says what is wrong.
        features: the section `features`, with all that overrides it.
    """
    if name is None or name not in NAMES:
        return
    training, model = values.get("training"), values.get("model")
    if isinstance(training, Mapping) and training.get("init"):
        yield f"recipe: {name} gives a model of its own, but training.init begins with a trained one. Remove either."
        return
    if name == AUTO:
        defaults: dict[str, Any] = {"split": dict(_SPLIT)}
    elif isinstance(model, Mapping) and "blocks" in model:
        yield (
            f"recipe: {name} gives model.blocks, but the config has its own. Remove one of them, or let "
            f"'--recipe {name}' take the place of what the config says."
        )
        return
    else:
        defaults = preset(str(name), features)
    for section, given in values.items():
        if section in defaults and isinstance(given, Mapping):
            merge(defaults[section], given)
        elif section in defaults:
            # Validation says what is wrong with it.
            defaults[section] = given
    values.update(defaults)


def make_room(values: dict[str, Any]) -> None:
    """Remove what a recipe of the command line takes the place of, from a config as it was written."""
    training = values.get("training")
    for name in (*REPLACED, "members"):
        values.pop(name, None)
    if isinstance(training, Mapping):
        kept = {key: training[key] for key in KEPT if key in training and key != "epochs"}
        values.update({"training": kept} if kept else {})


def recipe_problems(config: Any) -> Iterator[str]:
    """Yield what a recipe cannot have beside it in a whole config."""
    recipe = config.recipe
    if config.budget is not None and recipe != AUTO:
        yield f"budget: {config.budget} is the time of recipe auto, but recipe is {recipe or 'null'}. Remove it."
    if recipe is None:
        return
    if recipe != AUTO:
        yield (
            f"recipe: {recipe} fills in what a config leaves out when it is loaded, and this one is complete. Load a "
            "file or a dict with it (load_config), or train with --recipe."
        )
        return
    if config.target.definition.joins_frames:
        yield (
            f"target.task: recipe auto compares models that answer for a sequence, and {config.target.task} are said "
            "by its frames. Set recipe to deep, and model.pooling to frames."
        )
    if config.members:
        yield (
            "members: recipe auto chooses whether models are averaged, and which. Remove them, or set recipe to rocket "
            "or deep, which are what members have in common."
        )
    plain = type(config)()
    for name in REPLACED:
        for key, value in getattr(config, name):
            if value != getattr(getattr(plain, name), key) and (name != "training" or key not in KEPT):
                yield (
                    f"{name}.{key}: recipe auto chooses it, or has no use for it. Remove it, or set recipe to rocket "
                    "or deep, which take it as you say."
                )
