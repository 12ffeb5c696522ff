"""Everything that training changes, kept while steps are tried."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np

from seqconv.training.machine import random_states_kept


@contextlib.contextmanager
def variables_kept(model: keras.Model) -> Iterator[None]:
    """Afterwards, weights, statistics, seeds and the state of optimizer and metrics are what they were, bit for bit.

    So are the global random generators.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> with variables_kept(model):
    ...     model.set_weights([np.full((2, 1), 7.0), np.ones(1)])
    >>> bool((model.get_weights()[0] == 7.0).any())
    False
    """
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    values = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
    # On PyTorch, Keras's dropout draws from the global generator.
    with random_states_kept():
        try:
            yield
        finally:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
