"""A layer that keeps the gradients that reach it."""

import keras
from keras import ops


class Recorder(keras.optimizers.Optimizer):
    """Keeps the gradients that training would apply, in variables as every backend needs them, and changes nothing."""

    def __init__(self):
        super().__init__(learning_rate=1.0)

    def build(self, variables):
        super().build(variables)
        self.recorded = self.add_optimizer_variables(variables, "gradient")

    def update_step(self, gradient, variable, learning_rate):
        self.assign(self.recorded[self._get_variable_index(variable)], ops.cast(gradient, variable.dtype))
