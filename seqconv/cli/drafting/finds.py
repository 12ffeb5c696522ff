"""The result of a finder: keys of a config that say where the data are, and sentences for the user."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from seqconv.cli.drafting.targets import TargetFacts


@dataclass(frozen=True)
class Find:
    """Data that were found.

    `data`: keys of the section; `features`: keys with their reasons. `found`: how they were found, in words. `target`:
    that of events; None: a column has the labels. `folds`: how many the table has. `kept`: columns of it that are not
    used. `said`: sentences for the user, on what is used, what is not, and why.
    """

    data: Mapping[str, Any]
    found: str
    target: TargetFacts | None = None
    features: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    folds: int | None = None
    kept: tuple[str, ...] = ()
    said: tuple[str, ...] = ()

    def saying(self, *said: str) -> "Find":
        """Return the same with more sentences."""
        return replace(self, said=tuple(dict.fromkeys((*self.said, *said))))
