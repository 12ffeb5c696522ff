"""Layers from the `model` section: the trunk over time, the poolings and the dense head."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
from keras import ops

from seqconv.errors import ConfigError
from seqconv.geometry import TimeGeometry
from seqconv.layers import FeatureNormalization, zero_padding
from seqconv.layers.base import contract_of
from seqconv.layers.masking import Padding, Tensor
from seqconv.models.blocks import LayerScope
from seqconv.models.nodes import Nodes
from seqconv.models.pooling_heads import PoolingHead
from seqconv.models.settings import ModelConfig
from seqconv.models.trunk import SummaryInterceptor, TrunkState, geometry_of, mode, run, walk


class Stack(NamedTuple):
    """The layers of a model: a trunk over time, poolings side by side (none for a prediction per frame), dense ones."""

    trunk: Nodes
    poolings: tuple[keras.layers.Layer, ...]
    dense: tuple[keras.layers.Layer, ...]

    @property
    def time_geometry(self) -> TimeGeometry:
        """The way in which the trunk reads time, layer by layer."""
        return geometry_of(self.trunk)

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
        ConfigError: channels that cannot be divided as a block asks, by its key; or a block of a user's own whose
            layers read time in another way than it says.
    """
    trunk: Nodes = (FeatureNormalization(name="features", dtype=dtype),)
    channels = num_features
    for index, block in enumerate(config.blocks):
        nodes, channels = block.build(channels, LayerScope(index, block_name(index), dtype))
        if geometry_of(nodes) != block.time_layers:
            raise ConfigError(
                f"model.blocks.{index}: its layers read time as {list(geometry_of(nodes))}, but time_layers of "
                f"{type(block).__name__} says {list(block.time_layers)}. Lengths and gaps follow from both: make them "
                "agree"
            )
        trunk += nodes
    poolings = () if config.predicts_frames else tuple(_build_pooling(head, dtype) for head in config.pooling)
    return Stack(trunk, poolings, _dense_layers(config, num_outputs, dtype))


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
        # Dense layers at each frame: what lies in padding must be finite before them, and is 0 behind them.
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
    for index, units in enumerate(config.dense_units):
        if config.dense_dropout:
            layers.append(keras.layers.Dropout(config.dense_dropout, name=f"dense{index}_dropout", dtype=dtype))
        layers.append(keras.layers.Dense(units, activation="relu", name=f"dense{index}", dtype=dtype))
    if config.dense_dropout:
        layers.append(keras.layers.Dropout(config.dense_dropout, name="logits_dropout", dtype=dtype))
    return (*layers, keras.layers.Dense(num_outputs, name="logits", dtype=dtype.variable_dtype))


def _build_pooling(head: PoolingHead, dtype: Any) -> keras.layers.Layer:
    return head.build(name=f"pool_{PoolingHead.registry.name_of(head)}", dtype=dtype)
