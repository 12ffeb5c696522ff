"""From the `model` section to layers: the trunk over time, the poolings and the dense head."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
from keras import ops

from seqconv.geometry import TimeGeometry
from seqconv.layers import (
    FeatureNormalization,
    MaskedAttentiveStatisticsPooling1D,
    MaskedGeneralizedMeanPooling1D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
    MaskedLastFrame1D,
    MaskedLogSumExpPooling1D,
    MaskedStatisticsPooling1D,
    zero_padding,
)
from seqconv.layers.base import contract_of
from seqconv.layers.masking import Padding, Tensor
from seqconv.models.block_parts import LayerScope
from seqconv.models.blocks import (
    build_attention,
    build_convolution,
    build_length,
    build_pooling,
    build_recurrent,
    build_squeeze_excite,
)
from seqconv.models.compound_blocks import (
    build_convnext,
    build_inception,
    build_inverted_bottleneck,
    build_residual,
    build_tcn,
)
from seqconv.models.pooling_settings import AttentivePooling, GeneralizedMeanPooling, LogSumExpPooling, Pooling
from seqconv.models.settings import ModelConfig
from seqconv.models.trunk import Nodes, SummaryInterceptor, TrunkState, geometry_of, mode, run, walk

BUILDERS: dict[str, Callable[[Any, int, LayerScope], tuple[Nodes, int]]] = {
    "conv": build_convolution,
    "depthwise_conv": build_convolution,
    "separable_conv": build_convolution,
    "max_pool": build_pooling,
    "average_pool": build_pooling,
    "residual": build_residual,
    "tcn": build_tcn,
    "convnext": build_convnext,
    "inverted_bottleneck": build_inverted_bottleneck,
    "inception": build_inception,
    "squeeze_excite": build_squeeze_excite,
    "length": build_length,
    "lstm": build_recurrent,
    "gru": build_recurrent,
    "attention": build_attention,
}
POOLINGS = {
    "mean": MaskedGlobalAveragePooling1D,
    "max": MaskedGlobalMaxPooling1D,
    "last": MaskedLastFrame1D,
    "statistics": MaskedStatisticsPooling1D,
}


class Stack(NamedTuple):
    """The layers of a model: a trunk over time, poolings side by side (none for a prediction per frame), dense ones."""

    trunk: Nodes
    poolings: tuple[keras.layers.Layer, ...]
    dense: tuple[keras.layers.Layer, ...]

    @property
    def time_geometry(self) -> TimeGeometry:
        """How the trunk reads time, layer by layer."""
        return geometry_of(self.trunk)

    def layers(self) -> Iterator[keras.layers.Layer]:
        """All layers, in the order in which they are called."""
        yield from walk(self.trunk)
        yield from self.poolings
        yield from self.dense

    def layers_of_block(self, index: int) -> list[keras.layers.Layer]:
        """The layers of `blocks[index]` of the config, in the order in which they are called."""
        return [layer for layer in walk(self.trunk) if layer.name.startswith(f"{block_name(index)}_")]

    def unable(self, ability: str) -> list[str]:
        """Names of the layers that are not `packable` or `chunkable`."""
        return [layer.name for layer in self.layers() if not getattr(contract_of(layer), ability)]


def build_stack(config: ModelConfig, num_features: int, num_outputs: int, dtype: Any) -> Stack:
    """Layers for `config`; the last one returns logits in float32 or wider, whatever the policy computes in.

    Raises:
        ConfigError: channels that cannot be divided as a block asks, by its key.
    """
    trunk: Nodes = (FeatureNormalization(name="features", dtype=dtype),)
    channels = num_features
    for index, block in enumerate(config.blocks):
        nodes, channels = BUILDERS[block.type](block, channels, LayerScope(index, block_name(index), dtype))
        trunk += nodes
    poolings = () if config.predicts_frames else tuple(_pooling(pooling, dtype) for pooling in config.pooling)
    return Stack(trunk, poolings, _dense_layers(config, num_outputs, dtype))


def block_name(index: int) -> str:
    """What the names of the layers of a block begin with."""
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
    """What leaves the trunk: features and segments of its output frames.

    Args:
        summary_interceptor: asked as `summary_interceptor(layer, features, segments)` before each layer that looks at
            whole sequences; if it returns a summary, that takes the place of the layer's own.
    """
    return run(stack.trunk, TrunkState(features, segments, num_slots, summary_interceptor, training))


def apply_head(stack: Stack, flow: TrunkState) -> Tensor:
    """Logits `(batch, num_outputs)` or `(rows, num_slots, num_outputs)`; of frames `(rows, time, num_outputs)`."""
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
    """Logits of what the poolings returned."""
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


def _pooling(pooling: Pooling, dtype: Any) -> keras.layers.Layer:
    options = {"name": f"pool_{pooling.type}", "dtype": dtype}
    if isinstance(pooling, AttentivePooling):
        return MaskedAttentiveStatisticsPooling1D(
            pooling.units, per_channel=pooling.per_channel, context=pooling.context, **options
        )
    if isinstance(pooling, GeneralizedMeanPooling):
        return MaskedGeneralizedMeanPooling1D(pooling.power, **options)
    if isinstance(pooling, LogSumExpPooling):
        return MaskedLogSumExpPooling1D(pooling.sharpness, **options)
    return POOLINGS[pooling.type](**options)
