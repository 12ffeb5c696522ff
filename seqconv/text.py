"""Words for messages: counts, and names that are similar to others."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


def amount(count: int, noun: str, plural: str | None = None) -> str:
    """Format a count and its unit.

    >>> amount(1, "frame"), amount(2500, "frame"), amount(1, "window holds", "windows hold")
    ('1 frame', '2,500 frames', '1 window holds')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean '...'?" if a known name is similar, otherwise a full stop.

    >>> nearest("epochz", ["epochs", "mode"])
    "; did you mean 'epochs'?"
    """
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else "."


def package_version() -> str:
    """Return the version of seqconv, which may be on the path without being installed; read from the text of its root.

    >>> package_version().count(".")
    2
    """
    root = (Path(__file__).parent / "__init__.py").read_text(encoding="utf-8")
    return root.split('__version__ = "')[1].split('"')[0]
