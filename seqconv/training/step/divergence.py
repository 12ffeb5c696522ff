"""A loss that is no longer a number: found at its step, with the sequences that were in it."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from seqconv.batching import Layout
from seqconv.errors import ConfigError, list_some
from seqconv.training.run.runtime import runs_on_gpu
from seqconv.training.run.setup import RunSetup

STEPS_BEHIND = 16


class DivergenceError(ConfigError):
    """The loss, or a weight, is NaN or infinite. `details`: all ids of the step, and of the one before it."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class LossWatch:
    """A watch on the loss of each step.

    Reading a loss waits for the device: where that computes in the background, some steps are read together. The step
    that is named is always the first one with a loss that is not finite.
    """

    def __init__(self, experiment: RunSetup) -> None:
        self._experiment = experiment
        is_ahead = keras.backend.backend() == "jax" or runs_on_gpu(experiment.config.training.device)
        self._steps_behind = STEPS_BEHIND if is_ahead else 1
        self._unread: list[tuple[int, int, Any]] = []

    def see(self, epoch: int, step: int, loss: Any) -> None:
        """Take the loss after `step` steps of an epoch; Keras gives the mean so far, which stays NaN once it is."""
        self._unread.append((epoch, step, loss))
        if len(self._unread) >= self._steps_behind:
            self.check()

    def check(self) -> None:
        """Check the losses that are not read yet.

        Raises:
            DivergenceError: names epoch, step and the ids in it.
        """
        unread, self._unread = self._unread, []
        for epoch, step, loss in unread:
            value = float(keras.ops.convert_to_numpy(loss))
            if not math.isfinite(value):
                raise self._diverged(epoch, step, f"the loss is {value}")

    def check_variables(self, epoch: int, step: int, values: Sequence[np.ndarray]) -> None:
        """Check that the variables to save can be trained on: a finite loss may have had gradients that are not.

        Raises:
            DivergenceError: some value is NaN or infinite.
        """
        if not all(np.isfinite(array).all() for array in values):
            raise self._diverged(epoch, step, "weights are no longer finite after it")

    def _diverged(self, epoch: int, step: int, what: str) -> DivergenceError:
        experiment = self._experiment
        layouts = experiment.plan.epoch(epoch)
        ids = self._ids(layouts[step - 1])
        largest = max(float(np.abs(experiment.data.train[int(index)]).max()) for index in layouts[step - 1].indices)
        details = [f"Step {step} held: {', '.join(ids)}"]
        if step > 1:
            before = ", ".join(self._ids(layouts[step - 2]))
            details.append(f"Step {step - 1}, whose update of the weights may be the cause, held: {before}")
        return DivergenceError(
            f"training diverged in epoch {epoch + 1}, step {step} of {len(layouts)}: {what}. The step had "
            f"{len(ids)} sequences: {list_some(ids)}; their largest feature is {largest:.3g}. {remedy(experiment)}",
            "\n".join(details),
        )

    def _ids(self, layout: Layout) -> list[str]:
        ids = self._experiment.data.train.ids
        return [ids[index] for index in dict.fromkeys(layout.indices.tolist())]


def remedy(experiment: RunSetup) -> str:
    """Return what helps against divergence and is not done yet."""
    training = experiment.config.training
    return (
        f"Lower training.learning_rate ({training.learning_rate:g})"
        f"{'' if training.gradient_clip else ', set training.gradient_clip to 1'}"
        f"{'' if training.warmup_epochs else ', or let the rate rise over training.warmup_epochs'}."
    )
