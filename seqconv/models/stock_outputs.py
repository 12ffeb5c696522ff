"""The outputs of Keras models that seqconv did not make: probabilities, or logits and other values."""

import weakref
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from seqconv.models.stock import input_shape, least_frames, num_tokens, takes_tokens, tensors_of, try_answer

SOFTMAX, SIGMOID, OTHER = "softmax", "sigmoid", "other"
_UNCLEAR = "unclear"
# What comes out of them is what went in, or some of it.
_PASSING = (
    "ActivityRegularization", "AlphaDropout", "Cast", "Dropout", "ExpandDims", "Flatten", "GaussianDropout",
    "GaussianNoise", "GetItem", "Identity", "Permute", "Reshape", "SpatialDropout1D", "SpatialDropout2D", "Squeeze",
    "StopGradient", "Transpose", "Average", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
)  # fmt: skip
# Of probabilities they return some, whose sum is another.
_CHOOSING = ("Concatenate", "GlobalMaxPooling1D", "GlobalMaxPooling2D", "Maximum", "Minimum")
_ACTIVATIONS = (
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "swish", "tanh", "softplus",
    "softsign", "mish", "log_softmax", "log_sigmoid", "exponential",
)  # fmt: skip
_kinds: "weakref.WeakKeyDictionary[Any, str]" = weakref.WeakKeyDictionary()


def output_kind(model: Any) -> str:
    """Return "softmax" where the outputs of a model are shares of one, "sigmoid" where each is a probability, "other".

    The graph says it, back from the output through nested models, dropout, averages and so on; where it does not, the
    model is asked for some answers.
    """
    if not tensors_of(model, "outputs") and input_shape(model) is None:
        # Not built yet: there is nothing to look at, and nothing to ask.
        return OTHER
    if model not in _kinds:
        outputs = tensors_of(model, "outputs")
        kind = _kind_of_tensor(outputs[0]) if outputs else _UNCLEAR
        _kinds[model] = _ask(model) if kind == _UNCLEAR else kind
    return _kinds[model]


def _kind_of_tensor(tensor: Any) -> str:
    history = getattr(tensor, "_keras_history", None)
    if history is None or history.operation is None:
        return _UNCLEAR
    layer, taken = history.operation, history.operation._inbound_nodes[history.node_index].arguments.keras_tensors
    inner = tensors_of(layer, "outputs")
    if isinstance(layer, keras.Model):
        return _kind_of_tensor(inner[history.tensor_index]) if inner else _UNCLEAR
    return _kind_of_layer(layer, list(taken))


def _kind_of_layer(layer: Any, taken: list[Any]) -> str:
    if isinstance(layer, keras.layers.TimeDistributed):
        inner = tensors_of(layer.layer, "outputs")
        return _kind_of_tensor(inner[0]) if inner else _kind_of_layer(layer.layer, taken)
    if type(layer).__module__.split(".")[0] != "keras":
        return _UNCLEAR
    kind, activation = type(layer).__name__, getattr(layer, "activation", None)
    name = kind.lower() if activation is None else str(getattr(activation, "__name__", _UNCLEAR))
    if name in (SOFTMAX, SIGMOID):
        # A softmax over another axis than the last, or of one output, is a matter of numbers.
        is_over_last = getattr(layer, "axis", -1) in (-1, len(taken[0].shape) - 1) if taken else False
        return name if name == SIGMOID or is_over_last else _UNCLEAR
    is_choosing, is_activation = kind in _CHOOSING, isinstance(layer, keras.layers.Activation)
    if kind in _PASSING or is_choosing or (is_activation and name == "linear"):
        kinds = {_kind_of_tensor(tensor) for tensor in taken}
        kind = kinds.pop() if len(kinds) == 1 else _UNCLEAR
        return SIGMOID if is_choosing and kind == SOFTMAX else kind
    # Weights without a softmax or a sigmoid: logits, or values of a regression.
    return OTHER if name in _ACTIVATIONS and (is_activation or layer.weights) else _UNCLEAR


def _ask(model: Any) -> str:
    """Return the kind by answers to random sequences of several lengths and sizes of numbers."""
    answers = _try_answers(model)
    if not answers or any(answer.ndim < 2 for answer in answers):
        return OTHER
    rows = np.concatenate([answer.reshape(-1, answer.shape[-1]) for answer in answers]).astype(np.float64)
    # Large inputs may be beyond what an `exp` can do.
    rows = rows[~np.isnan(rows).any(axis=1)]
    slack = 1e-5 if answers[0].dtype.itemsize > 2 else 1e-2
    if not len(rows) or rows.min() < -slack or rows.max() > 1 + slack:
        return OTHER
    is_shared = rows.shape[1] > 1 and np.abs(rows.sum(axis=1) - 1).max() < slack * rows.shape[1]
    return SOFTMAX if is_shared else SIGMOID


def _try_answers(model: Any) -> list[npt.NDArray[Any]]:
    shape, rng = input_shape(model), np.random.default_rng(0)
    if shape is None:
        return []
    first = least_frames(model) if shape[1] is None else shape[1]
    sizes = [8 if size is None else size for size in shape[2:]]
    answers = []
    for number, scale in enumerate((0.1, 1.0, 10.0, 100.0, 1.0, 100.0)):
        frames = scale * rng.normal(size=(1, first + (3 * number if shape[1] is None else 0), *sizes))
        if takes_tokens(model):
            frames = np.floor(rng.uniform(size=frames.shape) * num_tokens(model))
        outputs = try_answer(model, frames.astype(np.float32))
        if not outputs:
            # What it cannot be asked, it says where it is run.
            return []
        answers.append(outputs[0])
    return answers
