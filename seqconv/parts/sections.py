"""The base of the sections of a config, and the types of their values."""

import os.path
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from seqconv.files import expand_user

PositiveInt = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


_sections: "list[type[Section]]" = []


class Section(BaseModel):
    """A part of the config: unknown keys are errors, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        _sections.append(cls)


def rebuild_sections() -> None:
    """Build all sections anew, so that they know parts that were registered meanwhile."""
    # In the order of their definition: a section takes in those that it is made of.
    for section in _sections:
        section.model_rebuild(force=True)


def absolute_path(path: str, folder: Path) -> str:
    """`path` as seen from `folder`; `~` is the user's home.

    >>> absolute_path("../data/m.csv", Path("/work/configs"))
    '/work/data/m.csv'
    """
    if not path.strip():
        raise ValueError("an empty path; leave the key out or write null for none")
    # normpath, not resolve(): where recordings are links, the paths stay those that the user wrote.
    return os.path.normpath((folder / expand_user(path)).absolute())
