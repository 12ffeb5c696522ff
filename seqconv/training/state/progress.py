"""The position of a run, and the cost of the epoch so far."""

from dataclasses import dataclass


@dataclass
class Progress:
    """The position of a run: epoch and step, both from 0, with `seconds` and `data_wait` of the epoch so far."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    data_wait: float = 0.0

    def next_epoch(self) -> None:
        """Go to the first step of the next epoch."""
        self.epoch, self.step, self.seconds, self.data_wait = self.epoch + 1, 0, 0.0, 0.0
