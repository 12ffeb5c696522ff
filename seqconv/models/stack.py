"""From the `model` section to layers: the trunk over time, the poolings and the dense head."""

from typing import Any, NamedTuple

import keras

from seqconv.config.model import ConvBlock, LSTMBlock, ModelConfig, PoolBlock
from seqconv.frames import TimeGeometry
from seqconv.layers import (
    FeatureNormalization,
    MaskedAveragePooling1D,
    MaskedBatchNormalization,
    MaskedConv1D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
    MaskedLSTM,
    MaskedMaxPooling1D,
)
from seqconv.layers.masking import Tensor

# Keras's 0.99 needs hundreds of steps to forget the initial statistics; small data has some dozens an epoch.
MOMENTUM = 0.9
POOLINGS = {"mean": MaskedGlobalAveragePooling1D, "max": MaskedGlobalMaxPooling1D}


class Stack(NamedTuple):
    """The layers of a model, in the order in which they are called."""

    trunk: tuple[keras.layers.Layer, ...]
    poolings: tuple[keras.layers.Layer, ...]
    dense: tuple[keras.layers.Layer, ...]

    @property
    def time_geometry(self) -> TimeGeometry:
        """How the trunk reads time, layer by layer."""
        return tuple(layer.time_layer for layer in self.trunk if hasattr(layer, "time_layer"))

    def unable(self, ability: str) -> list[str]:
        """Names of the layers that are not `packable` or `chunkable`."""
        return [layer.name for layer in (*self.trunk, *self.poolings) if not getattr(layer, ability, True)]


def build_stack(config: ModelConfig, num_outputs: int, dtype: Any) -> Stack:
    """Layers for `config`; the last one returns logits in float32 or wider, whatever the policy computes in."""
    trunk: list[keras.layers.Layer] = [FeatureNormalization(name="features", dtype=dtype)]
    for index, block in enumerate(config.blocks):
        trunk += _block_layers(block, f"block{index}", dtype)
    # Concatenated poolings and dense layers see one vector a sequence: nothing there can be padding.
    dense: list[keras.layers.Layer] = []
    if len(config.pooling) > 1:
        dense.append(keras.layers.Concatenate(name="pooled", dtype=dtype))
    for index, units in enumerate(config.dense_units):
        dense += _dropout(config.dense_dropout, f"dense{index}_dropout", dtype)
        dense.append(keras.layers.Dense(units, activation="relu", name=f"dense{index}", dtype=dtype))
    dense += _dropout(config.dense_dropout, "logits_dropout", dtype)
    dense.append(keras.layers.Dense(num_outputs, name="logits", dtype=dtype.variable_dtype))
    poolings = tuple(POOLINGS[name](name=f"pool_{name}", dtype=dtype) for name in config.pooling)
    return Stack(tuple(trunk), poolings, tuple(dense))


def apply_trunk(stack: Stack, features: Tensor, segments: Tensor | None, training: bool | None) -> tuple[Any, Any]:
    """Features and segments of the trunk's output frames."""
    for layer in stack.trunk:
        if hasattr(layer, "time_layer"):
            returned = layer(features, segments)
            features, segments = (returned, None) if segments is None else returned
        elif isinstance(layer, keras.layers.Dropout):
            features = layer(features, training=training)
        elif isinstance(layer, MaskedBatchNormalization | MaskedLSTM):
            features = layer(features, segments, training=training)
        elif isinstance(layer, FeatureNormalization):
            features = layer(features, segments)
        else:
            features = layer(features)
    return features, segments


def apply_head(
    stack: Stack, features: Tensor, segments: Tensor | None, num_slots: Any, training: bool | None
) -> Tensor:
    """Logits `(batch, num_outputs)`, or `(rows, num_slots, num_outputs)`."""
    pooled = [layer(features, segments, num_slots=num_slots) for layer in stack.poolings]
    outputs: Any = pooled if len(pooled) > 1 else pooled[0]
    for layer in stack.dense:
        outputs = layer(outputs, training=training) if isinstance(layer, keras.layers.Dropout) else layer(outputs)
    return outputs


def _block_layers(block: ConvBlock | PoolBlock | LSTMBlock, name: str, dtype: Any) -> list[keras.layers.Layer]:
    if isinstance(block, PoolBlock):
        pooling = MaskedMaxPooling1D if block.type == "max_pool" else MaskedAveragePooling1D
        return [pooling(block.pool_size, strides=block.strides, name=f"{name}_{block.type}", dtype=dtype)]
    if isinstance(block, LSTMBlock):
        lstm = MaskedLSTM(block.units, bidirectional=block.bidirectional, name=f"{name}_lstm", dtype=dtype)
        return [lstm, *_dropout(block.dropout, f"{name}_dropout", dtype)]
    layers: list[keras.layers.Layer] = []
    for copy in range(block.repeat):
        prefix = name if block.repeat == 1 else f"{name}_{copy}"
        layers += _conv_layers(block, prefix, block.strides if copy == 0 else 1, dtype)
    return layers


def _conv_layers(block: ConvBlock, name: str, strides: int, dtype: Any) -> list[keras.layers.Layer]:
    layers: list[keras.layers.Layer] = [
        MaskedConv1D(
            block.filters,
            block.kernel_size,
            strides=strides,
            dilation_rate=block.dilation_rate,
            padding=block.padding,
            groups=block.groups,
            # A normalization subtracts the bias again.
            use_bias=block.norm == "none",
            kernel_initializer="he_normal" if block.activation == "relu" else "glorot_uniform",
            name=f"{name}_conv",
            dtype=dtype,
        )
    ]
    if block.norm == "batch":
        layers.append(MaskedBatchNormalization(momentum=MOMENTUM, name=f"{name}_norm", dtype=dtype))
    if block.activation != "linear":
        layers.append(keras.layers.Activation(block.activation, name=f"{name}_{block.activation}", dtype=dtype))
    return layers + _dropout(block.dropout, f"{name}_dropout", dtype)


def _dropout(rate: float, name: str, dtype: Any) -> list[keras.layers.Layer]:
    return [keras.layers.Dropout(rate, name=name, dtype=dtype)] if rate else []
