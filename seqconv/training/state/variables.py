"""The variables that training changes: read, written, kept while steps are tried."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from seqconv.training.run.runtime import random_states_kept


def all_variables(model: keras.Model) -> list[Any]:
    """Return weights, statistics, seeds and the state of optimizer and metrics of a compiled model, each once."""
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return list({id(variable): variable for variable in variables}.values())


def read_variables(model: keras.Model) -> list[np.ndarray]:
    """Return copies of their values."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in all_variables(model)]


def write_variables(model: keras.Model, values: Sequence[np.ndarray]) -> None:
    """Set these values, in the order of `all_variables`."""
    for variable, value in zip(all_variables(model), values, strict=True):
        variable.assign(value)


@contextlib.contextmanager
def variables_kept(model: keras.Model) -> Iterator[None]:
    """Restore weights, statistics, seeds and the state of optimizer and metrics after the block, bit for bit.

    So are the global random generators.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> model.optimizer.build(model.trainable_variables)
    >>> with variables_kept(model):
    ...     model.set_weights([np.full((2, 1), 7.0), np.ones(1)])
    >>> bool((model.get_weights()[0] == 7.0).any())
    False
    """
    values = read_variables(model)
    # On PyTorch, Keras's dropout draws from the global generator.
    with random_states_kept():
        try:
            yield
        finally:
            write_variables(model, values)
