"""The page of settings, docs/reference/config.md: tables made from the schema that the loader checks against.

After a change of settings: python scripts/documentation/config_reference.py
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seqconv.config.loading import config_schema

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "config.md"
MARK = "<!-- Written by scripts/documentation/config_reference.py from here on. -->"
# Keys by which one of several sections is chosen.
TAGS = ("type", "kind")
BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


class Place(NamedTuple):
    """Where a definition of the schema stands: its keys, joined by `-`; its title; and what links to it say."""

    keys: str
    title: str
    text: str

    @property
    def anchor(self) -> str:
        """The anchor that GitHub, and MkDocs as we set it up, give to the title."""
        return re.sub(r"[^\w\- ]", "", self.title.lower()).replace(" ", "-")


Places = dict[str, Place]


def page_text(written: str) -> str:
    """The page: what is written in front of the mark, and all settings."""
    head, mark, _ = written.partition(MARK)
    if not mark:
        raise ValueError(f"{PAGE} has no line {MARK}")
    return f"{head}{mark}\n\n{settings_text(config_schema())}\n"


def settings_text(schema: dict[str, Any]) -> str:
    """All settings of a schema: a heading and a table for each section, block and pooling."""
    plain = {name: each for name, each in schema["properties"].items() if not {"$ref", "discriminator"} & each.keys()}
    parts = ["## The run itself", _table(plain, set(), {})]
    places = dict(_places(schema))
    for name, each in schema["properties"].items():
        if name not in plain:
            if "$ref" in each:
                parts += _section(_name(each["$ref"]), 2, schema, places)
            else:
                parts += [f"## `{name}`", f"One of several kinds; `{_tag(each)}` names it."]
            for key, place in places.items():
                if place.keys.startswith(f"{name}-"):
                    parts += _section(key, 3, schema, places)
    return "\n\n".join(parts)


def _places(schema: dict[str, Any]) -> Iterator[tuple[str, Place]]:
    """Definition -> place, each where it is met first: keys `training`, `training-checkpoint`, `model-blocks-conv`."""
    pending = [(name, each) for name, each in schema["properties"].items()]
    met = set()
    while pending:
        path, value = pending.pop(0)
        for reference in _references(value):
            if reference in met:
                continue
            met.add(reference)
            section = schema["$defs"][reference]
            kinds = _kinds(section)
            keys = f"{path}-{kinds[0]}" if kinds else path
            yield reference, Place(keys, _title(section, keys), ", ".join(kinds) or keys.rsplit("-", 1)[-1])
            pending += [(f"{keys}-{key}", each) for key, each in section["properties"].items()]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield _name(value["$ref"])
        for key, each in value.items():
            if key not in ("discriminator", "default"):
                yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _section(key: str, level: int, schema: dict[str, Any], places: Places) -> list[str]:
    section = schema["$defs"][key]
    properties = {name: each for name, each in section["properties"].items() if not (name in TAGS and _kinds(section))}
    heading = f"{'#' * level} {places[key].title}"
    body = [_table(properties, set(section.get("required", ())), places)] if properties else []
    return [heading, section["description"], *body]


def _title(section: dict[str, Any], keys: str) -> str:
    """`training.checkpoint`, or for blocks and poolings their types."""
    kinds = _kinds(section)
    if not kinds:
        return f"`{keys.replace('-', '.')}`"
    *_, many, _ = keys.split("-")
    one = many if many == "features" else many.removesuffix("s")
    return f"{one.capitalize()} {', '.join(f'`{kind}`' for kind in kinds)}"


def _kinds(section: dict[str, Any]) -> list[str]:
    kind: dict[str, Any] = next((section["properties"][tag] for tag in TAGS if tag in section["properties"]), {})
    return [kind["const"]] if "const" in kind else list(kind.get("enum", ()))


def _tag(each: dict[str, Any]) -> str:
    return str(each["discriminator"]["propertyName"])


def _table(properties: dict[str, Any], required: set[str], places: Places) -> str:
    rows = ["| key | values | default | |", "|---|---|---|---|"]
    for name, each in properties.items():
        default = "**needed**" if name in required else _default(each)
        cells = [f"`{name}`", _values(each, places), default, each.get("description", "")]
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows)


def _values(each: dict[str, Any], places: Places) -> str:
    """Return the allowed values, in a few words."""
    if "$ref" in each:
        place = places[_name(each["$ref"])]
        return f"[{place.text}](#{place.anchor})"
    if "anyOf" in each or "oneOf" in each:
        parts = [_values(option, places) for option in each.get("anyOf", []) + each.get("oneOf", [])]
        return ", ".join(dict.fromkeys(parts))
    if "enum" in each or "const" in each:
        return ", ".join(f"`{value}`" for value in each.get("enum", [each.get("const")]))
    if "not" in each:  # A list of users' own parts, of which none is registered while this page is made.
        return "sections of your own"
    if each.get("type") == "array":
        if "items" not in each:
            return f"[{', '.join(_values(item, places) for item in each['prefixItems'])}]"
        return f"list of: {_values(each['items'], places)}"
    if each.get("type") == "object":
        inner = each.get("additionalProperties")
        return f"mapping to {_values(inner, places)}" if isinstance(inner, dict) else "mapping"
    bounds = [text.format(each[key]) for key, text in BOUNDS.items() if key in each]
    return " ".join([each["type"] if each["type"] != "string" else "text", *bounds])


def _default(each: dict[str, Any]) -> str:
    value = each.get("default")
    if "$ref" in each:
        return "its defaults"
    if isinstance(value, list) and value and "prefixItems" not in each:
        return ", ".join(f"`{item['type'] if isinstance(item, dict) else item}`" for item in value)
    return f"`{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def _name(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]


if __name__ == "__main__":
    PAGE.write_text(page_text(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
