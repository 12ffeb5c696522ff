"""The part of a model over time: a tree of layers, and the way of features and segments through it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from seqconv.geometry import TimeGeometry, widest
from seqconv.layers.base import MaskedLayer, contract_of, padding_after
from seqconv.layers.masking import Padding, Tensor
from seqconv.layers.reduction import Summary
from seqconv.models.nodes import Node, Parallel, Residual

# Asked before every layer, with what has arrived; returns the features behind it, or None to let it be called.
Interceptor = Callable[[keras.layers.Layer, "TrunkState"], "Tensor | None"]
# Asked before a layer that looks at whole sequences; returns their summary where the features are a piece of them.
SummaryInterceptor = Callable[[keras.layers.Layer, Tensor, Any], Summary | None]


class TrunkState(NamedTuple):
    """The values that run through the trunk. `segments` is None if all frames are real; `training` is for all layers.

    `padding` is what is known of the features in padding, so that no layer sets to zero what is zero already.
    `interceptor` may answer in the place of layers that keep the number of frames.
    """

    features: Tensor
    segments: Any
    num_slots: Any = None
    summary_interceptor: SummaryInterceptor | None = None
    training: bool | None = None
    padding: Padding = Padding.ANY
    interceptor: Interceptor | None = None


def run(nodes: Sequence[Node], flow: TrunkState) -> TrunkState:
    """Return features and segments after the nodes."""
    for node in nodes:
        if isinstance(node, Residual):
            body, shortcut = run(node.body, flow), run(node.shortcut, flow)
            padding = min(body.padding, shortcut.padding)
            flow = body._replace(features=ops.add(body.features, shortcut.features), padding=padding)
        elif isinstance(node, Parallel):
            branches = [run(branch, flow) for branch in node.branches]
            joined = ops.concatenate([branch.features for branch in branches], axis=-1)
            flow = branches[0]._replace(features=joined, padding=min(branch.padding for branch in branches))
        else:
            flow = _call(node, flow)
    return flow


def walk(nodes: Sequence[Node]) -> Iterator[keras.layers.Layer]:
    """Yield all layers, in the order in which they are called."""
    for node in nodes:
        if isinstance(node, Residual):
            yield from walk(node.body)
            yield from walk(node.shortcut)
        elif isinstance(node, Parallel):
            for branch in node.branches:
                yield from walk(branch)
        else:
            yield node


def geometry_of(nodes: Sequence[Node]) -> TimeGeometry:
    """Return how the nodes read time, in order. A shortcut reads no frame but its own, and its stride is the body's."""
    geometry: TimeGeometry = ()
    for node in nodes:
        if isinstance(node, Residual):
            geometry += geometry_of(node.body)
        elif isinstance(node, Parallel):
            geometry += widest([geometry_of(branch) for branch in node.branches])
        elif (time_layer := contract_of(node).time_layer) is not None:
            geometry += (time_layer,)
    return geometry


def mode(training: bool | None) -> dict[str, Any]:
    """Return the argument that says whether this is training, for a layer and those within it.

    Every layer takes it. Keras's call context does not carry it everywhere: on JAX, training calls `call` directly.
    """
    return {} if training is None else {"training": training}


def _call(layer: keras.layers.Layer, flow: TrunkState) -> TrunkState:
    outputs = None if flow.interceptor is None else flow.interceptor(layer, flow)
    contract, padding = contract_of(layer), padding_after(layer, flow.padding)
    if outputs is None:
        options = mode(flow.training)
        if contract.takes_known:
            options["known"] = flow.padding
        if contract.takes_slots:
            options["num_slots"] = flow.num_slots
        if contract.per_sequence and flow.summary_interceptor is not None:
            options["summary"] = flow.summary_interceptor(layer, flow.features, flow.segments)
        # Keras's own layers here work on each frame by itself: activation, dropout.
        segments = (flow.segments,) if isinstance(layer, MaskedLayer) else ()
        outputs = layer(flow.features, *segments, **options)
        if contract.time_layer is not None and flow.segments is not None:
            outputs, behind = outputs
            return flow._replace(features=outputs, segments=behind, padding=padding)
    return flow._replace(features=outputs, padding=padding)
