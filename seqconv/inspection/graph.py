"""The calls of a Keras model, nested models opened."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from seqconv.errors import ModelError
from seqconv.models.stock import built_shape, refusal

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Call:
    """One call of a layer (or operation such as `x + y`); tensors are numbers, in the order of their making."""

    name: str
    layer: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    # Whether the same layer was called before, so that its weights are counted already.
    is_repeated: bool = False


@dataclass
class Graph:
    """The calls of a model, each after those whose outputs it takes."""

    calls: list[Call] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()

    def consumers(self, tensor: int) -> list[Call]:
        """Return the calls that take a tensor."""
        return [call for call in self.calls if tensor in call.inputs]

    def maker(self, tensor: int) -> Call | None:
        """Return the call that returned a tensor; None for an input."""
        return next((call for call in self.calls if tensor in call.outputs), None)

    def add(self, tensor: Any) -> int:
        """Return the number of a new tensor."""
        self.tensors.append(tensor)
        self.shapes.append(tuple(tensor.shape))
        return len(self.tensors) - 1


def read_graph(model: Any, *, is_open: bool = False) -> Graph:
    """Read the graph of a Sequential, functional or subclassed model; `is_open`: for sequences of any length.

    Raises:
        ModelError: it is no model, has never been built, or does in `call` what no graph holds.
    """
    inputs, outputs = _ends_of(model, is_open)
    graph = Graph()
    numbers = {id(tensor): graph.add(tensor) for tensor in inputs}
    graph.inputs = tuple(numbers.values())
    _collect(graph, inputs, outputs, numbers, "", set())
    graph.outputs = tuple(numbers[id(tensor)] for tensor in outputs)
    return graph


def find_layer(model: Any, name: str) -> Any:
    """Find the layer of this name, also within nested models.

    Raises:
        ModelError: there is none; names those there are.
    """
    layers = {call.name: call.layer for call in read_graph(model).calls if hasattr(call.layer, "get_weights")}
    found = [layer for known, layer in layers.items() if name in (known, known.rsplit("/", 1)[-1])]
    if not found:
        raise ModelError(f"model '{model.name}' has no layer '{name}'. It has: {', '.join(layers)}.")
    return found[0]


def run_until(model: Any, graph: Graph, tensors: Sequence[int], features: Any) -> list[Any]:
    """Return what a model computes of one sequence `(time, num_features)` up to some tensors, each with its batch axis.

    Raises:
        ModelError: a tensor is within another model, or the model cannot take the sequence.
    """
    try:
        part = keras.Model(graph.tensors[graph.inputs[0]], [graph.tensors[tensor] for tensor in tensors])
    except ValueError as error:
        raise ModelError(
            f"model '{model.name}' holds another model, which cannot be cut here: {error}. Inspect its parts one by "
            "one."
        ) from error
    sequence = np.asarray(features, np.float32)
    try:
        return _flat(part(sequence[None], training=False))
    except Exception as error:
        # Whatever Keras and its backend raise for inputs that do not fit.
        raise refusal(model, "the recording", sequence.shape, error) from error


def _ends_of(model: Any, is_open: bool) -> tuple[list[Any], list[Any]]:
    if not isinstance(model, keras.Model):
        raise ModelError(f"expected a Keras model, got {type(model).__name__}.")
    inputs, outputs = _flat(getattr(model, "inputs", None)), _flat(getattr(model, "outputs", None))
    if inputs and outputs and is_open:
        inputs = [keras.Input((None, *inputs[0].shape[2:]), dtype=inputs[0].dtype)]
        return inputs, _flat(model.call(inputs[0]))
    if inputs and outputs:
        return inputs, outputs
    shape = built_shape(model)
    if shape is None:
        raise ModelError(
            f"model '{model.name}' has not been built, so its layers have no shapes yet. Call it once on data, or "
            "begin a Sequential with keras.Input((None, num_features))."
        )
    try:
        inputs = [keras.Input(shape[1:])]
        return inputs, _flat(model.call(inputs[0]))
    except Exception as error:
        # Whatever a `call` that was written for arrays raises where it meets a symbol.
        raise ModelError(
            f"model '{model.name}' is a {type(model).__name__} whose `call` cannot be followed layer by layer: {error}."
            " Build it from keras.Input and layers, or inspect its parts."
        ) from error


def _flat(tensors: Any) -> list[Any]:
    return [] if tensors is None else [tensor for tensor in keras.tree.flatten(tensors) if tensor is not None]


def _collect(
    graph: Graph, inputs: Sequence[Any], outputs: Sequence[Any], numbers: dict[int, int], path: str, seen: set[int]
) -> None:
    """Append the calls between inputs and outputs; `numbers` are those of tensors by their identity."""
    for node in _nodes_between(inputs, outputs):
        taken, returned = _arguments(node), list(node.outputs)
        layer = node.operation
        name = f"{path}{layer.name}"
        their_inputs, their_outputs = _flat(getattr(layer, "inputs", None)), _flat(getattr(layer, "outputs", None))
        if isinstance(layer, keras.Model) and their_inputs and their_outputs:
            local = {id(ours): numbers[id(theirs)] for ours, theirs in zip(their_inputs, taken, strict=False)}
            _collect(graph, their_inputs, their_outputs, local, f"{name}/", seen)
            for ours, theirs in zip(their_outputs, returned, strict=True):
                numbers[id(theirs)] = local[id(ours)]
            continue
        if isinstance(layer, keras.layers.InputLayer):
            continue
        for tensor in returned:
            numbers[id(tensor)] = graph.add(tensor)
        ins, outs = (tuple(numbers[id(tensor)] for tensor in group) for group in (taken, returned))
        graph.calls.append(Call(name, layer, ins, outs, is_repeated=id(layer) in seen))
        seen.add(id(layer))


def _nodes_between(inputs: Sequence[Any], outputs: Sequence[Any]) -> Iterator[Any]:
    """Yield Keras's nodes from the inputs to the outputs, in an order in which they can be called."""
    ends = {id(tensor) for tensor in inputs}
    done: set[int] = set()
    stack: list[tuple[Any, bool]] = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        item, is_node = stack.pop()
        if is_node:
            yield item
            continue
        history = getattr(item, "_keras_history", None)
        if id(item) in ends or history is None or history.operation is None:
            continue
        node = history.operation._inbound_nodes[history.node_index]
        if id(node) in done:
            continue
        done.add(id(node))
        stack.append((node, True))
        stack += [(tensor, False) for tensor in reversed(_arguments(node))]


def _arguments(node: Any) -> list[Any]:
    """Return the tensors that a call was given, without the masks that Keras also passes."""
    tensors = list(node.arguments.keras_tensors)
    hidden = {id(getattr(tensor, "_keras_mask", None)) for tensor in tensors}
    return [tensor for tensor in tensors if id(tensor) not in hidden]
