"""Words around numbers."""


def amount(count: int, noun: str, plural: str | None = None) -> str:
    """A count and what is counted.

    >>> amount(1, "frame"), amount(2500, "frame"), amount(1, "window holds", "windows hold")
    ('1 frame', '2,500 frames', '1 window holds')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
