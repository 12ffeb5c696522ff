"""The time of a training step, once it is compiled."""

import time
from collections import Counter
from collections.abc import Sequence
from itertools import cycle, islice
from typing import NamedTuple

import keras

from seqconv.batching import Layout, Plan
from seqconv.training.step.prefetch import StepData

WARM_STEPS, TIMED_STEPS, FEWEST_STEPS = 2, 8, 3
# Long steps vary less: fewer of them will do.
LONG_SECONDS = 2.0


class StepTime(NamedTuple):
    """Seconds of the first step, which traces and compiles, and of one of those that follow."""

    first: float
    warm: float


def time_step(model: keras.Model, batches: Sequence[StepData]) -> StepTime:
    """Train on these batches, some of them again, and time it; `train_on_batch` waits for the device.

    The fastest step counts: what else the machine does makes steps slower, never faster.
    """
    seconds: list[float] = []
    for batch in islice(cycle(batches), WARM_STEPS + TIMED_STEPS):
        started = time.perf_counter()
        model.train_on_batch(*batch)
        seconds.append(time.perf_counter() - started)
        timed = seconds[WARM_STEPS:]
        if len(timed) >= FEWEST_STEPS and sum(timed) > LONG_SECONDS:
            break
    return StepTime(seconds[0], min(seconds[WARM_STEPS:]))


def layouts_of_commonest_shape(plan: Plan, count: int = TIMED_STEPS) -> list[Layout]:
    """Return the first layouts of epoch 0 that have the commonest shape."""
    layouts = plan.epoch(0)
    commonest, _ = Counter(layout.shape for layout in layouts).most_common(1)[0]
    return list(islice((layout for layout in layouts if layout.shape == commonest), count))
