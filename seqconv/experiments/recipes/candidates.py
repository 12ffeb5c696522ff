"""Candidates of `recipe: auto`: models that it tries, each as a plain config."""

from collections.abc import Mapping, Sequence
from typing import Any

from seqconv.config import Config
from seqconv.config.recipes import SIX_FORMS, preset

FEW = ("frames", "smoothed")
SUBSETS: Mapping[str, tuple[str, ...]] = {
    "rocket few": FEW,
    "rocket all": SIX_FORMS,
    "rocket level": ("frames", "differences", "compressed", "smoothed"),
    "rocket recording": ("standardized", "standardized_smoothed"),
    "rocket both": ("frames", "standardized"),
}
"""Inputs of random convolutions that are compared, by name of the candidate; the first is the first model of all."""

DEEP: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "deep both": ({"type": "standardize", "keep_inputs": True},),
    "deep train": (),
    "deep recording": ({"type": "standardize"},),
}
"""Blocks before those of the recipe `deep`, by name of the candidate, in the order in which they are tried."""

OF_MEMBERS = ("batching", "model", "training")
"""Sections that the members of an average may have of their own."""

# A network needs about so many steps, however few sequences there are; and more passes are not worth their time.
STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 800, 15, 120
# Each form draws its kernels from the next number; runs of neighboring seeds shall not draw the same.
SEEDS_APART = 100


def rocket_config(config: Config, inputs: Sequence[str]) -> Config:
    """Return the plain config of random convolutions over some forms of the input."""
    sections = preset("rocket", _features(config))
    sections["model"]["blocks"][0] |= {"inputs": list(inputs), "seed": SEEDS_APART * config.seed}
    sections["training"]["epochs"] = 1
    return _plain(config, sections)


def form_config(config: Config, form: str | None) -> Config:
    """Return the config of the features of a single form; None: of the frames as they are and the length."""
    sections = preset("rocket", _features(config))
    block, *others = sections["model"]["blocks"]
    if form is not None:
        seed = SEEDS_APART * config.seed + SIX_FORMS.index(form)
        others = [{**block, "inputs": [form], "keep_inputs": False, "seed": seed}]
    sections["model"]["blocks"] = others
    sections["training"]["epochs"] = 1
    return _plain(config, sections)


def preferred(config: Config) -> str:
    """Return the name of the candidate that is the recipe `rocket`: others have to be better than it."""
    inputs = preset("rocket", _features(config))["model"]["blocks"][0].get("inputs", FEW)
    return next(name for name, forms in SUBSETS.items() if forms == tuple(inputs))


def deep_config(config: Config, name: str, num_train: int) -> Config:
    """Return the plain config of a network, with as many epochs as so many training sequences need.

    `training.epochs` that the user gives is kept.
    """
    sections = preset("deep", _features(config))
    sections["model"]["blocks"] = [*DEEP[name], *sections["model"]["blocks"]]
    training = sections["training"]
    if config.training.epochs != _default_epochs(config):
        training["epochs"] = config.training.epochs
        training["warmup_epochs"] = min(training["warmup_epochs"], config.training.epochs / 10)
    else:
        steps = -(-num_train // sections["batching"]["batch_size"])
        training["epochs"] = min(max(-(-STEPS // steps), FEWEST_EPOCHS), MOST_EPOCHS)
    return _plain(config, sections)


def average_config(config: Config, members: Sequence[Config]) -> Config:
    """Return the plain config of the average of models, each with what differs from the rest."""
    shared = _plain(config, {"training": {"epochs": _default_epochs(config)}})
    rest = shared.to_dict()
    own = []
    for member in members:
        values = member.to_dict()
        differing = {
            name: {key: value for key, value in values[name].items() if value != rest[name][key]} for name in OF_MEMBERS
        }
        own.append({name: section for name, section in differing.items() if section})
    return shared.with_(members=own)


def held_out_config(config: Config) -> Config:
    """Return the config of a model that is trained on some folds alone: nothing is chosen on a split valid."""
    on_valid: dict[str, Any] = {"thresholds": None, "calibration": None, "positive": None}
    # Its folder is not for readers.
    return config.with_(evaluation={**on_valid, "report": False, "bootstrap": 0, "slices": []})


def _default_epochs(config: Config) -> int:
    return int(type(config.training).model_fields["epochs"].default)


def _features(config: Config) -> dict[str, Any]:
    return config.features.model_dump(mode="json")


def _plain(config: Config, sections: Mapping[str, Any]) -> Config:
    # What does not depend on the recipe stands in the config already.
    chosen = {name: values for name, values in sections.items() if name != "split"}
    return config.with_({"recipe": None, "budget": None}, **chosen)
