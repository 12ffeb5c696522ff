"""Signals that end a command: SIGTERM and a closed terminal act like Ctrl-C, with the same cleaning up."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = ("SIGTERM", "SIGHUP")


class Interrupted(KeyboardInterrupt):
    """A signal that ended the work; `signal` is its number, and the text says what is kept."""

    def __init__(self, number: int, text: str = "") -> None:
        super().__init__(text)
        self.signal = signal.Signals(number)


@contextmanager
def interruptible(kept: str) -> Iterator[None]:
    """Raise `Interrupted` for these signals within the block, as for Ctrl-C, with `kept` in the message.

    An interruption with a message of its own, such as that of a run, passes as it is. Signals that the
    process ignores (`nohup`) stay ignored.

    >>> try:
    ...     with interruptible("nothing was written"):
    ...         signal.raise_signal(signal.SIGTERM)
    ... except Interrupted as stop:
    ...     print(stop)
    stopped by SIGTERM: nothing was written
    """
    before: dict[int, Any] = {}
    is_main = threading.current_thread() is threading.main_thread()
    for number in [getattr(signal, name) for name in _SIGNALS if is_main and hasattr(signal, name)]:
        # None: a handler that was not made in Python, and could not be put back.
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            before[number] = signal.signal(number, _interrupt)
    try:
        yield
    except KeyboardInterrupt as stop:
        if str(stop):
            raise
        number = getattr(stop, "signal", signal.SIGINT)
        raise Interrupted(number, f"stopped by {signal.Signals(number).name}: {kept}") from stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)
