"""Waiting for what is to happen, however slow the machine is."""

import time
from collections.abc import Callable
from typing import Protocol

# Seconds after which a test fails rather than hangs; nothing that goes right comes near it.
PATIENCE = 600.0


def wait_until(happens: Callable[[], object], pause: float = 0.005) -> None:
    """Return once `happens()`; fail where it never does."""
    begun = time.monotonic()
    while not happens():
        assert time.monotonic() - begun < PATIENCE, "this never happened"
        time.sleep(pause)


class Polled(Protocol):
    """A process: one of `subprocess`, or a forked one."""

    def poll(self) -> int | None: ...


def is_alive_when(process: Polled, happens: Callable[[], object]) -> bool:
    """Wait until `happens()` or the process has ended; whether it is still there."""
    wait_until(lambda: process.poll() is not None or happens(), pause=0.002)
    return process.poll() is None
