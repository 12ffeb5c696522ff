"""SIGTERM, Ctrl-C and a closed terminal: the step is finished and saved first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class RunStopped(KeyboardInterrupt):
    """A run was asked to stop, and has.

    `signal` is what asked. Shells show a process that ended so as 128 + its number: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, number: int, message: str = "") -> None:
        super().__init__(message or f"stopped by {signal.Signals(number).name}")
        self.signal = signal.Signals(number)


class StopSignals:
    """Signals that are noted instead of ending the process; `check` raises RunStopped for them.

    A second signal ends the run immediately. Signals that the process ignores (`nohup`) stay ignored; outside of the
    main thread, where Python has no signals, nothing changes.

    >>> with StopSignals() as signals:
    ...     signals.check()
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._is_at_once = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is not threading.main_thread():
            return self
        for name in SIGNALS:
            number = getattr(signal, name, None)
            # None: a handler that was not made in Python, and could not be put back.
            if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def check(self) -> None:
        """Raise RunStopped if a signal has come."""
        if self.number is not None:
            raise RunStopped(self.number)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise RunStopped immediately for a signal within the block, where an interruption loses nothing."""
        self._is_at_once = True
        try:
            self.check()
            yield
        finally:
            self._is_at_once = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        is_second, self.number = self.number is not None, number
        if is_second or self._is_at_once:
            raise RunStopped(number)
