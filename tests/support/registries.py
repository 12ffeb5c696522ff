"""Parts that are registered for the time of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from seqconv.parts import register
from seqconv.parts.registry import names_of
from seqconv.parts.sections import rebuild_sections


@contextmanager
def registered(*parts: Any) -> Iterator[None]:
    """Register parts, and take them out again: other tests of the process look at what seqconv has."""
    for part in parts:
        register(part)
    try:
        yield
    finally:
        for part in parts:
            for name in names_of(part, part.registry.tag):
                part.registry._parts.pop(name, None)
                part.registry._origins.pop(name, None)
        rebuild_sections()
