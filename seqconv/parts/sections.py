"""The base of the sections of a config, and the types of their values."""

import os.path
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from seqconv.files import expand_user

PositiveInt = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Section(BaseModel):
    """A part of the config: unknown keys are errors, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def absolute_path(path: str, folder: Path) -> str:
    """`path` as seen from `folder`; `~` is the user's home.

    >>> absolute_path("../data/m.csv", Path("/work/configs"))
    '/work/data/m.csv'
    """
    if not path.strip():
        raise ValueError("an empty path; leave the key out or write null for none")
    # normpath, not resolve(): where recordings are links, the paths stay those that the user wrote.
    return os.path.normpath((folder / expand_user(path)).absolute())
