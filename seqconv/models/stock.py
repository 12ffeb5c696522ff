"""Keras models that seqconv did not make: the sequences that they take, found in their graph and by asking them."""

import re
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from seqconv.errors import ModelError, list_some

Shape = tuple[int | None, ...]

# Longer sequences are not tried: whatever such a model needs, it is not a matter of length.
_LONGEST_TRIED = 1 << 16
_least_frames: "weakref.WeakKeyDictionary[Any, int]" = weakref.WeakKeyDictionary()


def check_stock(model: Any) -> None:
    """Check that a model has one input and one output, and answers for a sequence by itself.

    Raises:
        ModelError: it has several inputs or outputs, or keeps states from call to call; says what to build instead.
    """
    inputs = tensors_of(model, "inputs")
    if len(inputs) > 1:
        raise ModelError(
            f"model '{model.name}' has {len(inputs)} inputs ({list_some(tensor.name for tensor in inputs)}). Build one "
            "that takes features alone, (batch, time, num_features)."
        )
    check_answers(model)


def check_answers(model: Any) -> None:
    """Check that a model has one output, and answers for a sequence by itself.

    Raises:
        ModelError: it has several outputs, or keeps states from call to call; says what to build instead.
    """
    name, outputs = model.name, tensors_of(model, "outputs")
    if len(outputs) > 1:
        raise ModelError(
            f"model '{name}' has {len(outputs)} outputs ({list_some(_output_names(model), 10)}). Build a model of one "
            "of them: keras.Model(model.inputs, model.outputs[0])."
        )
    stateful = [layer.name for layer in all_layers(model) if getattr(layer, "stateful", False) is True]
    if stateful:
        raise ModelError(
            f"model '{name}' is stateful: {list_some(stateful)} begins a sequence in the state that the one before "
            "left, so an answer depends on what came before. Build it with stateful=False, and copy the weights: "
            "new.set_weights(model.get_weights())."
        )


def tensors_of(model: Any, ends: str) -> list[Any]:
    """Return the `inputs` or `outputs` of a model as a list; empty if a subclassed model does not say them."""
    try:
        found = getattr(model, ends, None)
    except (AttributeError, ValueError):
        found = None
    return [] if found is None else [tensor for tensor in keras.tree.flatten(found) if tensor is not None]


def all_layers(model: Any) -> Iterator[Any]:
    """Yield the layers of a model, with those within models and wrappers."""
    yield from getattr(model, "_flatten_layers", lambda **_: ())(include_self=False, recursive=True)


def input_shape(model: Any) -> Shape | None:
    """Return the shape of the one input; of a subclassed model that of its first call, lengths left open; else None."""
    tensors = tensors_of(model, "inputs")
    return tuple(tensors[0].shape) if tensors else built_shape(model)


def built_shape(model: Any) -> Shape | None:
    """Return the input shape of a subclassed model that was called once, its lengths left open."""
    shapes = getattr(model, "_build_shapes_dict", None) or {}
    shape = next(iter(shapes.values()), None)
    if not isinstance(shape, tuple | list) or len(shape) < 2 or any(isinstance(size, tuple | list) for size in shape):
        return None
    if len(shape) == 2:
        return (None, None if takes_tokens(model) else shape[1])
    return (None, None, *shape[2:])


def move_time_first(shape: Shape) -> str:
    """Return the line that gives a model another input, with time on its first axis.

    >>> print(move_time_first((None, 128, None, 1)))
    keras.Sequential([keras.Input((None, 128, 1)), keras.layers.Permute((2, 1, 3)), model])
    """
    time = shape.index(None, 1)
    others = [axis for axis in range(1, len(shape)) if axis != time]
    order = [time, *others]
    moved = tuple(shape[axis] for axis in order)
    back = tuple(order.index(axis) + 1 for axis in range(1, len(shape)))
    return f"keras.Sequential([keras.Input({moved}), keras.layers.Permute({back}), model])"


def refusal(model: Any, name: str, shape: Shape, error: Exception) -> ModelError:
    """Return the error for a sequence `(time, num_features)` that a model has refused with another error."""
    takes, num_frames = input_shape(model), shape[0]
    if takes is not None and takes[1] not in (None, num_frames):
        sizes = f"({', '.join(map(str, (None, *takes[2:])))}{',' if len(takes) == 2 else ''})"
        return ModelError(
            f"'{name}' has {num_frames} frames, but the model takes inputs of shape {takes}: a fixed length of "
            f"{takes[1]} frames. Build it over keras.Input({sizes})."
        )
    # Keras colors its messages.
    reason = " ".join(re.sub(r"\x1b\[\d+m", "", str(error)).split())[:300]
    return ModelError(f"'{model.name}' cannot take '{name}' of shape {shape}: {reason}")


def takes_tokens(model: Any) -> bool:
    """Whether a sequence is a row of numbers that an `Embedding` looks up, `(batch, time)`."""
    tensors = tensors_of(model, "inputs")
    is_flat = not tensors or len(tensors[0].shape) == 2
    return is_flat and any(isinstance(layer, keras.layers.Embedding) for layer in all_layers(model))


def num_tokens(model: Any) -> int:
    """Return the tokens that an `Embedding` of the model knows, of several that which knows the most."""
    return max(int(layer.input_dim) for layer in all_layers(model) if isinstance(layer, keras.layers.Embedding))


def takes_open_time(model: Any) -> bool:
    """Whether one graph for all lengths answers as the model itself: code of users may depend on a known length, and an
    unrolled recurrent layer needs one."""
    tensors = tensors_of(model, "inputs")
    if not tensors or len(tensors[0].shape) < 2 or tensors[0].shape[1] is not None:
        return False
    layers = [model, *all_layers(model)]
    is_known = all(type(layer).__module__.split(".")[0] in ("keras", "seqconv") for layer in layers)
    is_code = any(isinstance(layer, keras.layers.Lambda) for layer in layers)
    return is_known and not is_code and not any(getattr(layer, "unroll", False) for layer in layers)


def answers_any_length(model: Any) -> bool:
    """Whether a Sequential over one fixed length takes others as well.

    Without `keras.Input`, Keras writes down the length of the first batch, and never asks for it again.
    """
    shape = input_shape(model) or ()
    if not isinstance(model, keras.Sequential) or len(shape) != 3 or shape[1] is None or shape[2] is None:
        return False
    others = (2 * shape[1] + 1, 3 * shape[1] + 2)
    tried = (np.zeros((shape[0] or 1, num_frames, shape[2]), np.float32) for num_frames in others)
    return all(try_answer(model, inputs) is not None for inputs in tried)


def try_answer(model: Any, inputs: npt.NDArray[np.float32]) -> list[npt.NDArray[Any]] | None:
    """Return the outputs of a model as arrays; None if it cannot take the inputs."""
    try:
        outputs = keras.tree.flatten(model(inputs, training=False))
        return [np.asarray(keras.ops.convert_to_numpy(output)) for output in outputs]
    except Exception:
        # Whatever Keras, its backend or code of a user raises: only asking tells.
        return None


def least_frames(model: Any) -> int:
    """Return the frames that a sequence needs so that every layer has a frame left; 1 if any length fails."""
    if input_shape(model) is None:
        return 1
    if model not in _least_frames:
        _least_frames[model] = _find_least(lambda num_frames: _fits(model, num_frames))
    return _least_frames[model]


def _find_least(fits: Callable[[int], bool]) -> int:
    """Return the least number for which `fits` is true, as it is for all larger ones.

    >>> _find_least(lambda number: number >= 11), _find_least(lambda number: False)
    (11, 1)
    """
    enough = 1
    while not fits(enough):
        enough *= 2
        if enough > _LONGEST_TRIED:
            return 1
    low = enough // 2
    while enough - low > 1:
        middle = (low + enough) // 2
        low, enough = (low, middle) if fits(middle) else (middle, enough)
    return enough


def _fits(model: Any, num_frames: int) -> bool:
    shape = input_shape(model) or ()
    if len(shape) < 2:
        return True
    sizes = [8 if size is None else size for size in shape[2:]]
    if tensors_of(model, "inputs"):
        return _keeps_frames(model, [(1, num_frames, *sizes)])
    answer = try_answer(model, np.zeros((1, num_frames, *sizes), np.float32))
    return answer is not None and all(np.isfinite(part).all() for part in answer)


def _keeps_frames(model: Any, shapes: list[Shape]) -> bool:
    """Whether each tensor of a functional model, and of models in it, has all of its axes for inputs of such shapes."""
    tensors = tensors_of(model, "inputs")
    given = [keras.Input(batch_shape=shape, dtype=tensor.dtype) for shape, tensor in zip(shapes, tensors, strict=False)]
    try:
        outputs = keras.tree.flatten(model.call(given[0] if len(given) == 1 else given))
    except Exception:
        # Whatever a layer raises where nothing is left of its input.
        return False
    seen: set[int] = set()
    stack = list(outputs)
    while stack:
        tensor = stack.pop()
        history = getattr(tensor, "_keras_history", None)
        if any(size is not None and size < 1 for size in tensor.shape):
            return False
        if history is None or history.operation is None or id(tensor) in seen:
            continue
        seen.add(id(tensor))
        taken = list(history.operation._inbound_nodes[history.node_index].arguments.keras_tensors)
        inner = history.operation
        if isinstance(inner, keras.Model) and tensors_of(inner, "inputs"):
            count = len(tensors_of(inner, "inputs"))
            if not _keeps_frames(inner, [tuple(each.shape) for each in taken[:count]]):
                return False
        stack += taken
    return True


def _output_names(model: Any) -> list[str]:
    names = getattr(model, "output_names", None)
    return list(names) if names else [tensor.name for tensor in tensors_of(model, "outputs")]
