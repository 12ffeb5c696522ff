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
from seqconv.models import LayoutModel, SequenceModel
from seqconv.models.nodes import Nodes, Parallel, Residual
from seqconv.models.stack import TrunkState, apply_dense, apply_head, apply_trunk, bands_after, geometry_of
from seqconv.prediction.compiled import Array, trace
from seqconv.prediction.streaming.chunks import ChunkShape, Window

# Statistics of a sequence, or of a piece of it, by the layer that they are for.
Summaries = dict[str, Summary]


class WindowNetwork(keras.Model):  # type: ignore[misc]
    """A model applied to the interior of a window; a Keras model, so that every backend runs it in its own way.

    Args:
        model: its layers are used, not copied.
        shape: of all windows.
        given: names of layers whose statistics of the whole sequence are known from earlier passes.

    Attributes:
        wanted: names of the layers that `summarize` returns statistics for: the first layer of the trunk that looks at
            whole sequences and is not `given`, else the contexts of poolings that have one, else the poolings.
    """

    def __init__(self, model: SequenceModel, shape: ChunkShape, given: tuple[str, ...] = ()) -> None:
        super().__init__(name="window", autocast=False)
        self.model, self.window = model, shape
        self.wanted = next(names for names in passes_of(model) if not set(names) <= set(given))
        self.strides = {layer.name: stride for layer, stride, _ in _depths_of(model.stack.trunk, 1, None)}
        self.built = True
        self._compiled = _compile(self)

    def summarize(self, window: Window, is_counted: npt.NDArray[np.bool_], known: Summaries) -> Summaries:
        """Return statistics of the outputs of a window that are counted, `(interior / stride,)` booleans."""
        return _nested(self._run(window, is_counted, known))

    def frames(self, window: Window, is_counted: npt.NDArray[np.bool_], known: Summaries) -> Array:
        """Return logits `(interior / stride, num_outputs)` of a model that predicts frames; 0 if not counted."""
        return np.asarray(self._run(window, is_counted, known)["frames/logits"][0])

    def _run(self, window: Window, is_counted: npt.NDArray[np.bool_], known: Summaries) -> dict[str, Array]:
        arrays = {"features": window.features, "is_real": window.is_real, "is_counted": is_counted}
        return self._compiled({name: array[None] for name, array in arrays.items()} | _flat(known))

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


def passes_of(model: SequenceModel) -> list[tuple[str, ...]]:
    """Return the layers whose statistics of the whole sequence are taken, pass by pass, up to the answer."""
    trunk = [(layer.name,) for layer in model.stack.layers() if contract_of(layer).per_sequence]
    contexts = tuple(f"{layer.name}_context" for layer in model.stack.poolings if layer.context is not None)
    final = tuple(layer.name for layer in model.stack.poolings) or ("frames",)
    return [*trunk, *([contexts] if contexts else []), final]


def passes_of_whole(model: LayoutModel) -> list[tuple[str, ...]]:
    """Return the layers of all passes before the last ones: they look at the whole sequence."""
    is_average = len(model.list_members()) > 1
    names = [(member.name, names) for member in model.list_members() for names in passes_of(member)[:-1]]
    return [tuple(f"{member}/{name}" if is_average else name for name in found) for member, found in names]


def merge_summaries(model: SequenceModel, first: Summaries, second: Summaries) -> Summaries:
    """Merge statistics of one part of a sequence, which may be empty, with those of the next, in float64."""
    if not first:
        return second
    layers = {layer.name: layer for layer in model.stack.layers()}
    layers |= {f"{layer.name}_context": layer.context for layer in model.stack.poolings}
    return {name: layers[name].merge(first[name], second[name]) for name in second}


def logits_of(model: SequenceModel, summaries: Summaries) -> Array:
    """Return logits `(num_outputs,)` of a whole sequence, from the summaries of its poolings."""
    pooled = [layer.finish(summaries[layer.name]) for layer in model.stack.poolings]
    return np.asarray(ops.convert_to_numpy(apply_dense(model.stack, pooled))[0])


def values_per_frame(model: SequenceModel) -> float:
    """Return the most numbers that a layer makes of one input frame."""
    trunk = [(layer, stride, bands or 1) for layer, stride, bands in _depths_of(model.stack.trunk, 1, None)]
    layers = [*trunk, *((layer, model.total_stride, 1) for layer in model.stack.poolings)]
    widths = [
        bands * max(weight.shape[-2:]) / stride
        for layer, stride, bands in layers
        for weight in layer.weights
        if len(weight.shape)
    ]
    return float(max(model.num_features, *widths))


def _compile(network: WindowNetwork) -> Callable[[dict[str, Array]], dict[str, Array]]:
    """Return the network as a function of arrays."""
    if keras.backend.backend() != "tensorflow":
        return network.predict_on_batch  # type: ignore[no-any-return]
    # One trace, since all windows have one shape; without XLA, which on CPUs would keep oneDNN's convolutions out.
    run = trace(network)
    return lambda inputs: {name: output.numpy() for name, output in run(inputs).items()}


def _depths_of(nodes: Nodes, stride: int, bands: int | None) -> Iterator[tuple[keras.layers.Layer, int, int | None]]:
    """Yield each layer of the trunk, the input frames from one frame that it gets to the next, and its bands."""
    for node in nodes:
        if isinstance(node, Residual):
            yield from _depths_of(node.body, stride, bands)
            yield from _depths_of(node.shortcut, stride, bands)
        elif isinstance(node, Parallel):
            for branch in node.branches:
                yield from _depths_of(branch, stride, bands)
        else:
            yield node, stride, bands
        stride *= total_stride(geometry_of((node,)))
        bands = bands_after((node,), bands)


def _flat(summaries: Summaries) -> dict[str, Any]:
    """Return `{"layer/statistic": value}`: Keras takes and returns flat dicts alike on all backends."""
    return {f"{name}/{key}": value for name, summary in summaries.items() for key, value in summary.items()}


def _nested(values: dict[str, Any]) -> Summaries:
    summaries: Summaries = {}
    for path, value in values.items():
        name, key = path.rsplit("/", 1)
        summaries.setdefault(name, {})[key] = value
    return summaries
