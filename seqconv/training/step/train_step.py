"""The compiled training step that `fit` calls, traced once for all shapes, its compilations counted."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

import keras

from seqconv.batching import Shape
from seqconv.models.card import model_target, read_card
from seqconv.training.step.prefetch import StepData

TrainFunction = Callable[..., Any]


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
        if not self._model.run_eagerly:
            signature = [_tensorflow_signature(self._model, shapes)]
            step = tf.function(step, signature, jit_compile=self._model.jit_compile, autograph=False)

        def train_function(iterator: Iterator[StepData]) -> Any:
            return step(tuple(self._seen(next(iterator))))

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
