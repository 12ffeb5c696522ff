"""Reading a config: file or dict, overrides on top, every problem in one error."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from seqconv.config.backends import BACKENDS, running_backend, start_keras
from seqconv.config.files import find_config, parse_yaml, read_yaml
from seqconv.config.initial import take_sections
from seqconv.config.run import Config
from seqconv.errors import ConfigError
from seqconv.parts import absolute_path
from seqconv.parts.plugins import load_plugins, plugin_path
from seqconv.parts.problems import describe_problems, reinterpreted, shown

PATH_KEYS = (
    "plugins", "data.manifest", "data.cache_dir", "data.events", "training.init",
    "audio_augment.background.folder", "audio_augment.room.folder",
)  # fmt: skip


def load_config(source: str | Path | Mapping[str, Any] | Config, overrides: Iterable[str] = ()) -> Config:
    """The config of a run.

    Args:
        source: A file (looked up as given, then in the project's `configs/`), a dict, or a Config.
            Relative paths in it start at the folder of the file; those of a dict at the current folder. With
            `training.init`, the sections `model` and `features` that it leaves out are those of that model file.
        overrides: `"training.epochs=3"`: dotted key, `=`, a YAML value. Paths start at the current folder.

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
    problems = [problem for text in overrides if (problem := _override(values, text))]
    _load_plugins(values, folder)
    obstacle = take_sections(values, folder)
    if obstacle:
        raise ConfigError(_listed([*problems, obstacle], origin))
    try:
        config = Config.model_validate(values, context={"folder": folder})
        problems.extend(reinterpreted(values, config.model_dump()))
    except ValidationError as error:
        problems.extend(describe_problems(error, values, Config))
    if problems:
        raise ConfigError(_listed(problems, origin))
    return config


def dump_config(config: Config) -> str:
    """`config` as YAML, complete with defaults.

    >>> dump_config(load_config({"name": "first"})).splitlines()[:2]
    ['name: first', 'seed: 0']
    """
    return config.to_yaml()


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


def _listed(problems: list[str], origin: str) -> str:
    if len(problems) == 1:
        return f"{origin}: {problems[0]}" if origin else problems[0]
    return "\n  ".join([f"{origin or 'config'}: {len(problems)} problems", *problems])


def _read(source: str | Path | Mapping[str, Any] | Config) -> tuple[dict[str, Any], Path, str]:
    """Plain values, the folder at which their paths start, and what to call the source in messages."""
    if isinstance(source, Config):
        return source.to_dict(), Path.cwd(), ""
    if isinstance(source, Mapping):
        return _plain(source), Path.cwd(), ""
    path = find_config(source)
    values = read_yaml(path)
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected sections such as 'model: ...', got {shown(values)}")
    return {"name": path.stem, **values}, path.parent, str(path)


def _plain(value: Any) -> Any:
    """A copy in dicts and lists: overrides must not change what the caller holds."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value.tolist() if hasattr(value, "tolist") else value


def _override(values: dict[str, Any], text: str) -> str | None:
    """Write one override into `values`; what is wrong with it, if anything."""
    dotted, equals, written = text.partition("=")
    names = dotted.strip().split(".")
    if not equals or not all(names):
        return f"override '{text}': expected KEY=VALUE, for example training.epochs=3"
    try:
        value = parse_yaml(written, source=f"override '{text}'")
        if dotted.strip() in PATH_KEYS or dotted.strip().startswith("data.manifest."):
            value = _from_here(value)
    except ValueError as error:
        return str(error) if isinstance(error, ConfigError) else f"override '{text}': {error}"
    place: Any = values
    for depth, name in enumerate(names):
        key: str | int = name
        if isinstance(place, list):
            if not (name.isdecimal() and int(name) < len(place)):
                return f"override '{text}': '{name}' is not one of the {len(place)} places 0 to {len(place) - 1}"
            key = int(name)
        if depth == len(names) - 1:
            place[key] = value
            return None
        if isinstance(place, dict) and place.get(key) is None:
            place[key] = {}
        place = place[key]
        if not isinstance(place, dict | list):
            return f"override '{text}': {'.'.join(names[: depth + 1])} is {shown(place)}, which has no keys"
    return None


def _from_here(value: Any) -> Any:
    """Paths of the command line start where the command was given, not at the config file."""
    if isinstance(value, dict):
        return {key: _from_here(path) for key, path in value.items()}
    if isinstance(value, list):
        return [plugin_path(name, Path.cwd()) if isinstance(name, str) else name for name in value]
    return absolute_path(value, Path.cwd()) if isinstance(value, str) else value
