"""The compiled forward pass of a model: arrays in, arrays out, on every backend."""

import weakref
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from seqconv.errors import ModelError

Array = npt.NDArray[Any]
Runner = Callable[[Any], Array]

MAX_SHAPES = 8
"""If each shape is compiled, more than these are rounded to fewer."""

_runners: "weakref.WeakKeyDictionary[Any, Runner]" = weakref.WeakKeyDictionary()


def runner_for(model: Any, shapes: Collection[Any] = ()) -> Runner:
    """Return the forward pass of a model, made once: validation must not trace again in each epoch.

    It takes a batch of features, or the inputs of a `SequenceModel`, and returns NumPy arrays in float32 or wider.
    `shapes` are those of the batches to come: JAX compiles each for seconds, so many widths are padded to a few.
    """
    import keras

    if model not in _runners:
        _runners[model] = _compile(model)
    run = _runners[model]
    if keras.backend.backend() == "jax" and len(shapes) > MAX_SHAPES:
        return lambda inputs: run(widen(inputs))
    return run


def widen(inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return the inputs of a `SequenceModel` in longer rows, of one of few widths; added frames are padding.

    >>> wide = widen({"features": np.ones((1, 9, 2)), "segments": np.zeros((1, 9), int), "lengths": np.array([[9]])})
    >>> wide["features"].shape, wide["segments"].tolist()
    ((1, 10, 2), [[0, 0, 0, 0, 0, 0, 0, 0, 0, -1]])
    """
    width = inputs["features"].shape[1]
    extra = (0, rounded_width(width) - width)
    features = np.pad(inputs["features"], [(0, 0), extra, (0, 0)])
    return {**inputs, "features": features, "segments": np.pad(inputs["segments"], [(0, 0), extra], constant_values=-1)}


def rounded_width(width: int) -> int:
    """Return the next of the widths that JAX sees: four for each power of two, so that rows grow by a quarter at most.

    >>> sorted({rounded_width(width) for width in range(8, 33)})
    [8, 10, 12, 14, 16, 20, 24, 28, 32]
    """
    step = 1 << max(0, width.bit_length() - 3)
    return -(-width // step) * step


def _compile(model: Any) -> Runner:
    import keras

    from seqconv.models.stock import takes_open_time, takes_tokens
    from seqconv.prediction.time_distributed import folded_frames

    # Weak, because the cache would otherwise keep its own key alive.
    reference = weakref.ref(model)
    if keras.backend.backend() != "tensorflow":
        return lambda inputs: _as_numpy(reference().predict_on_batch(inputs))  # type: ignore[union-attr]
    import tensorflow as tf

    is_ours = hasattr(model, "time_geometry")
    if not is_ours and not takes_open_time(model):
        return lambda inputs: _as_numpy(reference()(tf.convert_to_tensor(inputs), training=False))  # type: ignore[misc]
    # Axes of any size: one trace for all shapes.
    rest = () if takes_tokens(model) else tuple(model.input_shape[2:])
    signature: Any = tf.TensorSpec((None, None, *rest), tf.float32)
    if is_ours:
        slots = tf.TensorSpec((None, None), tf.int32)
        signature = {"features": signature, "segments": slots, "lengths": slots}

    def call(inputs: Any) -> Any:
        with folded_frames(reference()):
            return reference()(inputs, training=False)  # type: ignore[misc]

    run = trace(call, signature)
    return lambda inputs: _as_numpy(run(inputs))


def trace(call: Callable[[Any], Any], *signature: Any) -> Callable[[Any], Any]:
    """Return a function of tensors as a TensorFlow graph that takes arrays, of any size if a signature says so."""
    import tensorflow as tf

    traced = tf.function(call, input_signature=signature or None, autograph=False)
    if signature:
        # TensorFlow warns of a trace at a call, after some models in a process: it takes all of them for one function.
        traced.get_concrete_function()
    return lambda inputs: traced(tf.nest.map_structure(tf.convert_to_tensor, inputs))


def _as_numpy(output: Any) -> Array:
    """Convert the one output to NumPy, which has no bfloat16: half precision becomes float32."""
    import keras

    parts = keras.tree.flatten(output)
    if len(parts) != 1:
        raise ModelError(
            f"the model returns {len(parts)} outputs. Build a model of one of them, or let its `call` return one."
        )
    array: Array = np.asarray(keras.ops.convert_to_numpy(parts[0]))
    return array if array.dtype == np.float64 else array.astype(np.float32)
