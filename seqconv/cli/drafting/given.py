"""The source of a draft and the keys that are set, as the user gives them."""

import re
from pathlib import Path
from typing import Any

from seqconv.config.files import parse_yaml
from seqconv.errors import ConfigError
from seqconv.files import expand_user, is_address
from seqconv.parts.keys import set_value


def source_here(source: str) -> Path:
    """Return the path of what a config is drafted for.

    Raises:
        ConfigError: it is an address.
    """
    if is_address(source):
        raise ConfigError(
            f"init looks at folders and tables on this machine, and '{source}' is an address. Draft a config "
            "for a few of the recordings here, then write the address as data.manifest."
        )
    return expand_user(source)


def read_given(settings: list[str]) -> dict[str, dict[str, Any]]:
    """Return sections with the keys that are set.

    Raises:
        ConfigError: a setting is of no key of a section.
    """
    given: dict[str, dict[str, Any]] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or "." not in key:
            raise ConfigError(f"--set {setting}: expected SECTION.KEY=VALUE, such as data.events=labels.csv")
        obstacle = set_value(given, key.strip(), parse_yaml(value, source=f"--set {key}"))
        if obstacle:
            raise ConfigError(f"--set {setting}: {obstacle}")
    return given


def name_of(source: Path) -> str:
    """Return a file name for the config of a folder or table; a table named `manifest` is named after its folder."""
    path = source.absolute()
    stem = path.name if path.is_dir() else path.stem
    if stem.lower() in ("manifest", "data", "metadata") and not path.is_dir():
        stem = path.parent.name
    return re.sub(r"[^\w-]+", "_", stem).strip("_") or "config"
