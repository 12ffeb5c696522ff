"""The base of the sections of a config, and the types of their values."""

from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from seqconv.files import is_address, seen_from
from seqconv.parts.registry import Registry, listeners
from seqconv.parts.roles import Role

PositiveInt = Annotated[int, pydantic.Field(ge=1)]
Fraction = Annotated[float, pydantic.Field(ge=0, lt=1)]


_sections: "list[type[Section]]" = []


class Section(pydantic.BaseModel):
    """A part of the config: unknown keys are errors, values do not change once read."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        _sections.append(cls)


def rebuild_sections() -> None:
    """Build all sections again, so that they know parts that were registered meanwhile."""
    # In the order of their definition: a section takes in those that it is made of.
    for section in _sections:
        section.model_rebuild(force=True)


listeners.append(rebuild_sections)


class OneOf:
    """Annotation of a field: a section of any registered part, chosen by the tag of the registry.

    The choices are those that are registered when the section with the field is built; `register` builds them again.
    """

    def __init__(self, registry: Registry[Any]) -> None:
        self.registry = registry

    def __get_pydantic_core_schema__(self, source: Any, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
        if not self.registry:
            return core_schema.no_info_plain_validator_function(self._refuse)
        choices = {name: handler.generate_schema(section) for name, section in self.registry.items()}
        return core_schema.tagged_union_schema(choices, discriminator=self.registry.tag)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: pydantic.GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        # Of a kind of which nothing is registered, there is nothing to choose.
        return handler(schema) if self.registry else {"not": {}}

    def _refuse(self, value: Any) -> None:
        raise ValueError(
            f"no {self.registry.kind} is registered. Register one of your own, and name its file in plugins"
        )


class NameOf:
    """Annotation of a field: the name of any registered part, or one of `more`, such as "auto"."""

    def __init__(self, registry: Registry[Any], *more: str) -> None:
        self.registry = registry
        self.more = more

    def __get_pydantic_core_schema__(self, source: Any, handler: pydantic.GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema([*self.more, *self.registry])


SCHEMES: set[str] = set()
"""Words that say, before a path and a colon, what is there; who reads it adds its own."""


def split_scheme(path: str) -> tuple[str, str]:
    """Return the scheme of a path, "" if it has none, and the path itself.

    >>> split_scheme("recordings/7:30.wav")
    ('', 'recordings/7:30.wav')
    """
    scheme, _, rest = path.partition(":")
    return (scheme, rest) if scheme in SCHEMES and rest else ("", path)


def absolute_path(path: str, folder: Path) -> str:
    """Return `path` as seen from `folder`; `~` is the user's home. An address such as `http://...` stays as it is.

    >>> absolute_path("../data/m.csv", Path("/work/configs"))
    '/work/data/m.csv'
    """
    if not path.strip():
        raise ValueError("an empty path; leave the key out or write null for none")
    scheme, rest = split_scheme(path)
    if scheme:
        return f"{scheme}:{absolute_path(rest, folder)}"
    return seen_from(folder, path)


def _from_folder(value: Any, info: pydantic.ValidationInfo) -> Any:
    folder = (info.context or {}).get("folder", Path.cwd())
    if isinstance(value, dict):
        return {name: absolute_path(path, folder) for name, path in value.items()}
    return None if value is None else absolute_path(value, folder)


def _is_local(value: str | None) -> str | None:
    if value is not None and is_address(value):
        raise ValueError("an address, but this must be on this machine. Copy it here, and give its path")
    return value


FilePath = Annotated[str | None, pydantic.AfterValidator(_from_folder), Role.PATH]
"""A path that begins at the folder of the config file, or an address."""
LocalPath = Annotated[FilePath, pydantic.AfterValidator(_is_local)]
"""A path on this machine."""
FilePaths = Annotated[str | dict[str, str] | None, pydantic.AfterValidator(_from_folder), Role.PATH]
"""A path or an address, or several by name."""
