"""One of several JAX processes that train together: `python jax_worker.py RANK WORLD_SIZE PORT OUTPUT`.

Writes loss, gradients and moved statistics of one step, and loss and weights after an epoch, to OUTPUT (`.npz`).
"""

import sys
from typing import Any

import keras
import numpy as np

from seqconv.batching import Plan, plan_packed
from seqconv.data.sequences import Sequences
from seqconv.models import SequenceModel, build_model
from seqconv.tasks import find_task
from seqconv.training.step.prefetch import BatchFeed, EpochData, assemble
from support.double_precision import double_precision
from support.training_data import classified

# Everything whose statistics or noise could be those of one process: batches, sequences, single values.
MODEL = {
    "defaults": {"norm": "batch", "dropout": 0.3},
    "blocks": [
        {"filters": 6, "kernel_size": 5, "strides": 2},
        {"filters": 6, "kernel_size": 3, "norm": "instance", "spatial_dropout": 0.3},
        {"type": "residual", "filters": 6, "stochastic_depth": 0.3},
        {"type": "squeeze_excite", "reduction": 2},
    ],
    "pooling": ["mean", "max"],
    "dense_units": [5],
    "dense_dropout": 0.3,
}


class RecordingOptimizer(keras.optimizers.Optimizer):
    """Keeps the gradients that training would apply, and changes nothing."""

    def build(self, variables: list[Any]) -> None:
        super().build(variables)
        self.recorded = self.add_optimizer_variables(variables, "gradient")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        self.assign(self.recorded[self._get_variable_index(variable)], keras.ops.cast(gradient, variable.dtype))


def join(rank: int, world_size: int, port: str) -> None:
    """Make this process one of several, each with its share of the rows of every batch."""
    keras.distribution.initialize(f"127.0.0.1:{port}", world_size, rank)
    # The plan is cut by rank already.
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def fit(model: SequenceModel, data: Sequences, plan: Plan, layouts: list[Any], optimizer: Any) -> dict[str, float]:
    """Mean values over the steps of these layouts, from the pipeline that runs use."""
    labels = np.eye(3, dtype="float32")[np.unique(data.labels, return_inverse=True)[1]]
    weights = np.linspace(0.5, 1.5, len(data)).astype("float32")
    model.compile(
        optimizer,
        loss=find_task("classification").make_loss(),
        weighted_metrics=find_task("classification").make_metrics(),
    )
    with BatchFeed(assemble(layouts, data, labels, weights, loss_scale=plan.mean_sequences)) as feed:
        history = model.fit(EpochData(feed, len(layouts)), shuffle=False, verbose=0).history
    return {name: values[0] for name, values in history.items()}


def main(rank: int, world_size: int, port: str, output: str) -> None:
    """Train on this process's share of each batch."""
    if world_size > 1:
        join(rank, world_size, port)
    keras.utils.set_random_seed(3)
    data = classified(96)
    with double_precision():
        model = build_model(MODEL, num_features=data.num_features, num_outputs=3)
        options = {"batch_size": 24, "time_geometry": model.time_geometry, "max_shapes": 1}
        plan = plan_packed(data.lengths, **options)
        layouts = plan.epoch(0, rank=rank, world_size=world_size)
        assert layouts[0].rows * world_size == plan.epoch(0)[0].rows > world_size
        optimizer = RecordingOptimizer(learning_rate=1.0)
        found = {f"step_{name}": value for name, value in fit(model, data, plan, layouts[:1], optimizer).items()}
        found |= {f"gradient_{v.path}": v for v in optimizer.recorded}
        found |= {f"statistic_{v.path}": v for v in model.non_trainable_variables}
        logs = fit(model, data, plan, list(layouts), keras.optimizers.AdamW(1e-2))
        found |= {f"epoch_{name}": value for name, value in logs.items()}
        found |= {f"weight_{v.path}": v for v in model.variables}
        arrays = {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}
    np.savez(output, num_sequences=len(layouts[0].indices), **{k.replace("/", "."): v for k, v in arrays.items()})


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
