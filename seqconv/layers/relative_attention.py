"""Self-attention that knows how far apart two frames are, and costs a packed row less than the square of its width."""

from math import log
from typing import Any, NamedTuple

import keras
from keras import ops

from seqconv.layers.base import MaskedLayer
from seqconv.layers.masking import Padding, Tensor, is_mask, lowest_value, zero_padding
from seqconv.layers.reduction import at_least_single

# Marks frames that a row does not have, in the last block; they are looked at by each other alone.
_OUTSIDE = -2


class _Blocks(NamedTuple):
    """A division of rows into blocks of queries, each of which looks at a window of keys.

    Query `l` of a block is key `l + before` of its window.
    """

    count: Any
    queries: Any
    before: Any
    keys: Any
    is_whole: bool = False


class MaskedRelativeSelfAttention(MaskedLayer):
    """Multi-head self-attention with relative positions (Dai et al. 2019), as in the Conformer (Gulati et al. 2020).

    A frame sees the real frames of its own sequence, and how far before or after it they are. Where rows hold several
    sequences, the row is divided into blocks as long as the longest of them, and a frame is compared with those of its
    own block and its two neighbors: the cost is the width of the row times three times the longest sequence of the
    batch, or the square of the width if that is less. Where shapes are fixed, on JAX and under XLA, it is the square.

    Args:
        num_heads: attention heads.
        key_dim: size of a head; default: channels / num_heads.
        dropout: of the attention weights, in training.

    Call arguments:
        inputs: `(batch, time, channels)`.
        segments: None (all frames are real), a boolean mask or int32 segments `(batch, time)`.
        num_slots: K, for rows that hold up to K sequences; without it, each row is one sequence.
        training: whether to drop.

    Returns:
        Features of the input's shape; 0 in padding.
    """

    chunkable = False
    takes_slots = True
    padding_after = Padding.ZERO

    def __init__(self, num_heads: int = 4, *, key_dim: int | None = None, dropout: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        if num_heads < 1:
            raise ValueError(f"num_heads must be at least 1, got {num_heads}.")
        self.input_spec = keras.InputSpec(ndim=3)
        self.num_heads, self.key_dim, self.dropout = num_heads, key_dim, dropout

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        channels = int(input_shape[-1] or 0)
        self.size = self.key_dim or max(1, channels // self.num_heads)
        joined = self.num_heads * self.size
        names = ("query", "key", "value")
        self.query, self.key, self.value = (keras.layers.Dense(joined, dtype=self.dtype_policy, name=n) for n in names)
        self.distance = keras.layers.Dense(joined, use_bias=False, dtype=self.dtype_policy, name="distance")
        self.output_projection = keras.layers.Dense(channels, dtype=self.dtype_policy, name="output")
        self.attention_dropout = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy, name="dropout")
        for layer in (self.query, self.key, self.value, self.distance):
            layer.build((None, None, channels))
        self.output_projection.build((None, None, joined))
        # What a query asks of all keys, and of all distances: u and v of the paper.
        shape = (self.num_heads, self.size)
        self.content_bias = self.add_weight(name="content_bias", shape=shape, initializer="zeros")
        self.position_bias = self.add_weight(name="position_bias", shape=shape, initializer="zeros")

    def call(self, inputs: Tensor, segments: Any = None, num_slots: Any = None, training: bool | None = None) -> Tensor:
        features = zero_padding(inputs, segments)
        width = ops.shape(features)[1]
        members = ops.zeros(ops.shape(features)[:2], "int32") if segments is None else ops.cast(segments, "int32")
        if segments is not None and is_mask(segments):
            members = members - 1
        # A frame more, so that there are at least two.
        whole = _Blocks(1, width + 1, 0, width + 1, is_whole=True)

        def mix(blocks: _Blocks) -> Tensor:
            return self._mix(features, members, blocks, training)

        is_single = num_slots is None or (isinstance(num_slots, int) and num_slots == 1)
        if is_single or _has_fixed_shapes(features):
            mixed = mix(whole)
        else:
            longest = _longest(members, num_slots)
            blocks = _Blocks((width + longest - 1) // longest, longest, longest, 3 * longest)
            mixed = ops.cond(blocks.keys < width, lambda: mix(blocks), lambda: mix(whole))
        return zero_padding(self.output_projection(mixed), segments)

    def _mix(self, features: Tensor, members: Tensor, blocks: _Blocks, training: bool | None) -> Tensor:
        """Return `(rows, width, heads * size)`: the values that each frame sees, by their weights."""
        rows, width = ops.shape(members)
        query = self._heads(_in_blocks(self.query(features), blocks))
        key, value = (self._heads(_windows(layer(features), blocks)) for layer in (self.key, self.value))
        scores = ops.matmul(query + self._beside(self.content_bias), ops.swapaxes(key, -1, -2))
        scores = scores + self._scores_of_distances(query, blocks, features.shape[-1])
        scores = at_least_single(scores / self.size**0.5)
        owners, seen = _in_blocks(members, blocks, _OUTSIDE), _windows(members, blocks, _OUTSIDE)
        sees = ops.equal(ops.expand_dims(owners, -1), ops.expand_dims(seen, -2))
        scores = ops.where(ops.expand_dims(sees, 2), scores, lowest_value(scores.dtype))
        # Keras's softmax warns about a sequence of one frame.
        weights = ops.exp(scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True)))
        weights = ops.cast(weights / ops.sum(weights, axis=-1, keepdims=True), self.compute_dtype)
        mixed = ops.swapaxes(ops.matmul(self.attention_dropout(weights, training=training), value), 2, 3)
        return ops.reshape(mixed, (rows, blocks.count * blocks.queries, self.num_heads * self.size))[:, :width]

    def _scores_of_distances(self, query: Tensor, blocks: _Blocks, channels: int) -> Tensor:
        """Return `(rows, blocks, heads, queries, keys)`: what a query finds in the distance of each key."""
        count, (queries, keys) = blocks.queries + blocks.keys - 1, (blocks.queries, blocks.keys)
        # From the last query to the first key, up to the first query and the last key.
        distances = ops.arange(count, dtype="int32") - (blocks.before + queries - 1)
        table = self.distance(_sinusoids(distances, channels, self.compute_dtype)[None])
        table = ops.transpose(ops.reshape(table, (count, self.num_heads, self.size)), (1, 2, 0))
        scores = ops.matmul(query + self._beside(self.position_bias), table)
        # Key m is m - l + queries - 1 for query l: one place less in each row, which a shorter row makes.
        rows, number = ops.shape(scores)[0], ops.shape(scores)[1]
        flat = ops.reshape(scores, (rows, number, self.num_heads, queries * count))
        flat = flat[..., queries - 1 : queries - 1 + queries * (count - 1)]
        return ops.reshape(flat, (rows, number, self.num_heads, queries, count - 1))[..., :keys]

    def _heads(self, values: Tensor) -> Tensor:
        """Return `(rows, blocks, frames, heads * size)` as `(rows, blocks, heads, frames, size)`."""
        shape = ops.shape(values)
        return ops.swapaxes(ops.reshape(values, (*shape[:3], self.num_heads, self.size)), 2, 3)

    def _beside(self, bias: Tensor) -> Tensor:
        return ops.cast(ops.reshape(bias, (1, 1, self.num_heads, 1, self.size)), self.compute_dtype)


def _has_fixed_shapes(features: Tensor) -> bool:
    """Whether the lengths of sequences may not decide on shapes: on JAX, and in what TensorFlow compiles with XLA."""
    if keras.backend.backend() != "tensorflow":
        return bool(keras.backend.backend() == "jax")
    # As TensorFlow's GraphOrParentsInXlaContext, since layers import Keras only.
    graph = getattr(features, "graph", None)
    while graph is not None:
        context = graph._get_control_flow_context()
        while context is not None:
            if context.IsXLAContext():
                return True
            context = context.outer_context
        graph = getattr(graph, "outer_graph", None)
    return False


def _longest(members: Tensor, num_slots: Any) -> Any:
    """Return the frames of the longest sequence of a batch, 2 at least."""
    slots = ops.expand_dims(ops.arange(num_slots, dtype="int32"), -1)
    counts = ops.sum(ops.cast(ops.equal(ops.expand_dims(members, 1), slots), "int32"), axis=-1)
    longest = ops.maximum(ops.max(counts), 2)
    return int(longest) if keras.backend.backend() == "torch" else longest


def _in_blocks(values: Tensor, blocks: _Blocks, fill: int = 0) -> Tensor:
    """Return rows `(rows, width, ...)` as `(rows, blocks, queries, ...)`."""
    rows, width, *rest = ops.shape(values)
    spare = blocks.count * blocks.queries - width
    values = ops.pad(values, [(0, 0), (0, spare), *[(0, 0)] * len(rest)], constant_values=fill)
    return ops.reshape(values, (rows, blocks.count, blocks.queries, *rest))


def _windows(values: Tensor, blocks: _Blocks, fill: int = 0) -> Tensor:
    """Return for each block the frames that its queries are compared with, `(rows, blocks, keys, ...)`."""
    own = _in_blocks(values, blocks, fill)
    if blocks.is_whole:
        return own
    rest = [(0, 0)] * (len(own.shape) - 2)
    around = ops.pad(own, [(0, 0), (1, 1), *rest], constant_values=fill)
    return ops.concatenate([around[:, :-2], own, around[:, 2:]], axis=2)


def _sinusoids(distances: Tensor, channels: int, dtype: Any) -> Tensor:
    """Return sines and cosines of distances, `(distances, channels)` (Vaswani et al. 2017)."""
    waves, precise = (channels + 1) // 2, "float64" if dtype == "float64" else "float32"
    rates = ops.exp(ops.arange(waves, dtype=precise) * (-log(10000.0) / waves))
    angles = ops.cast(distances, precise)[:, None] * rates
    return ops.cast(ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)[:, :channels], dtype)
