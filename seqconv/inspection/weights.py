"""The weights of a layer in words: shapes by the names of their axes, counts as formulas, products in a second."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby
from math import prod
from typing import Any

from seqconv.inspection.axes import Axis
from seqconv.inspection.effects import ATTENTION, CONVOLUTIONS, RECURRENT, TRANSPOSED, kind_of
from seqconv.layers.base import contract_of


def kernel_text(layer: Any) -> str:
    """Return the shape of the kernel, each axis by its name; empty for a layer without one.

    >>> import keras
    >>> layer = keras.layers.Conv1D(128, 5)
    >>> layer.build((None, None, 64))
    >>> kernel_text(layer)
    '(kernel_size=5, in_channels=64, filters=128)'
    """
    names = axis_names(layer)
    return f"({', '.join(f'{name}={size}' for name, size in names)})" if names else ""


def axis_names(layer: Any) -> list[tuple[str, Any]]:
    """Return name and size of each axis of the kernel, those in time or space as one; empty without a kernel."""
    kind, shapes = kind_of(layer), [tuple(weight.shape) for weight in layer_weights(layer)]
    if not shapes or len(shapes[0]) < 2:
        return []
    kernel = shapes[0]
    size: Any = kernel[:-2] if len(kernel) > 3 else kernel[0]
    if kind in TRANSPOSED:
        return [("kernel_size", size), ("filters", kernel[-2]), ("in_channels", kernel[-1])]
    if kind in CONVOLUTIONS:
        channels = ("kernel_size", size), ("in_channels", kernel[-2])
        if kind.startswith("Depthwise"):
            return [*channels, ("depth_multiplier", kernel[-1])]
        if kind.startswith("Separable"):
            return [*channels, ("depth_multiplier", kernel[-1]), ("filters", shapes[1][-1])]
        grouped = [("groups", layer.groups)] if layer.groups > 1 else []
        return [*channels, ("filters", kernel[-1]), *grouped]
    if kind == "Dense":
        return [("in_features", kernel[0]), ("units", kernel[1])]
    if kind == "Embedding":
        return [("input_dim", kernel[0]), ("output_dim", kernel[1])]
    return []


def layer_weights(layer: Any) -> list[Any]:
    """Return the weights of a layer, in the order of `get_weights()`; none for an operation."""
    return list(getattr(layer, "weights", None) or [])


def parameter_formula(layer: Any) -> str:
    """Return the formula of the number of parameters.

    >>> import keras
    >>> layer = keras.layers.Conv1D(128, 5)
    >>> layer.build((None, None, 64))
    >>> parameter_formula(layer)
    '5 x 64 x 128 + 128 = 41,088'
    """
    shapes = [tuple(weight.shape) for weight in layer_weights(layer)]
    if not shapes:
        return ""
    terms = []
    for shape, group in groupby(shapes):
        repeats = len(list(group))
        sizes = [*([repeats] if repeats > 1 else []), *shape]
        terms.append(" x ".join(map(str, sizes)) or "1")
    total = f"{count_parameters(layer):,}"
    text = " + ".join(terms)
    return total if text == total else f"{text} = {total}"


def count_parameters(layer: Any) -> int:
    """Count the numbers in the weights of a layer."""
    return sum(prod(weight.shape) for weight in layer_weights(layer))


def multiply_adds(layer: Any, before: Sequence[Axis], behind: Sequence[Axis]) -> tuple[Fraction, bool] | None:
    """Return products with weights, and whether they are needed for each input frame, or once for the sequence.

    Axes of a known size are multiplied in; along the free one, strides are divided by. Products without weights (a
    normalization, a gate, the scores of attention) are not counted. None: nobody knows for such a layer.
    """
    kind = kind_of(layer)
    matrices = [tuple(weight.shape) for weight in layer_weights(layer) if len(weight.shape) > 1]
    if kind == "Embedding" or not matrices:
        return Fraction(0), bool(behind)
    known = (*CONVOLUTIONS, *TRANSPOSED, *RECURRENT, *ATTENTION, "Dense", "TimeDistributed")
    if kind not in known and not type(layer).__module__.startswith("seqconv."):
        return None
    # Each weight of a matrix is used once at each position; a transposed kernel at each position of its input.
    positions = before if kind in (*TRANSPOSED, *RECURRENT) or contract_of(layer).values_per_channel else behind
    products = Fraction(sum(prod(shape) for shape in matrices))
    if contract_of(layer).per_sequence:
        return products, False
    for axis in positions:
        products *= 1 / axis.stride if axis.length.is_free else axis.length.at(0)
    return products, any(axis.length.is_free for axis in positions)
