"""Config files: finding one by its name, and YAML 1.2 in and out."""

import sys
from io import StringIO
from pathlib import Path
from typing import Any

from seqconv.errors import ConfigError
from seqconv.files import expand_user, is_file, undecodable_line

_MOST_VALUES = 100_000


def find_config(name: str | Path) -> Path:
    """Find the file of `--config NAME`: as given, else in the project's `configs/`; `.yaml` may be left out.

    Raises:
        ConfigError: no such file; the message lists what was tried and which configs there are.

    >>> find_config("no_such_config")
    Traceback (most recent call last):
    seqconv.errors.ConfigError: no config 'no_such_config'. Tried: ...
    """
    given = expand_user(name)
    folder = configs_folder()
    names = [given] if given.suffix in (".yaml", ".yml") else [given, Path(f"{given}.yaml")]
    tried = dict.fromkeys(place / name for place in (Path(), folder) for name in names)
    for path in tried:
        if is_file(path):
            return path.absolute()
    there = ", ".join(sorted(path.name for path in folder.glob("*.yaml"))) or "none"
    raise ConfigError(f"no config '{name}'. Tried: {', '.join(map(str, tried))}. Configs in {folder}: {there}")


def configs_folder() -> Path:
    """Return the project's `configs/`: inside an installed package, or next to the package in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "_project" / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def read_yaml(path: Path) -> Any:
    """Read the content of a YAML 1.2 file.

    Raises:
        ConfigError: not YAML, a key twice; the message names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}, line {undecodable_line(path)}: it is not UTF-8 ({error.reason})") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error}") from error
    return parse_yaml(text, source=str(path))


def parse_yaml(text: str, *, source: str) -> Any:
    """Parse a YAML 1.2 value: `1e-3` is a number, `no` is text.

    >>> parse_yaml("{a: 1e-3, b: no}", source="example")
    {'a': 0.001, 'b': 'no'}
    """
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.reader import ReaderError

    try:
        value = _yaml().load(text)
        if _unfolded_size(value, {}) > _MOST_VALUES:
            raise ConfigError(f"{source}: its aliases (*name) unfold to more than {_MOST_VALUES} values, or to no end")
        return value
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{source}{line}: {error.problem or error.context}") from error
    except ReaderError as error:
        number = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{source}, line {number}: {str(error).splitlines()[0]}") from error
    except (YAMLError, ValueError, TypeError) as error:
        raise ConfigError(f"{source}: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{source}: lists or mappings are nested hundreds deep, which no config needs") from error


def _unfolded_size(value: Any, known: dict[int, float]) -> float:
    """Count the values in a tree that may share branches; infinite if one contains itself."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = float("inf")
        items = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_unfolded_size(item, known) for item in items)
    return known[id(value)]


def write_yaml(value: Any, *, on_one_line: bool = False) -> str:
    """Format `value` as YAML 1.2, keys in their order; lists and mappings `on_one_line` with brackets.

    >>> print(write_yaml({"b": 0.001, "a": ["no", "001"]}), end="")
    b: 0.001
    a:
    - no
    - '001'
    """
    stream, yaml = StringIO(), _yaml()
    yaml.default_flow_style = on_one_line
    yaml.width = sys.maxsize if on_one_line else 100
    yaml.dump(value, stream)
    return stream.getvalue()


def write_value(value: Any) -> str:
    """Format a value on one line, as YAML reads it back.

    >>> write_value({"by": ["user", "1"]}), write_value("1")
    ("{by: [user, '1']}", "'1'")
    """
    if isinstance(value, dict):
        return write_yaml(value, on_one_line=True).strip()
    # In a list: behind a single word there would be a mark for the end of a document.
    return write_yaml([value], on_one_line=True).strip()[1:-1]


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml: Any = YAML(typ="safe", pure=True)
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False
    return yaml
