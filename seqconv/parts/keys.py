"""Dotted keys of a config, `model.blocks.0.filters`: written in one way, read, flattened and set."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

_INDEX = re.compile(r"\[(\d+)\]")


def dotted_key(path: Iterable[str | int]) -> str:
    """Write a key.

    >>> dotted_key(("model", "blocks", 0, "filters"))
    'model.blocks.0.filters'
    """
    return ".".join(map(str, path))


def written_key(text: str) -> str:
    """Return a key as it is written everywhere, of one that may have its numbers in brackets.

    >>> written_key(" model.blocks[0].filters")
    'model.blocks.0.filters'
    """
    return _INDEX.sub(r".\1", text.strip())


def flatten(values: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested values by dotted key; lists of anything but mappings stay whole.

    >>> flatten({"model": {"blocks": [{"filters": 8}], "pooling": ["mean"]}})
    {'model.blocks.0.filters': 8, 'model.pooling': ['mean']}
    """
    pairs: Iterable[tuple[Any, Any]] = ()
    if isinstance(values, Mapping):
        pairs = values.items()
    elif isinstance(values, list) and any(isinstance(each, Mapping) for each in values):
        pairs = enumerate(values)
    nested: dict[str, Any] = {}
    for name, value in pairs:
        nested.update(flatten(value, f"{prefix}.{name}" if prefix else str(name)))
    return nested or {prefix: values}


def set_value(values: dict[str, Any], key: str, value: Any) -> str | None:
    """Set a key in nested dicts and lists; return what keeps it from that, if anything.

    >>> config = {"model": {"blocks": [{"filters": 8}]}}
    >>> set_value(config, "model.blocks.0.filters", 16), config
    (None, {'model': {'blocks': [{'filters': 16}]}})
    """
    names = key.split(".")
    inner: Any = values
    for depth, text in enumerate(names):
        name: str | int = text
        if isinstance(inner, list):
            if not (text.isdecimal() and int(text) < len(inner)):
                return f"'{text}' is not one of the {len(inner)} places 0 to {len(inner) - 1}"
            name = int(text)
        if depth == len(names) - 1:
            inner[name] = value
            return None
        if isinstance(inner, dict) and inner.get(name) is None:
            inner[name] = {}
        inner = inner[name]
        if not isinstance(inner, dict | list):
            return f"{'.'.join(names[: depth + 1])} is {inner!r:.60}, which has no keys"
    return None


def merge(values: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Write nested changes into nested values: mappings are merged, all else is replaced."""
    for name, value in changes.items():
        inner = values.get(name)
        if isinstance(inner, dict) and isinstance(value, Mapping):
            merge(inner, value)
        else:
            values[name] = plain_values(value)


def plain_values(value: Any) -> Any:
    """Return a copy in dicts, lists, numbers and text: to change it does not change what the caller has."""
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Mapping):
        return {key: plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value.tolist() if hasattr(value, "tolist") else value
