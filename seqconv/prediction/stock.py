"""Stock Keras models, run on one sequence at a time: padding would change their answers."""

from typing import Any

import numpy as np

from seqconv.errors import ManifestError, ModelError, ShapeError
from seqconv.models.stock import check_stock, input_shape, move_time_first, num_tokens, refusal, takes_tokens
from seqconv.models.stock_outputs import OTHER, SOFTMAX, output_kind
from seqconv.prediction.compiled import Array, Runner, runner_for
from seqconv.sources import Source


def check_inputs(model: Any, source: Source) -> int | None:
    """Check that a stock model takes sequences; return its number of features, None if it takes any.

    A subclassed model that was never called is called on the longest sequence, which builds it.

    Raises:
        ModelError: it takes something else, keeps states, or has several inputs or outputs.
    """
    check_stock(model)
    if input_shape(model) is None:
        _answer(model, runner_for(model), *_longest(source))
    shape = input_shape(model)
    if shape is None:
        return None
    if takes_tokens(model) and len(shape) == 2:
        return 1
    if len(shape) != 3 and not _takes_images(shape):
        raise ModelError(f"the model takes inputs of shape {shape}, expected (None, None, num_features).")
    if shape[1] is not None and shape[2] is None:
        raise ModelError(
            f"the model takes inputs of shape {shape}, with time on axis 2, expected (None, None, {shape[1]}). Put "
            f"keras.layers.Permute before it: {move_time_first(shape)}."
        )
    return shape[2]


def _takes_images(shape: tuple[int | None, ...]) -> bool:
    """Whether the features of a frame are the rows of an image with one channel."""
    return len(shape) == 4 and shape[3] == 1


def run_alone(model: Any, source: Source) -> Array:
    """Return what a stock model returns for each sequence, `(n, outputs)`.

    Raises:
        ModelError: it cannot take a sequence, or does not pool over time.
        ManifestError: a sequence of tokens holds something else than whole numbers.
    """
    run = runner_for(model)
    return np.concatenate([_answer(model, run, source[index], source.ids[index]) for index in range(len(source.ids))])


def _answer(model: Any, run: Runner, sequence: Array, name: str) -> Array:
    inputs = as_tokens(model, sequence, name) if takes_tokens(model) else sequence
    if _takes_images(input_shape(model) or ()):
        inputs = inputs[..., None]
    try:
        output = run(inputs[None])
    except ModelError:
        raise
    except Exception as error:
        # Whatever Keras, its backend or a user's own code raises for inputs that do not fit.
        raise refusal(model, name, sequence.shape, error) from error
    if output.ndim != 2:
        raise ModelError(
            f"'{model.name}' returns shape {output.shape} for one sequence, expected (1, outputs): "
            "pool over time first."
        )
    if np.isnan(output).any():
        raise ModelError(
            f"'{model.name}' returns NaN for '{name}' ({len(sequence)} frames): the sequence is too short for a layer, "
            "or weights are NaN."
        )
    return output


def _longest(source: Source) -> tuple[Array, str]:
    index = int(np.argmax(source.lengths))
    return source[index], source.ids[index]


def as_tokens(model: Any, sequence: Array, name: str) -> Array:
    """Return the tokens `(time,)` of a sequence `(time, 1)`.

    Raises:
        ShapeError: there are several numbers in a frame.
        ManifestError: they are not whole numbers from 0, or beyond the vocabulary.
    """
    if sequence.ndim == 2 and sequence.shape[1] != 1:
        raise ShapeError(
            f"'{name}' has {sequence.shape[1]} numbers in a frame, but the model looks up one token for each frame."
        )
    tokens = sequence.reshape(-1)
    count = num_tokens(model)
    wrong = np.flatnonzero((tokens != np.round(tokens)) | (tokens < 0) | (tokens >= count))
    if len(wrong):
        raise ManifestError(
            f"'{name}' holds {tokens[wrong[0]]:g} (frame {wrong[0]}), but the model takes tokens: whole numbers from 0 "
            f"to {count - 1}."
        )
    return tokens


def as_logits(model: Any, outputs: Array) -> Array:
    """Return logits: a stock model often returns probabilities, which are inverted here."""
    kind = OTHER if hasattr(model, "time_geometry") else output_kind(model)
    if kind == OTHER:
        return outputs
    tiny = np.finfo(np.float64).tiny
    probabilities = outputs.astype(np.float64)
    logits = np.log(np.maximum(probabilities, tiny))
    return logits if kind == SOFTMAX else logits - np.log(np.maximum(1 - probabilities, tiny))
