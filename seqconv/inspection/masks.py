"""The path of the mask through the layers."""

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

from seqconv.inspection.effects import kind_of
from seqconv.inspection.graph import Call, Graph
from seqconv.layers.base import MaskedLayer, contract_of

NONE, MADE, TAKEN, PASSED, DROPPED, IGNORED = "", "made", "taken", "passed on", "dropped", "ignored"
# They claim to support masks, but their sums include padding.
IGNORING = ("GroupNormalization",)


def follow_masks(graph: Graph, is_ours: bool) -> list[str]:
    """Return for each call: no mask arrives (""), or it is "made", "taken", "passed on", "dropped" or "ignored".

    Args:
        is_ours: the model is a `SequenceModel`, whose layers get segments as an argument that the graph does not show.
    """
    if is_ours:
        return _follow_segments(graph)
    masked: dict[int, Any] = {}
    return [_state_of(call, masked, graph) for call in graph.calls]


def _follow_segments(graph: Graph) -> list[str]:
    has_time = dict.fromkeys(graph.inputs, True)
    states = []
    for call in graph.calls:
        arrives = any(has_time.get(tensor, False) for tensor in call.inputs)
        pools = contract_of(call.layer).values_per_channel > 0
        states.append(NONE if not arrives else TAKEN if isinstance(call.layer, MaskedLayer) else PASSED)
        has_time |= dict.fromkeys(call.outputs, arrives and not pools)
    return states


def _state_of(call: Call, masked: dict[int, Any], graph: Graph) -> str:
    """Return the state of a call; mark those of its outputs that carry a mask."""
    layer, given = call.layer, [masked.get(tensor) for tensor in call.inputs]
    if isinstance(layer, MaskedLayer) or (len(call.inputs) > 1 and is_mask(graph, call.inputs[-1])):
        # A mask as an argument, or none although the layer would take it.
        return TAKEN if len(call.inputs) > 1 else DROPPED if any(mask is not None for mask in given) else NONE
    makes = kind_of(layer) == "Masking" or bool(getattr(layer, "mask_zero", False))
    if not makes and all(mask is None for mask in given):
        return NONE
    if not hasattr(layer, "compute_mask"):
        # An operation: what it returns carries no mask, and Keras does not warn.
        return DROPPED
    if not layer.supports_masking:
        return DROPPED
    mask = _mask_behind(layer, call, given, graph)
    if mask is not None:
        masked |= dict.fromkeys(call.outputs, mask)
    if makes:
        return MADE
    if kind_of(layer) in IGNORING:
        return IGNORED
    takes = any(name.endswith("mask") for name in inspect.signature(layer.call).parameters)
    return TAKEN if takes else PASSED if mask is not None else DROPPED


def is_mask(graph: Graph, tensor: int) -> bool:
    """Whether a tensor of a graph is a boolean mask."""
    return str(graph.tensors[tensor].dtype) == "bool"


def _mask_behind(layer: Any, call: Call, given: Sequence[Any], graph: Graph) -> Any:
    tensors = [graph.tensors[number] for number in call.inputs]
    single = len(tensors) == 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mask = layer.compute_mask(tensors[0] if single else tensors, given[0] if single else list(given))
    except Exception:
        # A layer of a user: it claims to support masks, so the mask is assumed to pass.
        mask = next((each for each in given if each is not None), None)
    return mask[0] if isinstance(mask, list | tuple) and mask else mask
