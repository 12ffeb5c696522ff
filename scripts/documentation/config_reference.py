"""A hook of MkDocs: the settings of a config as tables, from the schema that the loader checks against."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from seqconv.config.loading import config_schema

PAGE = "reference/config.md"
MARK = "<!-- settings -->"
# Keys by which one of several sections is chosen.
TAGS = ("type", "kind")
BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


class Place(NamedTuple):
    """Where a definition of the schema stands on the page, and what links to it say."""

    anchor: str
    text: str


Places = dict[str, Place]


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Called by MkDocs for each page."""
    return markdown.replace(MARK, settings_text(config_schema())) if page.file.src_uri == PAGE else markdown


def settings_text(schema: dict[str, Any]) -> str:
    """All settings of a schema: a heading and a table for each section, block and pooling."""
    plain = {name: each for name, each in schema["properties"].items() if not {"$ref", "discriminator"} & each.keys()}
    parts = ["## The run itself { #run }", _table(plain, set(), {})]
    places = dict(_places(schema))
    for name, each in schema["properties"].items():
        if name not in plain:
            if "$ref" in each:
                parts += _section(f"`{name}`", _name(each["$ref"]), 2, schema, places)
            else:
                parts += [f"## `{name}` {{ #{name} }}", f"One of several kinds; `{_tag(each)}` names it."]
            for key, place in places.items():
                if place.anchor.startswith(f"{name}-"):
                    parts += _section(_title(schema["$defs"][key], place.anchor), key, 3, schema, places)
    return "\n\n".join(parts)


def _places(schema: dict[str, Any]) -> Iterator[tuple[str, Place]]:
    """Definition -> place, each where it is met first: `training`, `training-checkpoint`, `model-blocks-conv`."""
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
            anchor = f"{path}-{kinds[0]}" if kinds else path
            yield reference, Place(anchor, ", ".join(kinds) or anchor.rsplit("-", 1)[-1])
            pending += [(f"{anchor}-{key}", each) for key, each in section["properties"].items()]


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


def _section(title: str, key: str, level: int, schema: dict[str, Any], places: Places) -> list[str]:
    section = schema["$defs"][key]
    properties = {name: each for name, each in section["properties"].items() if not (name in TAGS and _kinds(section))}
    heading = f"{'#' * level} {title} {{ #{places[key].anchor} }}"
    body = [_table(properties, set(section.get("required", ())), places)] if properties else []
    return [heading, section["description"], *body]


def _title(section: dict[str, Any], anchor: str) -> str:
    """`training.checkpoint`, or for blocks and poolings their types."""
    kinds = _kinds(section)
    if not kinds:
        return f"`{anchor.replace('-', '.')}`"
    *_, many, _ = anchor.split("-")
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
