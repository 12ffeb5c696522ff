"""Layers that make an answer depend on padding, found without running the model."""

from collections.abc import Iterator
from typing import Any

from seqconv.inspection import effects
from seqconv.inspection.axes import UNKNOWN, WHOLE
from seqconv.inspection.effects import Axes, kind_of
from seqconv.inspection.findings import Finding, make_finding
from seqconv.inspection.graph import Call, Graph
from seqconv.inspection.masks import DROPPED, IGNORED, MADE, NONE, PASSED, TAKEN, follow_masks
from seqconv.layers.base import MaskedLayer, contract_of

# Layers whose output for zero is not zero.
_MOVING = ("BatchNormalization", "LayerNormalization", "GroupNormalization", "Normalization", "Rescaling", "Embedding")
_MOVING_ACTIVATIONS = ("sigmoid", "softmax", "softplus", "exponential", "hard_sigmoid", "log_sigmoid")


def find_suspects(model: Any, graph: Graph) -> list[Finding]:
    """Return what is wrong with single layers; empty for a `SequenceModel`, whose layers all take segments."""
    if hasattr(model, "time_geometry"):
        return []
    axes = effects.follow_axes(graph)
    findings = [] if has_free_time(graph, axes) else [make_finding("fixed_length", kind=type(model).__name__)]
    masks, is_moved = follow_masks(graph, is_ours=False), dict.fromkeys(graph.inputs, False)
    for call, mask in zip(graph.calls, masks, strict=True):
        before, behind = effects.axes_around(call, axes)
        moved = any(is_moved.get(tensor, False) for tensor in call.inputs)
        is_moved |= dict.fromkeys(call.outputs, moved or _moves_zero(call.layer))
        if not any(axis.length.is_free for axis in before):
            continue
        found = _problems(call, mask, before, behind, moved)
        findings += [make_finding(problem, call.name, kind_of(call.layer)) for problem in found]
        hands_out = hasattr(call.layer, "compute_mask") and not isinstance(call.layer, MaskedLayer)
        if mask in (PASSED, TAKEN, MADE) and behind and not graph.consumers(call.outputs[0]) and hands_out:
            findings.append(make_finding("mask_leaves_model", call.name, kind_of(call.layer)))
    return findings


def has_free_time(graph: Graph, axes: dict[int, Axes]) -> bool:
    """Whether a model takes sequences of any length."""
    return any(axis.length.is_free for tensor in graph.inputs for axis in axes[tensor])


def _problems(call: Call, mask: str, before: Axes, behind: Axes, moved: bool) -> Iterator[str]:
    layer, kind = call.layer, kind_of(call.layer)
    if isinstance(layer, MaskedLayer):
        if len(call.inputs) < 2 and _needs_mask(layer):
            yield "no_mask_given"
        return
    # Only those over time: what a kernel does along mel bands, padding does not touch.
    windows = [window for window, axis in zip(effects.windows_of(layer), before, strict=False) if axis.length.is_free]
    if any(window.padding == "same" and window.stride > 1 and not window.is_transposed for window in windows):
        yield "strided_same"
    if kind == "Flatten" or (kind == "Reshape" and not behind):
        yield "needs_fixed_length"
    elif kind in ("Reshape", "Permute") and any(axis.sees == UNKNOWN for axis in behind):
        yield "cuts_sequences"
    elif mask == DROPPED:
        yield "drops_mask" if hasattr(layer, "compute_mask") else "loses_mask"
    elif mask == IGNORED:
        yield "ignores_mask"
    elif mask == MADE and kind == "Masking":
        yield "masks_silence"
    elif mask == NONE:
        yield from _unmasked_problems(kind, windows, before, behind, moved)


def _unmasked_problems(kind: str, windows: Any, before: Axes, behind: Axes, moved: bool) -> Iterator[str]:
    """Yield what a layer that gets no mask does to padding."""
    if kind == "BatchNormalization":
        yield "unmasked_statistics"
    elif kind in effects.GLOBAL_POOLINGS:
        yield "pools_padding"
    elif kind in effects.RECURRENT:
        yield "runs_into_padding"
    elif kind in effects.ATTENTION:
        yield "attends_to_padding"
    elif windows and any(window.span > 1 for window in windows):
        if moved or kind in effects.POOLINGS:
            yield "reads_padding" if moved else "pools_padding"
    elif any(axis.sees == UNKNOWN for axis in behind) and all(axis.sees != UNKNOWN for axis in before):
        yield "unknown_layer"
    elif any(axis.sees == WHOLE for axis in behind) and all(axis.sees != WHOLE for axis in before):
        yield "pools_padding"
    elif before and not behind:
        yield "unknown_layer"


def _needs_mask(layer: Any) -> bool:
    contract = contract_of(layer)
    reads_time = contract.values_per_channel > 0 or contract.time_layer is not None
    return reads_time or "Normalization" in type(layer).__name__


def _moves_zero(layer: Any) -> bool:
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    has_bias = bool(getattr(layer, "use_bias", False)) and getattr(layer, "bias", None) is not None
    return has_bias or kind_of(layer) in (*_MOVING, *effects.RECURRENT) or activation in _MOVING_ACTIVATIONS
