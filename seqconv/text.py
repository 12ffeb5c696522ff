"""Words for messages: counts, and names that are near to others."""

from collections.abc import Iterable
from difflib import get_close_matches


def amount(count: int, noun: str, plural: str | None = None) -> str:
    """A count and what is counted.

    >>> amount(1, "frame"), amount(2500, "frame"), amount(1, "window holds", "windows hold")
    ('1 frame', '2,500 frames', '1 window holds')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def nearest(name: str, known: Iterable[str]) -> str:
    """ "; did you mean '...'?" where a known name is near, otherwise a full stop.

    >>> nearest("epochz", ["epochs", "mode"])
    "; did you mean 'epochs'?"
    """
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else "."
