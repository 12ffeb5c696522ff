"""Where a run is, and what the epoch has cost so far."""

from dataclasses import dataclass


@dataclass
class Progress:
    """In epoch `epoch`, `step` steps are done (both count from 0); `seconds` and `data_wait` are those of the epoch."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    data_wait: float = 0.0

    def next_epoch(self) -> None:
        """Go to the first step of the next epoch."""
        self.epoch, self.step, self.seconds, self.data_wait = self.epoch + 1, 0, 0.0, 0.0
