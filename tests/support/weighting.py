"""Runs prepared alike in every layout, and an optimizer that sums gradients."""

import keras

from seqconv.config import load_config
from seqconv.data.datasets import load_datasets
from seqconv.training.run.setup import prepare
from support.training_data import classified, quick

STRATEGIES = ("padded", "bucketed", "packed", "single")
# Without batch statistics and noise, which are the batch's own.
MODEL = {
    "defaults": {"norm": "instance", "dropout": 0.0},
    "blocks": [
        {"filters": 6, "kernel_size": 5},
        {"filters": 6, "kernel_size": 3, "strides": 2, "norm": "none"},
    ],
    "pooling": ["mean", "max"],
}


class SummingOptimizer(keras.optimizers.Optimizer):
    """Adds up the gradients that training would apply, and changes nothing."""

    def build(self, variables):
        super().build(variables)
        self.sums = self.add_optimizer_variables(variables, "sum")

    def update_step(self, gradient, variable, learning_rate):
        self.assign_add(self.sums[self._get_variable_index(variable)], keras.ops.cast(gradient, variable.dtype))


def prepared(data=None, **sections):
    config = load_config(quick(features={"kind": "precomputed"}, **sections))
    return prepare(
        config, load_datasets(config.data_spec, classified() if data is None else data, classified(20, seed=1))
    )
