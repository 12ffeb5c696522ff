"""Reading a config: file or dict, overrides on top, every problem in one error; and the schema of the files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seqconv.config.backends import BACKENDS, running_backend, start_keras
from seqconv.config.files import find_config, parse_yaml, read_yaml
from seqconv.config.initial import take_sections
from seqconv.config.members import MEMBER_KEYS
from seqconv.config.recipes import PRESETS, fill_in, make_room
from seqconv.config.run import Config, check_config, key_roles, listed
from seqconv.errors import ConfigError
from seqconv.parts import Role, absolute_path
from seqconv.parts.keys import plain_values, set_value, written_key
from seqconv.parts.plugins import load_plugins, plugin_path
from seqconv.parts.problems import shown


def load_config(
    source: str | Path | Mapping[str, Any] | Config,
    overrides: Iterable[str | tuple[str, Any]] = (),
    *,
    recipe: str | None = None,
) -> Config:
    """Load the config of a run.

    Args:
        source: A file (looked up as given, then in the project's `configs/`), a dict, or a Config.
            Relative paths in it start at the folder of the file; those of a dict at the current folder. With
            `training.init`, the sections `model` and `features` that it leaves out are those of that model file.
        overrides: `"training.epochs=3"`: dotted key, `=`, a YAML value; or pairs of key and value. Paths start at the
            current folder.
        recipe: takes the place of the model and the training that the source describes. A `recipe` in the source
            itself gives defaults under what stands beside it.

    Raises:
        ConfigError: unknown keys, wrong types, impossible combinations: all of them, one line each.

    >>> config = load_config({"training": {"epochs": 5}}, ["training.learning_rate=1e-2"])
    >>> config.training.epochs, config.training.learning_rate
    (5, 0.01)
    >>> load_config({}, ["training.epochz=3"])
    Traceback (most recent call last):
    seqconv.errors.ConfigError: training.epochz: unknown key; did you mean 'epochs'? ...
    """
    values, folder, origin = _read(source)
    changes = list(overrides)
    if recipe is not None:
        make_room(values)
        changes.append(("recipe", recipe))
    is_filled_in = recipe is not None or not isinstance(source, Config)
    problems = _take_recipe(values, changes) if is_filled_in else []
    problems += [problem for change in changes if (problem := _override(values, change))]
    if is_filled_in and not problems and values.get("recipe") in PRESETS:
        # Its settings are there now: what is trained says all, and is no recipe.
        values["recipe"] = None
    _load_plugins(values, folder)
    obstacle = take_sections(values, folder) or _take_models(values, folder)
    if obstacle:
        raise ConfigError(listed([*problems, obstacle], origin))
    return check_config(values, folder, problems, origin)


def dump_config(config: Config) -> str:
    """Format `config` as YAML, complete with defaults.

    >>> dump_config(load_config({"name": "first"})).splitlines()[:2]
    ['name: first', 'seed: 0']
    """
    return config.to_yaml()


def _take_recipe(values: dict[str, Any], changes: list[str | tuple[str, Any]]) -> list[str]:
    """Put the recipe that the config asks for under its values; changes that follow go on top of both."""
    wanted = plain_values(values)
    for change in changes:
        # What is wrong with it is said when it is made.
        _override(wanted, change)
    return list(fill_in(values, wanted.get("recipe"), wanted.get("features")))


def _take_models(values: Mapping[str, Any], folder: Path) -> str | None:
    """Give members that begin with a trained model, and leave `model` out, that of its file."""
    members = values.get("members")
    for index, member in enumerate(members if isinstance(members, list) else ()):
        if isinstance(member, dict):
            taken = {"features": None, **member}
            if obstacle := take_sections(taken, folder):
                return f"members.{index}.{obstacle}"
            member.update({name: taken[name] for name in ("model",) if name in taken})
    return None


def _load_plugins(values: Mapping[str, Any], folder: Path) -> None:
    """Import the plugins that a config names, on its backend; validation reports a list that is none."""
    names = values.get("plugins")
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        return
    backend = values.get("backend")
    if names and running_backend() is None:
        # A plugin may import Keras, which reads its backend once.
        start_keras(backend if backend in BACKENDS else None)
    load_plugins(plugin_path(name, folder) for name in names)


def _read(source: str | Path | Mapping[str, Any] | Config) -> tuple[dict[str, Any], Path, str]:
    """Return plain values, the folder at which their paths start, and the name of the source for messages."""
    if isinstance(source, Config):
        return source.to_dict(), Path.cwd(), ""
    if isinstance(source, Mapping):
        return plain_values(source), Path.cwd(), ""
    path = find_config(source)
    values = read_yaml(path)
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected sections such as 'model: ...', got {shown(values)}")
    return {"name": path.stem, **values}, path.parent, str(path)


def _override(values: dict[str, Any], change: str | tuple[str, Any]) -> str | None:
    """Write one override into `values`; return what is wrong with it, if anything."""
    text, equals, written = change.partition("=") if isinstance(change, str) else (change[0], "=", change[1])
    key = written_key(text)
    if not equals or not all(key.split(".")):
        return f"override '{change}': expected KEY=VALUE, for example training.epochs=3"
    name = f"override '{change}'" if isinstance(change, str) else key
    try:
        value = parse_yaml(written, source=name) if isinstance(change, str) else plain_values(written)
        if Role.PATH in key_roles(key):
            value = _from_here(value)
    except ValueError as error:
        return str(error) if isinstance(error, ConfigError) else f"{name}: {error}"
    obstacle = set_value(values, key, value)
    return f"{name}: {obstacle}" if obstacle else None


def _from_here(value: Any) -> Any:
    """Make paths of the command line start at the current folder, not at the config file."""
    if isinstance(value, dict):
        return {key: _from_here(path) for key, path in value.items()}
    if isinstance(value, list):
        return [plugin_path(name, Path.cwd()) if isinstance(name, str) else name for name in value]
    return absolute_path(value, Path.cwd()) if isinstance(value, str) else value


def config_schema() -> dict[str, Any]:
    """Return the schema of `Config` as users may write it, shorthand included; each key with a description.

    >>> schema = config_schema()
    >>> schema["$defs"]["TCNBlock"]["properties"]["kernel_size"]["description"]
    'Frames that the kernel reads.'
    """
    schema = Config.model_json_schema()
    of_member = {name: schema["properties"][name] for name in MEMBER_KEYS}
    schema["properties"]["members"]["items"] = {
        "additionalProperties": False,
        "properties": of_member,
        "type": "object",
    }
    for section in schema["$defs"].values():
        for tag in ("type", "kind"):
            if tag in section["properties"]:
                # An editor that offers the types of blocks and poolings says with each what it is.
                section["properties"][tag].setdefault("description", section["description"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
