"""The time of a search: how much is left, and a training that would take too long."""

import time
from collections.abc import Mapping
from typing import Any

import keras

from seqconv.errors import SeqconvError

FEWEST_EPOCHS = 5
"""Epochs after the first that are timed, unless they are more than a tenth of all."""


class OutOfTime(SeqconvError):  # noqa: N818
    """A training that was ended because it would not end within the budget."""


class Clock:
    """A clock that runs from now on, for so many seconds."""

    def __init__(self, budget: float) -> None:
        self.budget, self._begun = budget, time.monotonic()

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._begun

    @property
    def left(self) -> float:
        """Seconds until the end, below 0 after it."""
        return self.budget - self.spent

    def check(self, seconds: float) -> None:
        """Check that something can be done.

        Raises:
            OutOfTime: it would take longer than there is time.
        """
        if seconds > self.left:
            raise OutOfTime(f"about {seconds:.0f} s, and {max(self.left, 0):.0f} s are left")


class Pace(keras.callbacks.Callback):  # type: ignore[misc]
    """A callback that ends a training once its epochs show that it will take too long.

    Args:
        clock: of the search.
        trainings: how many trainings like this one are to be done, this one included.
    """

    def __init__(self, clock: Clock, trainings: float = 1.0) -> None:
        super().__init__()
        self._clock, self._trainings, self._warm = clock, trainings, 0.0

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End the training where no time is left at all."""
        self._clock.check(0)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End the training where what is to come needs more time than there is."""
        if epoch == 0:
            # It also compiles.
            self._warm = self._clock.spent
            return
        seconds, epochs = (self._clock.spent - self._warm) / epoch, self.params["epochs"]
        if epoch < min(FEWEST_EPOCHS, epochs // 10):
            # On a busy machine, one epoch says little of the others.
            return
        self._clock.check(seconds * (self._trainings * epochs - epoch - 1))
