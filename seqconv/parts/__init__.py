"""Parts of a config and of a model: sections, what is wrong with their values, and registries of parts by name."""

from seqconv.parts.registry import OneOf, Registry, register
from seqconv.parts.sections import Fraction, PositiveInt, Section, absolute_path

__all__ = ["Fraction", "OneOf", "PositiveInt", "Registry", "Section", "absolute_path", "register"]
