"""Registries: the parts of each kind by name, ours and those that users add."""

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

from seqconv.errors import ConfigError
from seqconv.text import nearest

Part = TypeVar("Part")
# Called after a part of a user's own was registered; ours are registered before anything looks at them.
listeners: list[Callable[[], None]] = []


@dataclass(frozen=True)
class Origin:
    """The location at which a user's own part is defined.

    `name`: file name of the module, which a config names in `plugins`. `digest`: SHA-256 of that file, as hex.
    """

    name: str
    digest: str


class Registry(Mapping[str, Part], Generic[Part]):
    """Parts of one kind by name.

    A kind is a base class with an attribute `registry`; `register` puts a part of it there. A part has a `version`: a
    whole number that grows when its results change.

    Args:
        kind: what messages call a part: "block", "feature kind".
        tag: the config key by which a part is chosen: "type" of a block, "kind" of features.
    """

    def __init__(self, kind: str, tag: str = "type") -> None:
        self.kind = kind
        self.tag = tag
        self._parts: dict[str, Part] = {}
        self._origins: dict[str, Origin | None] = {}

    def __getitem__(self, name: str) -> Part:
        """Return a part.

        Raises:
            ConfigError: there is none of that name.
        """
        if name not in self._parts:
            raise ConfigError(
                f"there is no {self.kind} '{name}'{nearest(name, self)} Known: {', '.join(self)}. One of your own has "
                "to be registered: name the file that defines it in plugins"
            )
        return self._parts[name]

    def __contains__(self, name: object) -> bool:
        # That of Mapping waits for a KeyError.
        return name in self._parts

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, part: Part) -> None:
        """Add a part under each of its names.

        Raises:
            ConfigError: it has no name, or another part has one of them.
        """
        names, origin = names_of(part, self.tag), find_origin(part)
        if not names:
            raise ConfigError(
                f"{self.kind} {part!r} has no name. Give it one: {self.tag}: Literal['...'] if it is a section, "
                "otherwise an attribute name"
            )
        for name in names:
            if name in self._parts and not self._is_same(name, part):
                there = self._origins[name]
                whose = "seqconv has one of that name" if there is None else f"{there.name} has registered that name"
                raise ConfigError(f"{self.kind} '{name}': {whose}. Choose another name")
        for name in names:
            self._parts[name], self._origins[name] = part, origin

    def name_of(self, section: Any) -> str:
        """Return the name by which a config chooses the part that a section is of."""
        return str(getattr(section, self.tag))

    def origin(self, name: str) -> Origin | None:
        """Return the place of definition of a user's own part; None for one of ours."""
        return self._origins[name] if name in self else None

    def identity(self, name: str) -> dict[str, Any]:
        """Return what decides whether results of a part are the same: its versions, and the digest of its file.

        `version` is its author's. A base of seqconv's has a `base_version`, for the numbers that all parts derived from
        it take from it; 1 if it says none, and then it is left out.

        >>> class Double:
        ...     name, version = "double", 3
        >>> registry = Registry("metric")
        >>> registry.add(Double)
        >>> registry.identity("double")["version"]
        3
        """
        found: dict[str, Any] = {"name": name, "version": int(getattr(self[name], "version", 1))}
        if (base_version := int(getattr(self[name], "base_version", 1))) != 1:
            found["base_version"] = base_version
        origin = self._origins[name]
        return found if origin is None else {**found, "plugin": origin.name, "digest": origin.digest}

    def _is_same(self, name: str, part: Any) -> bool:
        """Whether a part is the one that is registered, defined again by the same text: a cell that is run twice."""
        there: Any = self._parts[name]
        if there is part:
            return True
        same_name = getattr(there, "__qualname__", None) == getattr(part, "__qualname__", None)
        return same_name and self._origins[name] is not None and self._origins[name] == find_origin(part)


def register(part: Part) -> Part:
    """Make a part of your own known by its name: a block, pooling head, feature kind, strategy, metric or task.

    The part is a class (or object) derived from the base of its kind. Usable as a decorator; returns the part.

    Raises:
        ConfigError: it is of no kind, or its name is taken.
    """
    registry = getattr(part, "registry", None)
    if not isinstance(registry, Registry):
        raise ConfigError(
            f"{part!r} is of no kind that can be registered. Derive it from the base of its kind, for example "
            "seqconv.models.Block or seqconv.features.FeatureKind"
        )
    registry.add(part)
    if find_origin(part) is not None:
        for listener in listeners:
            listener()
    return part


def names_of(part: Any, tag: str) -> tuple[str, ...]:
    """Return the names of a part: the values that its tag may have if it is a section, otherwise its attribute
    `name`."""
    field = getattr(part, "model_fields", {}).get(tag)
    if field is not None:
        return tuple(map(str, get_args(field.annotation)))
    name = getattr(part, "name", None)
    return (name,) if isinstance(name, str) and name else ()


def find_origin(part: Any) -> Origin | None:
    """Return the place of definition of a part; None if that is seqconv."""
    # A record of ours may carry a function of a user's own: that is what it is.
    definition = getattr(part, "function", part)
    if not (inspect.isclass(definition) or inspect.isfunction(definition)):
        definition = type(definition)
    if definition.__module__.split(".")[0] == "seqconv":
        return None
    try:
        path = Path(inspect.getfile(definition))
        return Origin(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    except (TypeError, OSError):
        # Typed at a prompt or in a notebook: there is no file, but mostly a text.
        try:
            text = inspect.getsource(definition)
        except (TypeError, OSError):
            text = definition.__qualname__
        return Origin(definition.__module__, hashlib.sha256(text.encode()).hexdigest())
