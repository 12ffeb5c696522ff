"""Keras's TimeDistributed in a graph for all lengths."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import keras
from keras import ops

from seqconv.models.stock import all_layers


@contextmanager
def folded_frames(model: Any) -> Iterator[None]:
    """Let the TimeDistributed layers of a model run on all frames at once, as a batch, while its graph is made.

    Where the length is open, Keras's own way returns the first frame's answer for every frame on TensorFlow; where it
    is known, it builds the layer again for each frame, which takes long.
    """
    # Own classes derived from it may do something else.
    layers = [layer for layer in all_layers(model) if type(layer) is keras.layers.TimeDistributed]
    for layer in layers:
        layer.call = MethodType(_call, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.call


def _call(self: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    inner, sizes = self.layer, ops.shape(inputs)
    options: dict[str, Any] = {}
    if inner._call_has_mask_arg and mask is not None:
        options["mask"] = ops.reshape(mask, (-1, *ops.shape(mask)[2:]))
    if inner._call_has_training_arg:
        options["training"] = training
    outputs = inner.call(ops.reshape(inputs, (-1, *sizes[2:])), **options)
    return ops.reshape(outputs, (*sizes[:2], *ops.shape(outputs)[1:]))
