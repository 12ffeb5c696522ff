"""Parts of a config and of a model: sections, problems of their values, and registries of parts by name."""

from typing import TYPE_CHECKING, Any

from seqconv.parts.registry import Registry, register
from seqconv.parts.roles import Role

if TYPE_CHECKING:
    from seqconv.parts.sections import FilePath, FilePaths, Fraction, NameOf, OneOf, PositiveInt, Section, absolute_path

__all__ = [
    "FilePath",
    "FilePaths",
    "Fraction",
    "NameOf",
    "OneOf",
    "PositiveInt",
    "Registry",
    "Role",
    "Section",
    "absolute_path",
    "register",
]


def __getattr__(name: str) -> Any:
    """Import on first use: registries alone need no pydantic."""
    if name not in __all__:
        raise AttributeError(f"module 'seqconv.parts' has no attribute '{name}'")
    from seqconv.parts import sections

    return getattr(sections, name)
