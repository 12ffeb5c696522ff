"""Parts of a config and of a model: sections, problems of their values, and registries of parts by name."""

from typing import TYPE_CHECKING

import lazy_loader

from seqconv.parts.registry import Registry, register
from seqconv.parts.roles import Role

if TYPE_CHECKING:
    from seqconv.parts.sections import (
        FilePath,
        FilePaths,
        Fraction,
        LocalPath,
        NameOf,
        OneOf,
        PositiveInt,
        Section,
        absolute_path,
    )

__all__ = [
    "FilePath",
    "FilePaths",
    "Fraction",
    "LocalPath",
    "NameOf",
    "OneOf",
    "PositiveInt",
    "Registry",
    "Role",
    "Section",
    "absolute_path",
    "register",
]

# Imported on first use: registries alone need no pydantic.
_SECTIONS = [
    *("FilePath", "FilePaths", "LocalPath", "Fraction", "PositiveInt"),
    *("NameOf", "OneOf", "Section", "absolute_path"),
]
__getattr__, _, _ = lazy_loader.attach(__name__, submod_attrs={"sections": _SECTIONS})


def __dir__() -> list[str]:
    return __all__
