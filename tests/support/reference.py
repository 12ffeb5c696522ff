"""The effect of each layer on one sequence `(time, channels)`, from its definition, in plain NumPy."""

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from seqconv.geometry import TimeLayer, conv_output_length

Array = np.ndarray


def weights(layer: Any) -> dict[str, Array]:
    """Weights by the name of their layer and their own: `hidden/kernel`."""
    return {
        variable.path.split(layer.name + "/", 1)[-1]: keras.ops.convert_to_numpy(variable.value)
        for variable in layer.weights
    }


def taps(layer: TimeLayer, t: int, num_frames: int) -> list[tuple[int, int]]:
    """Tap k and the input frame that it reads for output t, inside the sequence only."""
    read = [(k, t * layer.stride + k * layer.dilation - layer.left) for k in range(layer.kernel_size)]
    return [(k, source) for k, source in read if 0 <= source < num_frames]


def conv(x: Array, kernel: Array, bias: Array, layer: TimeLayer, groups: int = 1) -> Array:
    """out[t, o] = sum_{k, i} w[k, i, o] x[t * stride + k * dilation - left, i] + b[o], i within the group of o."""
    _, in_group, filters = kernel.shape
    out = np.zeros((conv_output_length(len(x), layer), filters))
    for t, o in itertools.product(range(len(out)), range(filters)):
        first = o // (filters // groups) * in_group
        out[t, o] = bias[o]
        for (k, source), i in itertools.product(taps(layer, t, len(x)), range(in_group)):
            out[t, o] += kernel[k, i, o] * x[source, first + i]
    return out


def depthwise_conv(x: Array, kernel: Array, layer: TimeLayer) -> Array:
    """out[t, i * multiplier + m] = sum_k w[k, i, m] x[t * stride + k * dilation - left, i]."""
    _, channels, multiplier = kernel.shape
    out = np.zeros((conv_output_length(len(x), layer), channels * multiplier))
    for t, i, m in itertools.product(range(len(out)), range(channels), range(multiplier)):
        for k, source in taps(layer, t, len(x)):
            out[t, i * multiplier + m] += kernel[k, i, m] * x[source, i]
    return out


def band_taps(layer: TimeLayer, f: int, bands: int) -> list[tuple[int, int]]:
    """Tap k and the input band that it reads for output band f, inside the bands only: padded as TensorFlow pads."""
    outputs = -(-bands // layer.stride)
    left = max((outputs - 1) * layer.stride + layer.span - bands, 0) // 2 if layer.padding == "same" else 0
    read = [(k, f * layer.stride + k * layer.dilation - left) for k in range(layer.kernel_size)]
    return [(k, source) for k, source in read if 0 <= source < bands]


def conv_2d(x: Array, kernel: Array, bias: Array, time: TimeLayer, bands: TimeLayer, groups: int = 1) -> Array:
    """out[t, f, o] = sum_{k, j, i} w[k, j, i, o] x[source of t and k, source of f and j, i] + b[o], i in o's group."""
    *_, in_group, filters = kernel.shape
    out = np.zeros((conv_output_length(len(x), time), conv_output_length(x.shape[1], bands), filters))
    for t, f, o in np.ndindex(out.shape):
        first = o // (filters // groups) * in_group
        out[t, f, o] = bias[o]
        for (k, frame), (j, band) in itertools.product(taps(time, t, len(x)), band_taps(bands, f, x.shape[1])):
            for i in range(in_group):
                out[t, f, o] += kernel[k, j, i, o] * x[frame, band, first + i]
    return out


def depthwise_conv_2d(x: Array, kernel: Array, time: TimeLayer, bands: TimeLayer) -> Array:
    """out[t, f, i * multiplier + m] = sum_{k, j} w[k, j, i, m] x[source of t and k, source of f and j, i]."""
    *_, channels, multiplier = kernel.shape
    frames, outputs = conv_output_length(len(x), time), conv_output_length(x.shape[1], bands)
    out = np.zeros((frames, outputs, channels * multiplier))
    for t, f, i, m in np.ndindex(frames, outputs, channels, multiplier):
        for (k, frame), (j, band) in itertools.product(taps(time, t, len(x)), band_taps(bands, f, x.shape[1])):
            out[t, f, i * multiplier + m] += kernel[k, j, i, m] * x[frame, band, i]
    return out


def pool_2d(x: Array, time: TimeLayer, bands: TimeLayer, reduce: Callable[..., Array]) -> Array:
    """The maximum or the mean of the frames and bands of the sequence that lie in each window."""
    out = np.zeros((conv_output_length(len(x), time), conv_output_length(x.shape[1], bands), x.shape[2]))
    for t, f in np.ndindex(out.shape[:2]):
        frames = [source for _, source in taps(time, t, len(x))]
        read = [source for _, source in band_taps(bands, f, x.shape[1])]
        out[t, f] = reduce(x[frames][:, read], axis=(0, 1))
    return out


def pool(x: Array, layer: TimeLayer, reduce: Callable[..., Array]) -> Array:
    """The maximum or the mean of the frames of the sequence that lie in each window."""
    windows = [[source for _, source in taps(layer, t, len(x))] for t in range(-(-len(x) // layer.stride))]
    return np.array([reduce(x[window], axis=0) for window in windows])


def statistics(x: Array) -> Array:
    """Mean and deviation of each channel."""
    return np.concatenate([x.mean(axis=0), np.sqrt(x.var(axis=0) + 1e-5)])


def generalized_mean(x: Array, power: float) -> Array:
    """The p-th root of the mean p-th power."""
    return (np.maximum(x, 1e-6) ** power).mean(axis=0) ** (1 / power)


def log_sum_exp(x: Array, sharpness: float) -> Array:
    """The logarithm of the mean exponential."""
    return np.log(np.exp(sharpness * x).mean(axis=0)) / sharpness


def attentive_statistics(x: Array, w: dict[str, Array], context: bool) -> Array:
    """Mean and deviation under a softmax over time of learned scores."""
    seen = np.concatenate([x, np.tile(statistics(x), (len(x), 1))], axis=1) if context else x
    scores = np.tanh(seen @ w["hidden/kernel"] + w["hidden/bias"]) @ w["scores/kernel"] + w["scores/bias"]
    share = softmax(scores, axis=0)
    mean = (share * x).sum(axis=0)
    return np.concatenate([mean, np.sqrt((share * (x - mean) ** 2).sum(axis=0) + 1e-5)])


def layer_norm(x: Array, w: dict[str, Array], epsilon: float = 1e-3) -> Array:
    """Each frame by its own mean and variance over channels."""
    normal = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + epsilon)
    return normal * w["gamma"] + w["beta"]


def group_norm(x: Array, w: dict[str, Array], groups: int, epsilon: float = 1e-3) -> Array:
    """Each group of channels by its mean and variance over the sequence."""
    parts = [(part - part.mean()) / np.sqrt(part.var() + epsilon) for part in np.split(x, groups, axis=1)]
    return np.concatenate(parts, axis=1) * w["gamma"] + w["beta"]


def layer_norm_of_bands(x: Array, w: dict[str, Array]) -> Array:
    """Each band of each frame by its own mean and variance over channels."""
    return np.stack([layer_norm(x[:, band], w) for band in range(x.shape[1])], axis=1)


def group_norm_of_bands(x: Array, w: dict[str, Array], groups: int) -> Array:
    """Each group of channels by its mean and variance over frames and bands."""
    return group_norm(x.reshape(-1, x.shape[-1]), w, groups).reshape(x.shape)


def squeeze_excite_of_bands(x: Array, w: dict[str, Array]) -> Array:
    """Channels times gates from their means over frames and bands."""
    return squeeze_excite(x.reshape(-1, x.shape[-1]), w).reshape(x.shape)


def batch_norm(x: Array, w: dict[str, Array], epsilon: float = 1e-3) -> Array:
    """By the moving statistics, as at inference."""
    normal = (x - w["moving_mean"]) / np.sqrt(w["moving_variance"] + epsilon)
    return normal * w["gamma"] + w["beta"]


def squeeze_excite(x: Array, w: dict[str, Array]) -> Array:
    """Channels times gates from their means."""
    hidden = np.maximum(x.mean(axis=0) @ w["hidden/kernel"] + w["hidden/bias"], 0)
    return x / (1 + np.exp(-(hidden @ w["gates/kernel"] + w["gates/bias"])))


def length_channel(x: Array, reference: float) -> Array:
    """One more channel, the same at all frames."""
    return np.concatenate([x, np.full((len(x), 1), np.log(len(x) / reference))], axis=1)


def self_attention(x: Array, w: dict[str, Array], num_heads: int) -> Array:
    """Each frame as a mean of the values of all frames, weighed by a softmax of query times key; head by head."""
    query, key, value = (
        np.split(x @ w[f"{name}/kernel"] + w[f"{name}/bias"], num_heads, axis=1) for name in ("query", "key", "value")
    )
    seen = [softmax(q @ k.T / np.sqrt(q.shape[1]), axis=1) @ v for q, k, v in zip(query, key, value, strict=True)]
    return np.concatenate(seen, axis=1) @ w["output/kernel"] + w["output/bias"]


def relative_self_attention(x: Array, w: dict[str, Array], num_heads: int) -> Array:
    """Self-attention whose scores also have a part from the distance of two frames, in sines and cosines."""
    query, key, value = (
        (x @ w[f"{name}/kernel"] + w[f"{name}/bias"]).reshape(len(x), num_heads, -1)
        for name in ("query", "key", "value")
    )
    size = query.shape[-1]
    rates = 10000.0 ** (-np.arange(-(-x.shape[1] // 2)) / -(-x.shape[1] // 2))
    mixed = np.zeros_like(query)
    for head in range(num_heads):
        scores = np.zeros((len(x), len(x)))
        for i, j in np.ndindex(scores.shape):
            waves = np.concatenate([np.sin((j - i) * rates), np.cos((j - i) * rates)])[: x.shape[1]]
            distance = (waves @ w["distance/kernel"]).reshape(num_heads, size)[head]
            scores[i, j] = (query[i, head] + w["content_bias"][head]) @ key[j, head]
            scores[i, j] += (query[i, head] + w["position_bias"][head]) @ distance
        mixed[:, head] = softmax(scores / np.sqrt(size), axis=1) @ value[:, head]
    return mixed.reshape(len(x), -1) @ w["output/kernel"] + w["output/bias"]


def softmax(scores: Array, axis: int) -> Array:
    """Shares that sum to 1."""
    powers = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)
