"""A stack of layers over time in plain NumPy, straight from the definitions: the judge of frame arithmetic."""

from collections.abc import Sequence

import numpy as np

from seqconv.geometry import TimeLayer

GRID = [
    TimeLayer(kernel_size, stride, dilation, padding)
    for kernel_size in (1, 2, 3, 5)
    for stride in (1, 2, 3)
    for dilation in (1, 2)
    for padding in ("same", "causal", "valid")
]


def random_stack(
    generator: np.random.Generator, paddings: Sequence[str] = ("same", "causal", "valid")
) -> list[TimeLayer]:
    """One to four layers of small kernels."""
    layers = [layer for layer in GRID if layer.padding in paddings]
    return [layers[i] for i in generator.integers(len(layers), size=generator.integers(1, 5))]


def run_layer(values: np.ndarray, segments: np.ndarray, layer: TimeLayer) -> tuple[np.ndarray, np.ndarray]:
    """One layer over one row: re-zero, sum the weighted taps, add a bias; and the segments of its output."""
    values = np.where(segments >= 0, values, 0.0)
    taps = np.arange(layer.kernel_size) * layer.dilation
    if layer.padding == "valid":
        left = right = 0
    elif layer.padding == "causal":
        left, right = taps[-1], 0
    else:
        left = taps[-1] // 2
        right = taps[-1] - left
    padded = np.pad(values, (left, right))
    firsts = range(0, len(padded) - taps[-1], layer.stride)
    weights = 1.0 + np.sqrt(np.arange(2, 2 + layer.kernel_size))
    outputs = np.array([padded[first + taps] @ weights + 1.0 for first in firsts])
    if layer.padding != "valid":
        return outputs, segments[:: layer.stride]
    read = [segments[first + taps] for first in firsts]
    return outputs, np.array([s[0] if len(set(s.tolist())) == 1 else -1 for s in read], int)


def run_row(values: np.ndarray, segments: np.ndarray, layers: Sequence[TimeLayer]) -> dict[int, np.ndarray]:
    """Outputs of each segment of a row after the whole stack."""
    names = np.unique(segments[segments >= 0]).tolist()
    for layer in layers:
        values, segments = run_layer(values, segments, layer)
    return {name: values[segments == name] for name in names}


def run_alone(values: np.ndarray, layers: Sequence[TimeLayer]) -> np.ndarray:
    """Outputs of one sequence by itself."""
    return run_row(values, np.zeros(len(values), int), layers)[0]
