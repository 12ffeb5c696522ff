"""Parts of a config: the base of its sections, and what is wrong with their values in the user's words."""

from seqconv.parts.sections import Fraction, PositiveInt, Section, absolute_path

__all__ = ["Fraction", "PositiveInt", "Section", "absolute_path"]
