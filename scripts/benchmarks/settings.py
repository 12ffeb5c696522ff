"""The settings of a benchmark."""

from dataclasses import dataclass
from pathlib import Path

QUICK_REPEATS = 2


@dataclass(frozen=True)
class Settings:
    """Options of the command line.

    `lengths`: names of length distributions, or of corpora to extract, empty for those that the benchmark is about.
    `prompts`: folder into which the packages of the corpus were unpacked. `only`: parts of the names of the contestants
    that run, none for all. `is_quick`: as little work as shows that everything runs.
    """

    repeats: int = 5
    lengths: tuple[str, ...] = ()
    prompts: Path | None = None
    only: tuple[str, ...] = ()
    is_quick: bool = False

    @property
    def rounds(self) -> int:
        """The number of rounds in which every contestant is measured."""
        return QUICK_REPEATS if self.is_quick else self.repeats

    def takes(self, contestant: str) -> bool:
        """Whether a contestant of that name runs."""
        return not self.only or any(part in contestant for part in self.only)
