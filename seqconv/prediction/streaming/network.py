"""The network over one window of a long sequence, compiled once for all windows."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from seqconv.geometry import total_stride
from seqconv.layers.base import contract_of
from seqconv.layers.masking import Tensor
from seqconv.layers.reduction import Summary
from seqconv.models import SequenceModel
from seqconv.models.nodes import Nodes, Parallel, Residual
from seqconv.models.stack import TrunkState, apply_dense, apply_head, apply_trunk, geometry_of
from seqconv.prediction.streaming.chunks import ChunkShape, Window

Array = npt.NDArray[Any]
# Statistics of a sequence, or of a piece of it, by the layer that they are for.
Summaries = dict[str, Summary]


class WindowNetwork:
    """A model applied to the interior of a window.

    Args:
        model: its layers are used, not copied.
        shape: of all windows.
        given: names of layers whose statistics of the whole sequence are known from earlier passes.

    Attributes:
        wanted: names of the layers that `summarize` returns statistics for: the first layer of the trunk that looks at
            whole sequences and is not `given`, else the contexts of poolings that have one, else the poolings.
    """

    def __init__(self, model: SequenceModel, shape: ChunkShape, given: tuple[str, ...] = ()) -> None:
        self.wanted = next(names for names in passes_of(model) if not set(names) <= set(given))
        self._network = _Network(model, shape, given, self.wanted)
        self._compiled: Callable[[dict[str, Array]], dict[str, Array]] | None = None

    def summarize(self, window: Window, is_counted: npt.NDArray[np.bool_], known: Summaries) -> Summaries:
        """Return statistics of the outputs of a window that are counted, `(interior / stride,)` booleans."""
        return _nested(self._run(window, is_counted, known))

    def frames(self, window: Window, is_counted: npt.NDArray[np.bool_], known: Summaries) -> Array:
        """Return logits `(interior / stride, num_outputs)` of a model that predicts frames; 0 if not counted."""
        logits: Array = self._run(window, is_counted, known)["frames/logits"][0]
        return logits

    def _run(self, window: Window, is_counted: npt.NDArray[np.bool_], known: Summaries) -> dict[str, Array]:
        inputs = {
            "features": window.features[None],
            "is_real": window.is_real[None],
            "is_counted": is_counted[None],
            **_flat(known),
        }
        if self._compiled is None:
            self._compiled = _compile(self._network, inputs)
        return self._compiled(inputs)


def passes_of(model: SequenceModel) -> list[tuple[str, ...]]:
    """Return the layers whose statistics of the whole sequence are taken, pass by pass, up to the answer."""
    trunk = [(layer.name,) for layer in model.stack.layers() if contract_of(layer).per_sequence]
    contexts = tuple(f"{layer.name}_context" for layer in model.stack.poolings if layer.context is not None)
    final = tuple(layer.name for layer in model.stack.poolings) or ("frames",)
    return [*trunk, *([contexts] if contexts else []), final]


def merge_summaries(model: SequenceModel, first: Summaries | None, second: Summaries) -> Summaries:
    """Merge statistics of one part of a sequence with those of the next, in float64."""
    if first is None:
        return second
    layers = _summarizing(model)
    return {name: layers[name].merge(first[name], second[name]) for name in second}


def logits_of(model: SequenceModel, summaries: Summaries) -> Array:
    """Return logits `(num_outputs,)` of a whole sequence, from the summaries of its poolings."""
    pooled = [layer.finish(summaries[layer.name]) for layer in model.stack.poolings]
    logits: Array = np.asarray(ops.convert_to_numpy(apply_dense(model.stack, pooled)))[0]
    return logits


def values_per_frame(model: SequenceModel) -> float:
    """Return the most numbers that a layer makes of one input frame."""
    layers = [*_strides_of(model.stack.trunk, 1), *((layer, model.total_stride) for layer in model.stack.poolings)]
    widths = [
        max(weight.shape[-2:]) / stride for layer, stride in layers for weight in layer.weights if len(weight.shape)
    ]
    return float(max(model.num_features, *widths))


class _Network(keras.Model):  # type: ignore[misc]
    """A Keras model, so that every backend compiles and runs it in its own way."""

    def __init__(
        self, model: SequenceModel, shape: ChunkShape, given: tuple[str, ...], wanted: tuple[str, ...]
    ) -> None:
        super().__init__(name="window", autocast=False)
        self.model, self.window, self.given, self.wanted = model, shape, given, wanted
        self.strides = {layer.name: stride for layer, stride in _strides_of(model.stack.trunk, 1)}
        self.built = True

    def call(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        stack, known = self.model.stack, _nested({name: inputs[name] for name in inputs if "/" in name})
        found: Summaries = {}

        def summary_interceptor(layer: keras.layers.Layer, features: Tensor, mask: Tensor) -> Summary | None:
            if layer.name in self.wanted:
                found[layer.name] = layer.summarize(*self._interior(self.strides[layer.name], features, mask))
            return known.get(layer.name)

        flow = apply_trunk(stack, inputs["features"], inputs["is_real"], summary_interceptor=summary_interceptor)
        if not found:
            features, mask = self._interior(self.window.stride, flow.features, flow.segments)
            mask = ops.logical_and(mask, inputs["is_counted"])
            if not stack.poolings:
                return {"frames/logits": apply_head(stack, TrunkState(features, mask))}
            for layer in stack.poolings:
                found.update(self._pool(layer, features, mask, known))
        return _flat(found)

    def _interior(self, stride: int, features: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the frames that belong to this window and to no other, at a depth with that cumulative stride."""
        first, stop = self.window.left // stride, (self.window.left + self.window.interior) // stride
        return features[:, first:stop], mask[:, first:stop]

    def _pool(self, layer: keras.layers.Layer, features: Tensor, mask: Tensor, known: Summaries) -> Summaries:
        context = layer.context
        if context is None:
            return {layer.name: layer.summarize(features, mask)} if layer.name in self.wanted else {}
        name = f"{layer.name}_context"
        if name in self.wanted:
            return {name: context.summarize(features, mask)}
        return {layer.name: layer.summarize(features, mask, context_summary=known[name])}


def _compile(network: _Network, example: dict[str, Array]) -> Callable[[dict[str, Array]], dict[str, Array]]:
    """Return the network as a function of arrays shaped like the example."""
    if keras.backend.backend() != "tensorflow":
        return network.predict_on_batch  # type: ignore[no-any-return]
    import tensorflow as tf

    # One trace, without XLA: on CPUs it would keep oneDNN's convolutions out.
    signature = {name: tf.TensorSpec(value.shape, value.dtype) for name, value in example.items()}
    traced = tf.function(lambda inputs: network(inputs), autograph=False).get_concrete_function(signature)

    def run(inputs: dict[str, Array]) -> dict[str, Array]:
        outputs = traced({name: tf.convert_to_tensor(value) for name, value in inputs.items()})
        return {name: output.numpy() for name, output in outputs.items()}

    return run


def _strides_of(nodes: Nodes, stride: int) -> Iterator[tuple[keras.layers.Layer, int]]:
    """Yield each layer of the trunk, and the input frames from one frame that it gets to the next."""
    for node in nodes:
        if isinstance(node, Residual):
            yield from _strides_of(node.body, stride)
            yield from _strides_of(node.shortcut, stride)
        elif isinstance(node, Parallel):
            for branch in node.branches:
                yield from _strides_of(branch, stride)
        else:
            yield node, stride
        stride *= total_stride(geometry_of((node,)))


def _summarizing(model: SequenceModel) -> dict[str, keras.layers.Layer]:
    layers = {layer.name: layer for layer in model.stack.layers()}
    contexts = {f"{layer.name}_context": layer.context for layer in model.stack.poolings}
    return {**layers, **contexts}


def _flat(summaries: Summaries) -> dict[str, Any]:
    """Return `{"layer/statistic": value}`: Keras takes and returns flat dicts alike on all backends."""
    return {f"{name}/{key}": value for name, summary in summaries.items() for key, value in summary.items()}


def _nested(values: dict[str, Any]) -> Summaries:
    summaries: Summaries = {}
    for path, value in values.items():
        name, key = path.rsplit("/", 1)
        summaries.setdefault(name, {})[key] = value
    return summaries
