"""The layers of a model, and the way of features and segments through them.

A trunk over time, which is a tree of layers, then poolings and a dense head, built from the `model` section.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from seqconv.errors import ConfigError
from seqconv.geometry import TimeGeometry, widest
from seqconv.layers import FeatureNormalization, zero_padding
from seqconv.layers.base import MaskedLayer, contract_of, padding_after
from seqconv.layers.masking import Padding, Tensor
from seqconv.layers.reduction import Summary
from seqconv.models.blocks import LayerScope
from seqconv.models.nodes import Node, Nodes, Parallel, Residual
from seqconv.models.pooling_heads import PoolingHead
from seqconv.models.settings import ModelConfig

# Asked before a layer that looks at whole sequences; returns their summary where the features are a piece of them.
SummaryInterceptor = Callable[[keras.layers.Layer, Tensor, Any], Summary | None]


class TrunkState(NamedTuple):
    """The values that run through the trunk. `segments` is None if all frames are real; `training` is for all layers.

    `padding` is what is known of the features in padding, so that no layer sets to zero what is zero already.
    `interceptor` is asked before every layer, with what has arrived. It may answer in the place of a layer that keeps
    the number of frames: it returns the features after the layer, or None to let it be called.
    """

    features: Tensor
    segments: Any
    num_slots: Any = None
    summary_interceptor: SummaryInterceptor | None = None
    training: bool | None = None
    padding: Padding = Padding.ANY
    interceptor: Callable[[keras.layers.Layer, "TrunkState"], Tensor | None] | None = None


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


def bands_after(nodes: Sequence[Node], bands: int | None) -> int | None:
    """Return the bands of frames after the nodes; None if they have none."""
    for node in nodes:
        if isinstance(node, Residual):
            # A single band of one of the two is added to each band of the other.
            ways = [bands_after(way, bands) for way in node]
            bands = max((way for way in ways if way is not None), default=None)
        elif isinstance(node, Parallel):
            bands = bands_after(node.branches[0], bands)
        else:
            bands = contract_of(node).output_bands(bands)
    return bands


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
        given = (flow.segments,) if isinstance(layer, MaskedLayer) else ()
        outputs = layer(flow.features, *given, **options)
        if contract.time_layer is not None and flow.segments is not None:
            outputs, segments = outputs
            return flow._replace(features=outputs, segments=segments, padding=padding)
    return flow._replace(features=outputs, padding=padding)


class Stack(NamedTuple):
    """The layers of a model: a trunk over time, poolings side by side (none for a prediction per frame), dense ones."""

    trunk: Nodes
    poolings: tuple[keras.layers.Layer, ...]
    dense: tuple[keras.layers.Layer, ...]

    def layers(self) -> Iterator[keras.layers.Layer]:
        """Yield all layers, in the order in which they are called."""
        yield from walk(self.trunk)
        yield from self.poolings
        yield from self.dense

    def layers_of_block(self, index: int) -> list[keras.layers.Layer]:
        """Return the layers of `blocks[index]` of the config, in the order in which they are called."""
        return [layer for layer in walk(self.trunk) if layer.name.startswith(f"{block_name(index)}_")]

    def unable(self, ability: str) -> list[str]:
        """Return names of the layers that are not `packable` or `chunkable`."""
        return [layer.name for layer in self.layers() if not getattr(contract_of(layer), ability)]


def build_stack(config: ModelConfig, num_features: int, num_outputs: int, dtype: Any) -> Stack:
    """Build layers for `config`; the last one returns logits in float32 or higher, whatever the policy computes in.

    Raises:
        ConfigError: channels that cannot be divided as a block asks, by its key; or the layers of a user's own block
            read time in another way than the block says.
    """
    trunk: Nodes = (FeatureNormalization(name="features", dtype=dtype),)
    channels, bands = num_features, None
    for index, block in enumerate(config.blocks):
        nodes, channels = block.build(channels, LayerScope(index, block_name(index), dtype, bands))
        if geometry_of(nodes) != block.time_layers:
            raise ConfigError(
                f"model.blocks.{index}: its layers read time as {list(geometry_of(nodes))}, but time_layers of "
                f"{type(block).__name__} says {list(block.time_layers)}. Lengths and gaps follow from both: make them "
                "agree"
            )
        trunk += nodes
        before, bands = bands, bands_after(nodes, bands)
        if bands == 0:
            raise ConfigError(
                f"model.blocks.{index}: {before} bands arrive, fewer than its kernels or windows read. Set "
                "band_padding to same, or read or pool fewer bands"
            )
    heads = () if config.predicts_frames else config.pooling
    poolings = (head.build(name=f"pool_{PoolingHead.registry.name_of(head)}", dtype=dtype) for head in heads)
    return Stack(trunk, tuple(poolings), _dense_layers(config, num_outputs, dtype))


def block_name(index: int) -> str:
    """Return the first part of the names of a block's layers."""
    return f"block{index}"


def apply_trunk(
    stack: Stack,
    features: Tensor,
    segments: Any,
    num_slots: Any = None,
    *,
    summary_interceptor: SummaryInterceptor | None = None,
    training: bool | None = None,
) -> TrunkState:
    """Return features and segments of the trunk's output frames.

    Args:
        summary_interceptor: asked as `summary_interceptor(layer, features, segments)` before each layer that looks at
            whole sequences; if it returns a summary, that takes the place of the layer's own.
    """
    return run(stack.trunk, TrunkState(features, segments, num_slots, summary_interceptor, training))


def apply_head(stack: Stack, flow: TrunkState) -> Tensor:
    """Return logits `(batch, num_outputs)`, `(rows, num_slots, num_outputs)`, or of frames `(rows, time,
    num_outputs)`."""
    features, segments = flow.features, flow.segments
    if not stack.poolings:
        # Dense layers at each frame: values in padding must be finite before them, and are 0 after them.
        clean = zero_padding(features, segments, known=flow.padding)
        logits = apply_dense(stack, [clean], training=flow.training)
        return zero_padding(logits, segments, known=Padding.FINITE)
    options = {"num_slots": flow.num_slots, "known": flow.padding, **mode(flow.training)}
    pooled = [layer(features, segments, **options) for layer in stack.poolings]
    return apply_dense(stack, pooled, training=flow.training)


def apply_dense(stack: Stack, pooled: list[Tensor], *, training: bool | None = None) -> Tensor:
    """Return the logits of pooled vectors."""
    outputs = pooled[0] if len(pooled) == 1 else ops.concatenate(pooled, axis=-1)
    for layer in stack.dense:
        outputs = layer(outputs, **mode(training))
    return outputs


def _dense_layers(config: ModelConfig, num_outputs: int, dtype: Any) -> tuple[keras.layers.Layer, ...]:
    layers: list[keras.layers.Layer] = []
    if config.standardize_pooled:
        layers.append(FeatureNormalization(name="pooled_standardization", dtype=dtype))
    for index, units in enumerate(config.dense_units):
        if config.dense_dropout:
            layers.append(keras.layers.Dropout(config.dense_dropout, name=f"dense{index}_dropout", dtype=dtype))
        layers.append(keras.layers.Dense(units, activation="relu", name=f"dense{index}", dtype=dtype))
    if config.dense_dropout:
        layers.append(keras.layers.Dropout(config.dense_dropout, name="logits_dropout", dtype=dtype))
    return (*layers, keras.layers.Dense(num_outputs, name="logits", dtype=dtype.variable_dtype))
