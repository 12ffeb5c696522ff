"""The compiled training step that `fit` calls: its traces and compilations, its time, and the variables it changes."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import cycle, islice
from typing import Any, NamedTuple

import keras
import numpy as np

from seqconv.batching import Layout, Plan, Shape
from seqconv.models.card import model_target, read_card
from seqconv.training.run.runtime import random_states_kept
from seqconv.training.step.prefetch import StepData

TrainFunction = Callable[..., Any]

WARM_STEPS, TIMED_STEPS, FEWEST_STEPS = 2, 8, 3
# Long steps vary less: fewer of them are enough.
LONG_SECONDS = 2.0


class CompiledStep:
    """The step of a compiled model, installed as the model's `train_function`.

    On TensorFlow it is one trace with axes of any size: a trace for each shape took seconds each and made no step
    faster. XLA compiles that trace once a shape; JAX traces and compiles once a shape. `shapes`: those of the batches
    seen, (rows, width). `traces`: how often the step was traced.

    Args:
        model: compiled; `compile` takes the step away from it again.
        shapes: of the batches to come; by default, any.
    """

    def __init__(self, model: keras.Model, shapes: Collection[Shape] = ()) -> None:
        self._model = model
        self.shapes: set[tuple[int, ...]] = set()
        self.traces = 0
        make = {"tensorflow": self._tensorflow, "jax": self._jax, "torch": self._torch}
        self._function = make[keras.backend.backend()](shapes)
        self.install()

    def install(self) -> None:
        """Make this the step that `fit` calls, instead of another one of the model."""
        self._model.train_function = self._function

    @property
    def compilations(self) -> int | None:
        """Programs compiled for the step so far; None if it is not compiled, or PyTorch does not say."""
        backend = keras.backend.backend()
        if not self._model.jit_compile or self._model.run_eagerly or backend == "torch":
            return None
        return self.traces if backend == "jax" else len(self.shapes)

    def _tensorflow(self, shapes: Collection[Shape]) -> TrainFunction:
        import tensorflow as tf

        step = self._traced(self._model.train_step)
        if self._model.run_eagerly:
            return lambda iterator: step(tuple(self._seen(next(iterator))))
        signature = [_tensorflow_signature(self._model, shapes)]
        compiled = tf.function(step, signature, jit_compile=self._model.jit_compile, autograph=False)

        def train_function(iterator: Iterator[StepData]) -> Any:
            batch = tuple(self._seen(next(iterator)))
            if not self.traces:
                # TensorFlow warns of a trace at a call, after some runs in a process: it takes all for one function.
                compiled.get_concrete_function()
            return compiled(batch)

        return train_function

    def _jax(self, shapes: Collection[Shape]) -> TrainFunction:
        import jax

        model = self._model
        # Keras compiles what it finds under this name, with its own donation of buffers and sharding.
        model.train_step = self._traced(type(model).train_step.__get__(model))
        model.train_function = None
        model.make_train_function()
        step, in_flight = model.train_function, []
        # JAX has types, but not for this function.
        wait: Any = jax.block_until_ready

        def train_function(state: Any, iterator: Iterator[StepData]) -> Any:
            logs, state = step(state, map(self._seen, iterator))
            in_flight.append(logs)
            if len(in_flight) > 1:
                # JAX computes in the background. With one step ahead the device always has work, and the time that the
                # next data is waited for is not time that an earlier step still computes.
                wait(in_flight.pop(0))
            return logs, state

        return train_function

    def _torch(self, shapes: Collection[Shape]) -> TrainFunction:
        self._model.train_function = None
        self._model.make_train_function()
        step = self._model.train_function
        return lambda data: step([self._seen(batch) for batch in data])

    def _seen(self, batch: StepData) -> StepData:
        self.shapes.add(tuple(batch[0]["segments"].shape))
        return batch

    def _traced(self, step: TrainFunction) -> TrainFunction:
        def train_step(*arguments: Any) -> Any:
            self.traces += 1
            return step(*arguments)

        return train_step


def _tensorflow_signature(model: keras.Model, shapes: Collection[Shape]) -> tuple[Any, ...]:
    """Return the signature: sizes that all shapes share are fixed; labels and weights are of slots or of frames."""
    import tensorflow as tf

    columns = zip(*shapes, strict=True) if shapes else [()] * 3
    rows, width, slots = (sizes.pop() if len(sizes) == 1 else None for sizes in map(set, columns))
    inputs = {
        "features": tf.TensorSpec((rows, width, model.num_features), tf.float32),
        "segments": tf.TensorSpec((rows, width), tf.int32),
        "lengths": tf.TensorSpec((rows, slots), tf.int32),
    }
    shape, dtype = _label_form(model)
    return inputs, tf.TensorSpec((rows, None, *shape), dtype), tf.TensorSpec((rows, None), tf.float32)


def _label_form(model: keras.Model) -> tuple[tuple[int | None, ...], str]:
    """Shape and type of an encoded label."""
    if read_card(model).target is None:
        return (model.num_outputs,), "float32"
    target = model_target(model)
    return target.definition.label_shape(target), target.definition.label_dtype


class StepTime(NamedTuple):
    """Seconds of the first step, which traces and compiles, and of one of those that follow."""

    first: float
    warm: float


def time_step(model: keras.Model, batches: Sequence[StepData]) -> StepTime:
    """Train on these batches, some of them again, and time it.

    The fastest step counts: what else the machine does makes steps slower, never faster.
    """
    seconds: list[float] = []
    for passed in step_seconds(model, islice(cycle(batches), WARM_STEPS + TIMED_STEPS)):
        seconds.append(passed)
        timed = seconds[WARM_STEPS:]
        if len(timed) >= FEWEST_STEPS and sum(timed) > LONG_SECONDS:
            break
    return StepTime(seconds[0], min(seconds[WARM_STEPS:]))


def step_seconds(model: keras.Model, batches: Iterable[StepData]) -> Iterator[float]:
    """Train on each of these batches, and yield its seconds; `train_on_batch` waits for the device."""
    for batch in batches:
        started = time.perf_counter()
        model.train_on_batch(*batch)
        yield time.perf_counter() - started


def commonest_layouts(plan: Plan, count: int = TIMED_STEPS) -> list[Layout]:
    """Return the first layouts of epoch 0 that have the commonest shape."""
    layouts = plan.epoch(0)
    commonest, _ = Counter(layout.shape for layout in layouts).most_common(1)[0]
    return list(islice((layout for layout in layouts if layout.shape == commonest), count))


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
