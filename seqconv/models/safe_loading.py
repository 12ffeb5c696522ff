"""Checks of `.keras` files before Keras reads them, so that no code of their author runs."""

import io
import json
import math
import stat
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import keras

from seqconv.errors import ModelError, list_some
from seqconv.files import is_bomb
from seqconv.models.card import FORMAT_VERSION
from seqconv.models.keras_internals import forget_uninitialized_weights
from seqconv.models.model_files import CONFIG, LARGEST_TEXT, METADATA, WEIGHTS, check_members

_LARGEST_SETTING = 1 << 20
_MODEL_KEYS = ("model", "num_features", "num_outputs", "dtype")
_OURS = ("seqconv>SequenceModel", "seqconv>AverageModel")
_MOST_MEMBERS = 1000
_MODULES = (
    "builtins", "keras", "keras.activations", "keras.constraints", "keras.dtype_policies", "keras.initializers",
    "keras.layers", "keras.losses", "keras.metrics", "keras.models", "keras.optimizers", "keras.optimizers.schedules",
    "keras.regularizers", "keras.src.models.functional", "keras.src.models.model", "keras.src.models.sequential",
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


def check_archive(path: Path) -> None:
    """Check a model file.

    Raises:
        ModelError: it is no archive of Keras's three members, one of them is damaged, unpacks to too much or asks for
            too much memory, or the config names a class that is neither Keras's nor seqconv's.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive.infolist())
            config, weights = json.loads(archive.read(CONFIG)), archive.read(WEIGHTS)
        _check_config(config)
        _check_sizes(config, weights)
    except ModelError as error:
        raise ModelError(f"'{path}' is not loaded: {error}") from error
    except RecursionError as error:
        raise ModelError(f"'{path}' is not loaded: {CONFIG} nests lists or objects hundreds deep") from error
    except (zipfile.BadZipFile, RuntimeError, EOFError, OSError, LookupError, ArithmeticError, ValueError) as error:
        raise ModelError(f"'{path}' is damaged: {error}") from error


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    names = [info.filename for info in members]
    check_members(names)
    others = sorted({name for name in names if name not in (CONFIG, METADATA, WEIGHTS) or names.count(name) > 1})
    if others:
        raise ModelError(f"it holds {list_some(others)}, which models have no use for")
    for info in members:
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ModelError(f"its member '{info.filename}' is a link")
        if is_bomb(info) if info.filename == WEIGHTS else info.file_size > LARGEST_TEXT:
            raise ModelError(f"'{info.filename}' would unpack from {info.compress_size} to {info.file_size} bytes")


def _check_config(config: Any) -> None:
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise ModelError(f"{CONFIG} describes no model: it is no object with a 'class_name' and a 'config'")
    # An optimizer and a loss are not loaded; the card is text and numbers for us, and Keras makes nothing of it.
    loaded = {**config, "config": {**config["config"], "card": None}, "compile_config": None}
    # Names of modules and of registered classes are checked with their classes.
    places = _walk(loaded, "model", ("registered_name", "module"))
    problems = [problem for place, value in places for problem in _find_strangers(value, place)]
    if _is_ours(config):
        problems += _find_bad_settings(config["config"])
    if problems:
        raise ModelError("; ".join(dict.fromkeys(problems)))


def _is_ours(config: Mapping[str, Any]) -> bool:
    return any(config.get(name) in _OURS for name in ("registered_name", "class_name"))


def _walk(value: Any, place: str, skipped: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield all values of a config, with their places; not those under keys that are `skipped`."""
    yield place, value
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{place}[{index}]", skipped)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in skipped:
                yield from _walk(item, f"{place}.{name}", skipped)


def _find_strangers(value: Any, place: str) -> Iterator[str]:
    """Yield classes and functions that are not loaded, by name and position."""
    if isinstance(value, str) and ">" in value and _is_foreign(_owner_of(value)):
        yield f"{place} names '{value}', which another package registered. {_REMEDY}"
    if not isinstance(value, dict) or "class_name" not in value or "config" not in value:
        return
    name, module, registered = value["class_name"], value.get("module"), value.get("registered_name")
    used = value["config"] if name == "function" else name
    owners = [_owner_of(text) for text in (registered, used) if isinstance(text, str)]
    is_of_keras = isinstance(module, str) and (module in _MODULES or module.startswith(_OPERATIONS))
    shown = f"{place} is '{name}' of module '{module}'"
    if name in _REFUSED:
        yield f"{shown}, which can hold code or read files, and is never loaded. {_REMEDY}"
    elif any(map(_is_foreign, owners)):
        yield f"{shown}, registered as '{registered or used}' by another package. {_REMEDY}"
    elif not (is_of_keras or name in _VALUES or "seqconv" in owners):
        yield f"{shown}, which is neither Keras's nor seqconv's. {_REMEDY}"


def _owner_of(name: str) -> str | None:
    """Return the package of the class or function that is registered under a name; None if there is none."""
    found = keras.saving.get_registered_object(name)
    return None if found is None else str(getattr(found, "__module__", "")).split(".")[0]


def _is_foreign(owner: str | None) -> bool:
    return owner not in (None, "keras", "seqconv")


def _find_bad_settings(config: Mapping[str, Any]) -> Iterator[str]:
    members = config.get("members", [config])
    if not isinstance(members, list) or len(members) > _MOST_MEMBERS:
        yield f"its members are no list of at most {_MOST_MEMBERS}"
        return
    for member in members:
        missing = [name for name in _MODEL_KEYS if not isinstance(member, dict) or name not in member]
        if missing:
            yield f"its config lacks {list_some(missing)}"
    if config.get("card") is not None:
        yield from _find_bad_card(config["card"])
    # Before the section is read: a block that is repeated a billion times is checked a billion times.
    for place, number in _walk({**config, "card": None}, "config"):
        if isinstance(number, bool) or not isinstance(number, int | float):
            continue
        if abs(number) > _LARGEST_SETTING:
            yield f"{place} is {number:g}, more than any model has"
        elif place.endswith(".repeat") and number > 1000:
            yield f"{place} is {number:g}, more layers than any model has"


def _find_bad_card(card: Any) -> Iterator[str]:
    if not isinstance(card, dict):
        yield f"its card is {card!r:.40}, not an object"
        return
    version = card.get("format_version", FORMAT_VERSION)
    if not isinstance(version, int) or version < 1:
        yield f"its format_version is {version!r:.40}, not a whole number from 1"
    elif version > FORMAT_VERSION:
        writer = card.get("seqconv_version", "a later version")
        yield (
            f"it was saved in format {version} by seqconv {writer}, and this version reads formats up to "
            f"{FORMAT_VERSION}. Install seqconv {writer} or later"
        )


def _check_sizes(config: dict[str, Any], weights: bytes) -> None:
    """Compare the weights that the config asks for with those in the file, before any memory is taken."""
    held, wanted = _count_held(weights), _count_wanted(config)
    mismatch = "Config and weights are not of one model"
    if wanted > held:
        raise ModelError(f"its config asks for {wanted} weights, but the file holds {held}. {mismatch}")
    if wanted < held and _is_ours(config):
        raise ModelError(f"it holds {held} weights, but its config asks for {wanted} only. {mismatch}")


def _count_held(weights: bytes) -> int:
    """Count the numbers in the weights of layers, which links and declared sizes cannot fake."""
    try:
        with h5py.File(io.BytesIO(weights), "r") as file:
            return sum(_sizes_in(file, "", len(weights)))
    except Exception as error:
        # There is no list of what HDF5 raises for damaged files.
        raise ModelError(f"{WEIGHTS} is damaged: {error}") from error


def _sizes_in(group: Any, place: str, num_bytes: int) -> Iterator[int]:
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"'{place}{name}' is a link to somewhere else")
        item = group[name]
        if not isinstance(item, h5py.Dataset):
            yield from _sizes_in(item, f"{place}{name}/", num_bytes)
        elif item.external or item.is_virtual or item.size * item.dtype.itemsize > num_bytes:
            raise ValueError(f"'{place}{name}' is stored elsewhere or is larger than the file")
        elif not place.startswith("optimizer/"):
            yield int(item.size)


def _count_wanted(config: dict[str, Any]) -> int:
    """Count the weights of the model that a config describes; it is built without any."""
    with keras.StatelessScope():
        try:
            model = keras.saving.deserialize_keras_object({**config, "compile_config": None}, safe_mode=True)
            if not isinstance(model, keras.Model):
                raise TypeError(f"its config describes a {type(model).__name__}, not a model")
            return sum(math.prod(weight.shape) for weight in model.weights)
        except Exception as error:
            # Whatever Keras raises for a config that is not its own.
            raise ModelError(f"it cannot be loaded as a Keras model: {error}") from error
        finally:
            forget_uninitialized_weights()
