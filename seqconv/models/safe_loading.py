"""Checks of `.keras` files before Keras reads them, so that no code of their author runs."""

import io
import json
import math
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
from pydantic import ValidationError

from seqconv.errors import ModelError, list_some
from seqconv.files import is_bomb
from seqconv.models.card import FORMAT_VERSION, ModelCard
from seqconv.models.keras_internals import forget_uninitialized_weights
from seqconv.models.settings import ModelConfig, find_part_problems
from seqconv.parts.problems import describe_problems

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_LARGEST_TEXT = 64 << 20
_LARGEST_SETTING = 1 << 20
_MODEL_KEYS = ("model", "num_features", "num_outputs", "dtype")
_MODULES = (
    "builtins", "keras", "keras.activations", "keras.constraints", "keras.dtype_policies", "keras.initializers",
    "keras.layers", "keras.losses", "keras.metrics", "keras.models", "keras.optimizers", "keras.optimizers.schedules",
    "keras.regularizers", "keras.src.models.functional", "keras.src.models.model",
    "keras.src.models.sequential",
)  # fmt: skip
# Operations on tensors within a functional model: `x + y` is a node of this kind.
_OPERATIONS = "keras.src.ops."
_VALUES = ("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__")
# They hold Python code or another model's, or read files that their settings name.
_REFUSED = (
    "Lambda", "__lambda__", "__typespec__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup",
    "IntegerLookup", "TextVectorization",
)  # fmt: skip
_REMEDY = "If you trust its author, load it with keras.saving.load_model and pass the model itself"


def check_archive(path: Path) -> dict[str, Any]:
    """Check a model file; return its config.

    Raises:
        ModelError: it is no archive of Keras's three members, one of them is damaged, unpacks to too much or asks for
            too much memory, or the config names a class that is neither Keras's nor seqconv's.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            config = json.loads(archive.read(CONFIG))
            weights = archive.read(WEIGHTS)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"'{path}' is damaged: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise ModelError(f"'{path}': {CONFIG} describes no model: it is no object with a 'class_name' and a 'config'")
    try:
        # An optimizer and a loss are not loaded.
        problems = [*_find_strangers({**config, "compile_config": None}, "model")]
        problems += _find_bad_settings(config["config"]) if is_sequence_model(config) else []
    except RecursionError as error:
        raise ModelError(f"'{path}': {CONFIG} nests lists or objects hundreds deep") from error
    if problems:
        raise ModelError(f"'{path}' is not loaded: {'; '.join(dict.fromkeys(problems))}")
    _check_sizes(path, config, weights)
    return config


def is_sequence_model(config: Mapping[str, Any]) -> bool:
    """Whether a config is that of a `SequenceModel`."""
    return "seqconv>SequenceModel" in (config.get("registered_name"), config.get("class_name"))


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    names = [info.filename for info in members]
    missing = [name for name in (CONFIG, METADATA, WEIGHTS) if name not in names]
    if missing:
        raise ModelError(f"'{path}' is no complete .keras archive: {list_some(missing)} is missing")
    others = sorted({name for name in names if name not in (CONFIG, METADATA, WEIGHTS) or names.count(name) > 1})
    if others:
        raise ModelError(f"'{path}' holds {list_some(others)}, which models have no use for; it is not loaded")
    for info in members:
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ModelError(f"'{path}': its member '{info.filename}' is a link; it is not loaded")
        if is_bomb(info) if info.filename == WEIGHTS else info.file_size > _LARGEST_TEXT:
            raise ModelError(
                f"'{path}': '{info.filename}' would unpack from {info.compress_size} to {info.file_size} bytes"
            )


def _find_strangers(value: Any, place: str) -> Iterator[str]:
    """Yield classes and functions that are not loaded, by name and position."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _find_strangers(item, f"{place}[{index}]")
    elif isinstance(value, str):
        if ">" in value and _is_foreign(value):
            yield f"{place} names '{value}', which another package registered. {_REMEDY}"
    elif isinstance(value, dict):
        if "class_name" in value and "config" in value:
            yield from _find_strange_class(value, place)
        # The card is text and numbers for us; Keras makes nothing of it.
        skipped = ("card",) if place == "model.config" else ()
        for name, item in value.items():
            if name not in ("registered_name", "module", *skipped):
                yield from _find_strangers(item, f"{place}.{name}")


def _find_strange_class(value: Mapping[str, Any], place: str) -> Iterator[str]:
    name, module, registered = value["class_name"], value.get("module"), value.get("registered_name")
    shown = f"{place} is '{name}' of module '{module}'"
    if name in _REFUSED:
        yield f"{shown}, which can hold code or read files, and is never loaded. {_REMEDY}"
        return
    used = value["config"] if name == "function" else name
    known = [text for text in (registered, used) if isinstance(text, str)]
    if any(_is_foreign(text) for text in known):
        yield f"{shown}, registered as '{registered or used}' by another package. {_REMEDY}"
    elif isinstance(module, str) and (module in _MODULES or module.startswith(_OPERATIONS)):
        return
    elif name not in _VALUES and not any(_is_ours(text) for text in known):
        yield f"{shown}, which is neither Keras's nor seqconv's. {_REMEDY}"


def _is_ours(name: str) -> bool:
    found = keras.saving.get_registered_object(name)
    return found is not None and str(getattr(found, "__module__", "")).startswith("seqconv.")


def _is_foreign(name: str) -> bool:
    found = keras.saving.get_registered_object(name)
    return found is not None and not str(getattr(found, "__module__", "")).startswith(("seqconv.", "keras."))


def _find_bad_settings(config: Mapping[str, Any]) -> Iterator[str]:
    missing = [name for name in _MODEL_KEYS if name not in config]
    if missing:
        yield f"its config lacks {list_some(missing)}"
    card = config.get("card")
    if card is not None and not isinstance(card, dict):
        yield f"its card is {card!r:.40}, not an object"
    elif card:
        yield from list(_find_bad_version(card)) or _find_bad_card(card)
    numbers = list(_find_absurd_numbers(config))
    # A block that is repeated a billion times is checked a billion times.
    yield from numbers or _find_bad_model(config)


def _find_absurd_numbers(config: Mapping[str, Any]) -> Iterator[str]:
    for place, number in _numbers({name: item for name, item in config.items() if name != "card"}, "config"):
        if abs(number) > _LARGEST_SETTING:
            yield f"{place} is {number:g}, more than any model has"
        elif place.endswith(".repeat") and number > 1000:
            yield f"{place} is {number:g}, more layers than any model has"


def _find_bad_model(config: Mapping[str, Any]) -> list[str]:
    try:
        missing = find_part_problems(config.get("parts", ()))
    except (KeyError, TypeError, AttributeError):
        return [f"config.parts is {config['parts']!r:.40}, not a list of parts"]
    try:
        ModelConfig.model_validate(config.get("model"))
    except ValidationError as error:
        # A block that is not registered is an error of its key too, of which the first reason says more.
        return missing or describe_problems(error, config.get("model"), ModelConfig, "config.model")
    return missing


def _find_bad_version(card: Mapping[str, Any]) -> Iterator[str]:
    version = card.get("format_version", FORMAT_VERSION)
    if not isinstance(version, int) or version < 1:
        yield f"its format_version is {version!r:.40}, not a whole number from 1"
    elif version > FORMAT_VERSION:
        writer = card.get("seqconv_version", "a later version")
        yield (
            f"it was saved in format {version} by seqconv {writer}, and this version reads formats up to "
            f"{FORMAT_VERSION}. Install seqconv {writer} or later"
        )


def _find_bad_card(card: Mapping[str, Any]) -> Iterator[str]:
    try:
        ModelCard.from_dict(card)
    except ModelError as error:
        yield str(error)


def _numbers(value: Any, place: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _numbers(item, f"{place}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{place}[{index}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, value


def _check_sizes(path: Path, config: dict[str, Any], weights: bytes) -> None:
    """Compare the weights that the config asks for with those in the file, before any memory is taken."""
    held = _count_held(path, weights)
    wanted = _count_wanted(path, config)
    if wanted > held:
        raise ModelError(
            f"'{path}': its config asks for {wanted} weights, but the file holds {held}. Config and weights are not of "
            "one model"
        )
    if wanted < held and is_sequence_model(config):
        raise ModelError(
            f"'{path}': holds {held} weights, but its config asks for {wanted} only. Config and weights are not of one "
            "model"
        )


def _count_held(path: Path, weights: bytes) -> int:
    """Count the numbers in the weights of layers, which links and declared sizes cannot fake."""
    import h5py

    count = 0
    try:
        with h5py.File(io.BytesIO(weights), "r") as file:
            for name, item in _datasets(file, ""):
                if item.external or item.is_virtual or item.size * item.dtype.itemsize > len(weights):
                    raise ModelError(f"'{path}': '{name}' in {WEIGHTS} lies elsewhere or is larger than the file")
                count += 0 if name.startswith("optimizer/") else int(item.size)
    except ModelError:
        raise
    except Exception as error:
        # Of what HDF5 makes of damage there is no list.
        raise ModelError(f"'{path}': {WEIGHTS} is damaged: {error}") from error
    return count


def _datasets(group: Any, place: str) -> Iterator[tuple[str, Any]]:
    import h5py

    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"'{place}{name}' is a link to somewhere else")
        item = group[name]
        if isinstance(item, h5py.Dataset):
            yield f"{place}{name}", item
        else:
            yield from _datasets(item, f"{place}{name}/")


def _count_wanted(path: Path, config: dict[str, Any]) -> int:
    """Count the weights of the model that a config describes; it is built without any."""
    with keras.StatelessScope():
        try:
            model = keras.saving.deserialize_keras_object({**config, "compile_config": None}, safe_mode=True)
            return _size_of(model)
        except Exception as error:
            # Whatever Keras raises for a config that is not its own.
            raise ModelError(f"'{path}' cannot be loaded as a Keras model: {error}") from error
        finally:
            forget_uninitialized_weights()


def _size_of(model: Any) -> int:
    if not isinstance(model, keras.Model):
        raise TypeError(f"its config describes a {type(model).__name__}, not a model")
    return sum(math.prod(weight.shape) for weight in model.weights)
