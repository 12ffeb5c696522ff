"""Problems of a config, in the user's words: the dotted key, its value, what was expected."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from seqconv.errors import ConfigError
from seqconv.parts.keys import dotted_key
from seqconv.parts.roles import Role
from seqconv.parts.sections import Section
from seqconv.text import nearest

AnySection = TypeVar("AnySection", bound=Section)

EXPECTED = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list",
    "list": "a list",
    "dict": "a mapping",
}
COMPARED = {
    "greater_than": ("gt", "a number above {}"),
    "greater_than_equal": ("ge", "a number of at least {}"),
    "less_than": ("lt", "a number below {}"),
    "less_than_equal": ("le", "a number of at most {}"),
    "too_short": ("min_length", "at least {} of them"),
    "too_long": ("max_length", "at most {} of them"),
    "string_too_short": ("min_length", "text of at least {} character"),
}


def read_section(section: type[AnySection], values: Any, key: str) -> AnySection:
    """Read a section that stands alone; one that is read already is returned as it is.

    Args:
        section: its class.
        values: a mapping.
        key: where it stands in a config, which is how problems name it.

    Raises:
        ConfigError: with a line for each key that is wrong.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(describe_problems(error, values, section, key))) from error


def describe_problems(error: ValidationError, values: Any, root: type[BaseModel], under: str = "") -> list[str]:
    """Describe each key that pydantic refused in `values`, a line each; `under` is the key of the section `root`."""
    start = (under,) if under else ()
    values = {under: values} if under else values
    lines: list[str] = []
    expected: dict[str, tuple[Any, list[str]]] = {}
    hints: dict[str, str] = {}
    for details in error.errors(include_url=False):
        kind, location = details["type"], (*start, *details["loc"])
        if kind == "missing" and isinstance(location[-1], int):
            key, needed = dotted_key(visible_path(location[:-1], values)), f"at least {location[-1] + 1} of them"
            expected.setdefault(key, (details["input"], []))[1].append(needed)
            continue
        if kind == "missing":
            # A missing key is in no input, yet it is what the user must write.
            key = dotted_key((*visible_path(location[:-1], values), location[-1]))
            lines.append(f"{key}: missing; this key has no default")
            continue
        key = dotted_key(visible_path(location, values))
        if kind == "extra_forbidden":
            lines.append(_unknown_key(details, key, root))
        elif kind == "union_tag_invalid":
            tag = f"{key}.{details['ctx']['discriminator'].strip(chr(39))}"
            expected[tag] = details["ctx"]["tag"], [details["ctx"]["expected_tags"]]
        elif kind == "value_error":
            reason = str(details.get("ctx", {}).get("error", details["msg"]))
            value = "" if isinstance(details["input"], dict) else f"{shown(details['input'])}: "
            lines.extend([f"{key}: {value}{reason}"] if key else reason.splitlines())
        else:
            # The branches of a union fail one by one; to the user they are one key with several forms.
            expected.setdefault(key, (details["input"], []))[1].append(_expectation(details, root))
            if kind == "literal_error":
                known = re.findall("'([^']*)'", details["ctx"]["expected"])
                hints[key] = nearest(str(details["input"]), known).removesuffix(".")
    for key, (value, forms) in expected.items():
        # What is wrong inside a value says more than what its other forms would be.
        if any(other.startswith(f"{key}.") for other in expected):
            continue
        hint = hints.get(key, "")
        lines.append(f"{key or 'config'}: expected {' or '.join(dict.fromkeys(forms))}, got {shown(value)}{hint}")
    return lines


def reinterpreted(values: Any, read: Any, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    """Yield scalars that pydantic turned into another type, `'3'` into 3 or `true` into 1, to report them."""
    if isinstance(values, dict) and isinstance(read, dict):
        for name in values:
            if name in read:
                yield from reinterpreted(values[name], read[name], (*path, name))
    elif isinstance(values, list | tuple) and isinstance(read, list | tuple):
        for index, (value, result) in enumerate(zip(values, read, strict=False)):
            yield from reinterpreted(value, result, (*path, index))
    elif isinstance(values, str | bool) and isinstance(read, int | float) and type(values) is not type(read):
        wanted = "true or false" if isinstance(read, bool) else "a number"
        yield f"{dotted_key(path)}: expected {wanted}, got {shown(values)}"
    elif isinstance(values, int | float) and isinstance(read, bool) and not isinstance(values, bool):
        yield f"{dotted_key(path)}: expected true or false, got {shown(values)}"


def visible_path(location: Iterable[str | int], values: Any) -> tuple[str | int, ...]:
    """Return the part of pydantic's location that the user wrote: names of union branches are dropped.

    >>> visible_path(("model", "blocks", 0, "conv", "filters"), {"model": {"blocks": [{"filters": "x"}]}})
    ('model', 'blocks', 0, 'filters')
    """
    path: list[str | int] = []
    for part in location:
        is_item = isinstance(values, list | tuple) and isinstance(part, int) and part < len(values)
        if is_item or (isinstance(values, dict) and part in values):
            values = values[part]
            path.append(part)
    return tuple(path)


def shown(value: Any, limit: int = 60) -> str:
    """Format a value for a message, shortened if it is long."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def sections_at(location: Iterable[str | int], root: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the sections that a key of the config may have; several for blocks of different type."""
    sections = _sections_in(root)
    for part in location:
        fields = [section.model_fields[part] for section in sections if part in section.model_fields]
        if fields:
            sections = [found for field in fields for found in _sections_in(field.annotation)]
        elif isinstance(part, str):
            sections = [section for section in sections if part in _branch_names(section)] or sections
    return sections


def roles_of(key: str, root: type[BaseModel]) -> frozenset[Role]:
    """Return the roles of a dotted key: its own, and those of the sections that it is in."""
    path, found = key.split("."), set[Role]()
    for depth, name in enumerate(path):
        for section in sections_at(path[:depth], root):
            field = section.model_fields.get(name)
            found.update(role for role in (field.metadata if field else ()) if isinstance(role, Role))
    return frozenset(found)


def _unknown_key(details: ErrorDetails, key: str, root: type[BaseModel]) -> str:
    *place, name = details["loc"]
    known = list(dict.fromkeys(field for section in sections_at(place, root) for field in section.model_fields))
    hint = nearest(str(name), known)
    return f"{key}: unknown key{hint} Its value is {shown(details['input'])}. Known: {', '.join(known)}"


def _expectation(details: ErrorDetails, root: type[BaseModel]) -> str:
    kind, context = details["type"], details.get("ctx", {})
    wanted = re.sub("_(type|parsing|from_float)$", "", kind)
    if wanted in EXPECTED:
        return EXPECTED[wanted]
    if kind in COMPARED:
        bound, text = COMPARED[kind]
        return text.format(context[bound])
    if kind == "literal_error":
        return f"{context['expected']}"
    if kind in ("model_type", "model_attributes_type"):
        known = dict.fromkeys(field for section in sections_at(details["loc"], root) for field in section.model_fields)
        return f"a mapping with keys such as {', '.join(list(known)[:6])}"
    return details["msg"]


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        # The base of a kind is any of the parts that are registered under it.
        registry = vars(annotation).get("registry")
        return [annotation] if registry is None else list(dict.fromkeys(registry.values()))
    return [section for argument in get_args(annotation) for section in _sections_in(argument)]


def _branch_names(section: type[BaseModel]) -> tuple[Any, ...]:
    kind = section.model_fields.get(getattr(getattr(section, "registry", None), "tag", "type"))
    return (section.__name__, *(get_args(kind.annotation) if kind else ()))
