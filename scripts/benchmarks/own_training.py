"""seqconv in training, on its own path: config, plan, input pipeline, compiled model."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.data import Data
from benchmarks.networks import FRAMES_PER_BATCH, LEARNING_RATE, MODEL_CONFIG
from benchmarks.stock_training import PADDED_STEPS, PADDING, SPEED

TRAINING: dict[str, Any] = {
    "epochs": 1,
    "optimizer": "adam",
    "learning_rate": LEARNING_RATE,
    "weight_decay": None,
    "deterministic": False,
    # What `auto` finds on a CPU, without the steps that it takes to find out.
    "jit_compile": False,
}
DATA_WAIT = "waiting for data"
# Sequences that stand for a validation split, which is not run; they are some of the others.
NUM_VALID = 20


class SeqconvTraining:
    """Epochs of one strategy: `prepare` and `run_steps` are what `train` uses.

    A padded epoch takes many times as long as the others: of it, some steps are drawn each round.
    """

    def __init__(self, strategy: str, data: Data, model: Mapping[str, Any] = MODEL_CONFIG) -> None:
        self.name, self.lengths, self._strategy = f"seqconv {strategy}", data.name, strategy
        self._experiment = prepare_experiment(strategy, data, model)
        plan = self._experiment.plan
        drawn = f"; {PADDED_STEPS} steps drawn each round" if strategy == "padded" else ""
        self.note = f"{len(plan.shapes)} shapes, {plan.mean_sequences:.1f} sequences a step{drawn}"

    def measure(self, round_number: int) -> Mapping[str, float]:
        """One epoch, its planning included; before the first, a step of every shape."""
        from seqconv.training.run.loop import run_steps

        plan = self._experiment.plan
        if round_number == 0:
            shapes = {layout.shape: layout for layout in plan.epoch(0)}
            run_steps(self._experiment, list(shapes.values()))
        started = time.perf_counter()
        layouts: Any = plan.epoch(round_number)
        if self._strategy == "padded" and len(layouts) > PADDED_STEPS:
            drawn = np.random.default_rng(round_number).permutation(len(layouts))[:PADDED_STEPS]
            layouts = [layouts[step] for step in drawn.tolist()]
        data = run_steps(self._experiment, layouts)
        seconds = time.perf_counter() - started
        real = sum(layout.num_frames for layout in layouts)
        total = sum(layout.rows * layout.width for layout in layouts)
        return {PADDING: total / real - 1, SPEED: real / seconds, DATA_WAIT: data.data_wait / seconds}


def prepare_experiment(strategy: str, data: Data, model: Mapping[str, Any] = MODEL_CONFIG) -> Any:
    """The run that `train` would start for these sequences: model compiled, batches planned."""
    from seqconv.config import load_config
    from seqconv.data.datasets import load_datasets
    from seqconv.data.sequences import Sequences
    from seqconv.training.run.setup import prepare

    config = load_config(
        {
            "data": {"on_leak": "warn"},
            "features": {"kind": "precomputed", "normalize": "none"},
            "batching": {"strategy": strategy, "frames_per_batch": FRAMES_PER_BATCH},
            "model": dict(model),
            "training": TRAINING,
        }
    )
    train = Sequences(data.arrays, data.classes.tolist())
    datasets = load_datasets(config.data_spec, train, train.subset(np.arange(min(NUM_VALID, len(train)))))
    return prepare(config, datasets)
