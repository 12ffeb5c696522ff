"""Questions with several answers: asked on a terminal, else an error that says how to give each."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from seqconv.errors import ManifestError

T = TypeVar("T")


@dataclass(frozen=True)
class Reading(Generic[T]):
    """One way to read what was found: in words, the command that chooses it, and what it means."""

    text: str
    command: str
    value: T


def choose(question: str, readings: Sequence[Reading[T]]) -> T:
    """Return what the reading means that the user chooses by its number.

    Raises:
        ManifestError: there is no terminal, or nothing is answered; names each reading and its command.
    """
    if sys.stdin is None or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ManifestError(_stop(question, readings))
    from rich.prompt import IntPrompt

    print(f"\n{question}")
    for number, reading in enumerate(readings, start=1):
        print(f"  {number}  {reading.text}")
    try:
        number = IntPrompt.ask("Which one", choices=[str(number + 1) for number in range(len(readings))])
    except EOFError:
        raise ManifestError(_stop(question, readings)) from None
    return readings[number - 1].value


def _stop(question: str, readings: Sequence[Reading[T]]) -> str:
    choices = [f"  {reading.text}:\n    {reading.command}" for reading in readings]
    return "\n".join([f"{question} Choose:", *choices])
