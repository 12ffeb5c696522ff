"""The layers after the last frame: poolings side by side and Dense layers, of our models and of stock ones."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from seqconv.errors import ModelError
from seqconv.inspection.effects import GLOBAL_POOLINGS, follow_axes, kind_of
from seqconv.inspection.graph import Call, Graph, read_graph, run_until
from seqconv.layers.base import contract_of
from seqconv.layers.reduction import as_double
from seqconv.layers.shares import Array, Mask
from seqconv.models.stock import answers_any_length

_KNOWN = "Contributions are known for heads of global poolings and Dense layers"


@dataclass(frozen=True)
class Head:
    """One sequence in the head.

    Attributes:
        frames: what enters the poolings, `(time, channels)`.
        is_real: which of them a mask lets through.
        poolings: layers whose output vectors are concatenated.
        dense: Dense layers after them, and a standardization before these.
        stride: input frames from one of the frames to the next.
    """

    frames: Array
    is_real: Mask
    poolings: tuple[Any, ...]
    dense: tuple[Any, ...]
    stride: int


def run_to_head(model: Any, features: Array) -> Head:
    """Run a sequence `(time, num_features)` up to the head.

    Raises:
        ModelError: the model predicts frames, or has another head than poolings and Dense layers.
    """
    if hasattr(model, "time_geometry"):
        return _run_ours(model, features)
    graph = read_graph(model, is_open=answers_any_length(model))
    poolings, dense = _tail_of(model, graph)
    (tensor,) = {call.inputs[0] for call in poolings}
    axes = follow_axes(graph)[tensor]
    if len(axes) != 1 or axes[0].stride < 1 or axes[0].stride.denominator > 1:
        raise ModelError(f"{_KNOWN} over one axis of time, but '{poolings[0].name}' pools over {len(axes)} axes.")
    (outputs,) = run_until(model, graph, [tensor], features)
    frames, mask = as_double(outputs)[0], getattr(outputs, "_keras_mask", None)
    is_real = np.ones(len(frames), bool) if mask is None else as_double(mask)[0].astype(bool)
    return Head(frames, is_real, tuple(call.layer for call in poolings), dense, int(axes[0].stride))


def _run_ours(model: Any, features: Array) -> Head:
    from seqconv.models.stack import apply_trunk

    if model.predicts_frames:
        raise ModelError(
            f"model '{model.name}' predicts each frame by itself (pooling: frames), so no frame contributes to the "
            "answer for another. Look at its predictions."
        )
    flow = apply_trunk(model.stack, ops.convert_to_tensor(np.asarray(features, np.float32)[None]), None, training=False)
    frames = as_double(ops.cast(flow.features, "float32"))[0]
    dense = tuple(layer for layer in model.stack.dense if kind_of(layer) in ("Dense", "FeatureNormalization"))
    return Head(frames, np.ones(len(frames), bool), model.stack.poolings, dense, model.total_stride)


def _tail_of(model: Any, graph: Graph) -> tuple[list[Call], tuple[Any, ...]]:
    """Return the calls of the poolings and the Dense layers after them."""
    dense: list[Any] = []
    call = graph.maker(graph.outputs[0])
    while call is not None:
        kind = kind_of(call.layer)
        if kind == "Dense":
            dense.insert(0, call.layer)
        elif kind == "Concatenate" or _is_pooling(call):
            break
        elif kind not in ("Dropout", "Identity", "Activation", "Softmax") or (kind == "Activation" and dense):
            raise ModelError(f"{_KNOWN}, but '{call.name}' ({kind}) of model '{model.name}' is something else.")
        call = graph.maker(call.inputs[0])
    makers = [] if call is None else [call] if _is_pooling(call) else [graph.maker(tensor) for tensor in call.inputs]
    poolings = [maker for maker in makers if maker is not None and _is_pooling(maker)]
    if not dense or not poolings or len(poolings) < len(makers) or len({each.inputs[0] for each in poolings}) > 1:
        raise ModelError(
            f"{_KNOWN}; model '{model.name}' does not end in poolings of the same frames and Dense layers."
        )
    return poolings, tuple(dense)


def _is_pooling(call: Call) -> bool:
    return kind_of(call.layer) in GLOBAL_POOLINGS or contract_of(call.layer).values_per_channel > 0
